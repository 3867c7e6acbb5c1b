"""Asterisk bridges a call natively some milliseconds after a change, or once it need not follow the digits any more."""

from dataclasses import replace

from stasis_offload.media import events as ev
from stasis_offload.media.eligibility import has_own_hooks
from stasis_offload.media.reasons import Reason
from stasis_offload.media.relaying import why_not_now
from stasis_offload.media.state import NOT_NATIVE, Phase, Placement

# Queries after a change during which a call is learned although Asterisk does not bridge it natively yet: 0.6 s in all
# (Asterisk takes some milliseconds).
MAX_NATIVE_QUERIES = 7


def why_not_learned(placement: Placement, event: ev.LegsReported, now: float) -> tuple[Reason | None, bool]:
    """Return why not to learn a call, or not to go on, and whether Asterisk has yet to bridge it natively.

    While it follows the digits it does not; of a dormant call it goes on with that.
    """
    reason = why_not_now(placement, event, now)
    if reason != NOT_NATIVE:
        return reason, False
    if placement.leaves_digits and has_own_hooks(placement.featured, event.by_leg):
        return None, placement.phase is not Phase.DORMANT
    soon = placement.damping.failures < MAX_NATIVE_QUERIES
    return (None if soon else reason), soon


def await_native(placement: Placement, now: float) -> Placement:
    """Go on learning, and query again soon whether Asterisk bridges natively; a dormant call stays dormant."""
    return replace(
        placement,
        phase=Phase.DORMANT if placement.phase is Phase.DORMANT else Phase.AWAITING_NATIVE,
        reason=NOT_NATIVE,
        deadline=now + placement.damping.wait(placement.tuning.recheck),
        damping=placement.damping.with_failure(),
    )
