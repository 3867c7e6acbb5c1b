"""Returns to Asterisk: the only way out of the switch and of learning, with its reason, and the queries that follow."""

from collections.abc import Mapping
from dataclasses import replace

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.eligibility import why_not, why_not_followed
from stasis_offload.media.path import Headers, Leg
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.state import NOT_CONNECTED, NOT_NATIVE, Phase, Placement, State
from stasis_offload.openflow.flow import FlowCount

# Seconds for which Asterisk is not queried again while it sends RTP of its own: the length of a long digit.
MIN_ASTERISK_RTP_WAIT = 1.0

_EXCLUSIONS = (ReasonKind.EXCLUDED_VARIABLE, ReasonKind.EXCLUDED_POLICY, ReasonKind.EXCLUDED_SHARE)
# The blocks; of several, the first is the reason.
BLOCKS = (
    *_EXCLUSIONS,
    ReasonKind.STOPPING,
    ReasonKind.OPERATOR,
    ReasonKind.MEASUREMENT,
    ReasonKind.ASTERISK_UNREACHABLE,
    ReasonKind.SWITCH_UNREACHABLE,
    ReasonKind.TABLE_FULL,
    ReasonKind.QUEUED,
    ReasonKind.DTMF_FEATURE,
    ReasonKind.ENDED,  # a leg is leaving; unless another channel replaces it, so is the call
)
# Returns that the call does not cause: they do not count as flapping.
_NOT_FLAPPING = frozenset({*BLOCKS, ReasonKind.SWITCH_REFUSED, ReasonKind.MODULE_UNREACHABLE})
_TO_THE_END = frozenset({ReasonKind.ENDED, ReasonKind.DEFECT})
_CALL_CHANGED = Reason(ReasonKind.CALL_CHANGED)

Step = tuple[Placement, tuple[cmd.Command, ...]]


def connect(placement: Placement, event: ev.Connected, now: float) -> Step:
    """Query the legs at once, now that both are up; while the call is blocked, name the block."""
    blocks = placement.blocks - {ReasonKind.ENDED}
    connected = replace(placement, connected=True, blocks=blocks, featured=event.featured)
    return query_at_once(connected, now)


def on_bridge_changed(placement: Placement, _event: ev.BridgeChanged | ev.BridgeRebuilt, now: float) -> Step:
    """Query the legs at once if both are up; while the call is blocked, name the block."""
    return query_at_once(placement, now)


def unblock(placement: Placement, event: ev.Unblocked, now: float) -> Step:
    """Query the legs at once unless something else blocks the call."""
    return query_at_once(replace(placement, blocks=placement.blocks - {event.kind}), now)


def query_again(placement: Placement, _event: ev.DeadlineReached, now: float) -> Step:
    """Query the legs, and again after `media.recheck` if no answer comes."""
    return replace(placement, deadline=now + placement.tuning.recheck), (cmd.QueryLegs(),)


def block(placement: Placement, event: ev.Blocked, now: float) -> Step:
    """Remove the flows, if there are any, and relay the call until nothing blocks it."""
    blocked = replace(placement, blocks=placement.blocks | {event.kind})
    if event.kind in _EXCLUSIONS:
        blocked = replace(blocked, excluded_by=event.detail)
    return relay(blocked, Reason(event.kind), now)


def on_command_failed(placement: Placement, event: ev.CommandFailed, now: float) -> Step:
    """Remove the flows, if there are any, relay the call, and query the legs later; a block remains the reason."""
    return relay(placement, Reason(event.kind), now)


def end(placement: Placement, _event: ev.CallEnded, now: float) -> Step:
    """Remove the flows, if there are any, and relay the call to its end."""
    relayed, commands = relay(placement, Reason(ReasonKind.ENDED), now)
    return replace(relayed, phase=Phase.ENDED, deadline=None), commands


def abandon(placement: Placement, now: float) -> Placement:
    """Relay the call to its end, after a defect of the machine or its executor, which removes the flows itself."""
    relayed, _ = relay(placement, Reason(ReasonKind.DEFECT), now)
    return replace(relayed, phase=Phase.ENDED, deadline=None)


def add_final_counters(placement: Placement, event: ev.FinalCounters, _now: float) -> Step:
    """Add the last counters of the removed flows to the counts of earlier stays in the switch."""
    read = placement.counted(event.counts or {})
    last = {**placement.counts, **read}
    totals = {leg: placement.earlier_counts.get(leg, FlowCount()) + last.get(leg, FlowCount()) for leg in Leg}
    partial = placement.partial or event.counts is None
    return replace(placement, earlier_counts=totals, counts={}, ended_counts={}, partial=partial), ()


def reclaim(
    placement: Placement, now: float, reason: Reason = _CALL_CHANGED, *, signalled: bool = False
) -> Step:
    """Remove the flows of an offloaded call that changed, and only then query its legs.

    `signalled` is whether Asterisk told of the change. Such a return is no flapping: somebody held the call, moved or
    recorded it, however often, and nothing about the path is doubtful.
    """
    relayed, commands = relay(placement, reason, now, signalled=signalled)
    queried, query = query_at_once(relayed, now)
    return queried, commands + query


def query_at_once(placement: Placement, now: float) -> Step:
    """Query the legs at once and restart the series of waits; while the call is blocked, name the block."""
    if not placement.connected:
        return replace(placement, reason=NOT_CONNECTED) if not placement.blocks else placement, ()
    if placement.blocks:
        return relay(placement, _blocking_reason(placement), now)
    return replace(placement, damping=placement.damping.reset()), (cmd.QueryLegs(),)


def why_not_now(placement: Placement, event: ev.LegsReported, now: float) -> Reason | None:
    """Return the reason against offloading: one in Asterisk's reports, or that the call is suppressed."""
    splits = event.splits(placement.switch)
    reason = why_not(event.caller, event.callee, splits=splits)
    if reason in (None, NOT_NATIVE):
        reason = why_not_followed(placement.featured, event.by_leg, splits=splits) or reason
    if reason in (None, NOT_NATIVE) and placement.damping.is_suppressed(now):
        return Reason(ReasonKind.FLAPPING)
    return reason


def _blocking_reason(placement: Placement) -> Reason:
    kind = next(kind for kind in BLOCKS if kind in placement.blocks)
    return Reason(kind, detail=placement.excluded_by if kind in _EXCLUSIONS else None)


def relay(placement: Placement, reason: Reason, now: float, *, signalled: bool = False) -> Step:
    """Return the media to Asterisk, or leave it there, and record why; of a call that goes on, a block is the reason."""
    if placement.blocks and reason.kind not in _TO_THE_END:
        reason = _blocking_reason(placement)
    tuning, damping = placement.tuning, placement.damping.with_failure()
    if placement.state is State.OFFLOADED and not signalled and reason.kind not in _NOT_FLAPPING:
        damping = damping.with_return(now, most=tuning.returns_per_minute, wait=tuning.flap_wait)
    wait: float | None = now + placement.damping.wait(tuning.recheck)
    if placement.blocks or reason.kind is ReasonKind.DEAF:
        wait = None  # the same path would be built again
    elif reason.kind is ReasonKind.ASTERISK_MEDIA:
        wait = now + max(placement.damping.wait(tuning.recheck), MIN_ASTERISK_RTP_WAIT)
    elif reason.kind is ReasonKind.DOUBLED:
        wait = now + tuning.flap_wait  # each attempt would double a part of a second
    elif reason.kind is ReasonKind.FLAPPING:
        wait = damping.suppressed_until
    elif reason.kind is ReasonKind.DIFFERENT_SWITCHES:
        wait = now + tuning.recheck  # each attempt has every packet shown for a second
    elif placement.featured and placement.is_learned:
        wait = now + tuning.recheck  # each attempt changes how Asterisk bridges the call, and so the SSRC
    relayed = replace(
        placement,
        phase=Phase.RELAYED,
        reason=reason,
        since=placement.since if placement.state is State.RELAYED else now,
        deadline=wait,
        damping=damping,
        reports={},
        observed={},
        unobserved={},
        shown_elsewhere={},
        strangers_observed={},
        moving=frozenset(),
        relayed_packets={},
        last_packets={},
        path=None,
        unsampled=frozenset(),
        unverified=frozenset(),
        left={},
        small_audio={},
        missing={},
        unheard={},
        withheld=_withheld(placement, reason),
    )
    flows = relayed.flows()
    commands: dict[State, tuple[cmd.Command, ...]] = {
        State.RELAYED: (cmd.SetFlows(flows),) if relayed.withheld != placement.withheld else (),
        State.LEARNING: (cmd.SetFlows(flows),),
        State.OFFLOADED: (cmd.RemoveFlows(flows),),
    }
    return relayed, commands[placement.state]


def _withheld(placement: Placement, reason: Reason) -> Mapping[Leg, Headers]:
    """Return to which legs Asterisk's next report is to be withheld: what the switch carried counts as lost in it."""
    if reason.kind is ReasonKind.ENDED or not placement.tuning.forward_rtcp:
        return {}
    if placement.path is None:
        return placement.withheld
    return {leg: placement.path.attachment(leg).received for leg in Leg}
