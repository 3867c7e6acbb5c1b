"""Back to Asterisk: the one way out of the switch, and of learning, with its reason."""

from dataclasses import replace

from stasis_offload.media import commands as cmd
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.state import Placement, State

# Asterisk that speaks to a leg is not asked again before it may have ended (s): the length of a long digit.
MIN_ASTERISK_RTP_WAIT = 1.0

# What may block a call, and which of several is named.
BLOCKS = (
    ReasonKind.DRAIN,
    ReasonKind.OPERATOR,
    ReasonKind.ASTERISK_UNREACHABLE,
    ReasonKind.SWITCH_UNREACHABLE,
)
# These returns to Asterisk are not the call's doing: they do not make it a flapping one.
_NOT_FLAPPING = frozenset(
    {*BLOCKS, ReasonKind.SWITCH_REFUSED, ReasonKind.MODULE_UNREACHABLE, ReasonKind.ENDED}
)

Step = tuple[Placement, tuple[cmd.Command, ...]]


def relay(placement: Placement, reason: Reason, now: float) -> Step:
    """Give the media back to Asterisk, or leave it there, and say why."""
    policy, damping = placement.policy, placement.damping.with_failure()
    commands: dict[State, tuple[cmd.Command, ...]] = {
        State.RELAYED: (),
        State.LEARNING: (cmd.SetFlows(()),),
        State.OFFLOADED: (cmd.Request.TAKE_OUT,),
    }
    if placement.state is State.OFFLOADED and reason.kind not in _NOT_FLAPPING:
        damping = damping.with_return(now, most=policy.returns_per_minute, hold=policy.flap_hold)
    wait = now + placement.damping.wait(policy.recheck)
    if reason.kind is ReasonKind.ASTERISK_MEDIA:
        wait = max(wait, now + MIN_ASTERISK_RTP_WAIT)
    elif reason.kind is ReasonKind.FLAPPING:
        wait = damping.suppressed_until
    relayed = replace(
        placement,
        state=State.RELAYED,
        reason=reason,
        since=placement.since if placement.state is State.RELAYED else now,
        deadline=None if placement.blocks else wait,
        damping=damping,
        reports={},
        observed={},
        relayed_packets={},
        settling=False,
        quiet=False,
        path=None,
        unsampled=frozenset(),
        verified=False,
        guarded=False,
    )
    return relayed, commands[placement.state]
