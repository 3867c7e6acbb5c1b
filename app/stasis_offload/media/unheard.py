"""An offloaded call while Asterisk does not answer: that nothing is heard says nothing about the call.

A debugger, a core dump, swap or SIGSTOP stops Asterisk for seconds, in which nothing can change: media that flows well would
be handed to the one who cannot relay it. So the flows stay for `media.grace`, and the module is asked again. What says that
something changed takes them out as ever: an event, a guard, an operator.
"""

from dataclasses import replace

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media import relaying
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.relaying import Step
from stasis_offload.media.state import Placement

# Seconds until the module is asked again. A query fails after two more if Asterisk hangs.
ASK_AGAIN = 5.0


def on_command_failed(placement: Placement, event: ev.CommandFailed, now: float) -> Step:
    """Relay the call, and query the legs later; if only the module did not answer, ask again, for `media.grace` at most."""
    if event.kind is not ReasonKind.MODULE_UNREACHABLE:
        return relaying.on_command_failed(placement, event, now)
    return _stay(placement, event.kind, now, audit_at=now + ASK_AGAIN)


def block(placement: Placement, event: ev.Blocked, now: float) -> Step:
    """Remove the flows, and relay the call; if only no event arrives from Asterisk any more, after `media.grace`."""
    if event.kind is not ReasonKind.ASTERISK_UNREACHABLE:
        return relaying.block(placement, event, now)
    blocked = replace(placement, blocks=placement.blocks | {event.kind})
    return _stay(blocked, event.kind, now, audit_at=now + placement.tuning.grace)


def unblock(placement: Placement, event: ev.Unblocked, now: float) -> Step:
    """Query the legs while the flows stay: what changed while no events arrived was told to nobody."""
    unblocked = replace(
        without(placement, event.kind),
        blocks=placement.blocks - {event.kind},
        damping=placement.damping.reset(),
    )
    del now
    return unblocked, (cmd.QueryLegs(),)


def overdue(placement: Placement, now: float) -> Reason | None:
    """Return why an offloaded call must be relayed now if Asterisk has not been heard for `media.grace`."""
    grace = placement.tuning.grace
    return next((Reason(kind) for kind, since in placement.unheard.items() if now - since >= grace), None)


def without(placement: Placement, kind: ReasonKind) -> Placement:
    """Record that Asterisk is heard again."""
    return replace(
        placement, unheard={each: since for each, since in placement.unheard.items() if each is not kind}
    )


def _stay(placement: Placement, kind: ReasonKind, now: float, *, audit_at: float) -> Step:
    unheard = replace(placement, unheard={kind: now, **placement.unheard})
    reason = overdue(unheard, now)
    if reason:
        return relaying.relay(unheard, reason, now)
    return replace(unheard, deadline=min(placement.deadline or audit_at, audit_at)), ()
