"""A party parks the other one (res/parking/parking_bridge_features.c), and hears in which slot before it is hung up."""

from dataclasses import replace

from stasis_offload.signalling import ending
from stasis_offload.signalling.call_ids import CALLER
from stasis_offload.signalling.causes import Cause
from stasis_offload.signalling.state import Callee, Dialing, Step

# Seconds after which a party that has parked the other one is hung up: by then it has heard the number of the slot.
_HEARD_WITHIN = 10.0


def await_parker(dialing: Dialing, now: float) -> Step:
    """Wait until the party that has parked the other one leaves the bridge: Asterisk takes it out of there at the end."""
    return replace(dialing, deadline=now + _HEARD_WITHIN), ()


def is_parked(dialing: Dialing) -> bool:
    """Return whether a party has parked the other one, who has left the application."""
    if dialing.parker is None or dialing.winner is None:
        return False
    if dialing.parker == CALLER:
        return dialing.callees[dialing.winner - 1] is Callee.DESTROYED
    return not dialing.caller_here


def end(dialing: Dialing) -> Step:
    """End the call of a party that has parked the other one."""
    if dialing.parker == CALLER:
        return ending.end_by_callee(dialing, Cause.NORMAL_CLEARING)
    return ending.release_callee(dialing)
