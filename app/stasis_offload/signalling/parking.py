"""A party parks the other one (res/parking/parking_bridge_features.c), and hears in which slot before it is hung up."""

from dataclasses import replace

from stasis_offload.signalling import ending
from stasis_offload.signalling.call_ids import CALLER
from stasis_offload.signalling.causes import Cause
from stasis_offload.signalling.state import Callee, Dialing, Step

# Seconds after which a party that has parked the other one is hung up: by then it has heard the number of the slot.
_HEARD_WITHIN = 10.0
# Seconds after it was asked for within which the other one has left for the lot; later it leaves for another reason.
_PARKED_WITHIN = 2.0


def ask(dialing: Dialing, leg: int, now: float) -> Step:
    """Note that a party asked for the other one to be parked, which may fail."""
    return replace(dialing, parker=leg, parks_until=now + _PARKED_WITHIN), ()


def parks(dialing: Dialing, leg: int | None, now: float) -> bool:
    """Return whether a party of the call has just asked for the other one to be parked."""
    return (
        leg is not None
        and dialing.parker == leg
        and now < dialing.parks_until
        and dialing.caller_cause is None
    )


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
    """End the call of a party that has parked the other one; a callee goes on where option F says."""
    if dialing.parker == CALLER:
        return ending.end_by_callee(dialing, Cause.NORMAL_CLEARING)
    dialing, sent_on = ending.send_on(dialing)
    after, commands = ending.release_callee(dialing)
    return after, (*sent_on, *commands)
