"""Everything that affects where a call's media is must happen in `step`: state and event in, commands out.

The table (an event that is not named leaves the state as it is):

| state | event | next | commands |
|---|---|---|---|
| relayed | Connected, Disturbed, Unblocked, deadline | relayed | Ask |
| relayed | Reported, eligible | learning | SetFlows(learning) |
| relayed | Reported, eligible but for not being native yet | learning(not-native), asks again soon | SetFlows(learning) |
| relayed | Reported, eligible, but it was here too often | relayed(flapping), for a while | |
| relayed | Reported, not eligible | relayed(reason), asks again later | |
| learning | Seen, both legs now | learning | Ask |
| learning | Seen, not what Asterisk says | relayed(foreign-...) | SetFlows() |
| learning | Reported, agrees with both sightings | learning, settling | |
| learning | Reported, Asterisk has not heard a leg yet | learning, asks again later | |
| learning | Reported, not eligible | relayed(reason) | SetFlows() |
| learning | Reported, addresses changed | learning | SetFlows(learning) |
| learning | deadline, a leg is silent | learning(no-media:leg), quiet | Ask, SetFlows(learning, that leg) renewed |
| learning | Seen, quiet | learning | SetFlows(learning) |
| learning | Connected, Disturbed, Unblocked, deadline with both legs heard | learning | Ask |
| settling | Seen, Passed: Asterisk has sent on all it got, and nothing more is due | offloaded | SetFlows(forwarding, shown to us) |
| settling | deadline, Asterisk sends on but late | offloaded | SetFlows(forwarding, shown to us) |
| settling | deadline, Asterisk does not send a leg on | relayed(not-relayed:leg) | SetFlows() |
| settling | deadline, a leg fell silent | learning | SetFlows(learning) |
| offloaded | Seen, of both legs now | offloaded, verified | SetFlows(forwarding, RTCP, guards once guarded) |
| offloaded | Seen, not what Asterisk says | relayed(foreign-...) | TakeOut |
| offloaded | deadline, not verified | relayed(flow-lost) | TakeOut |
| offloaded | deadline, verified | offloaded, guarded | SetFlows(all, shown to us) renewed |
| offloaded | deadline, guarded | offloaded | Ask, Count, SetFlows(all, shown to us) renewed |
| offloaded | Counted, a leg goes on and has an rtp_timeout | offloaded | Inject(a sign of life) |
| offloaded | Counted, a flow is gone | relayed(flow-lost) | TakeOut |
| offloaded | Reported, not eligible or changed | relayed(reason) | TakeOut |
| offloaded | RtcpFrom, a new port | offloaded | SetFlows(...) |
| offloaded | Alarm | relayed(foreign-source, asterisk-media) | TakeOut |
| offloaded | Idle | relayed(media-idle) | TakeOut |
| offloaded | Disturbed, Gone | relayed(call-changed) | TakeOut, Ask |
| offloaded | Connected, Unblocked | offloaded | Ask |
| any | Blocked, Failed, Ended | relayed(that) | as for any other reason: TakeOut if offloaded, SetFlows() if learning |

Whatever leaves `offloaded` takes the flows out first, with what they counted, and only then asks questions.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from stasis_offload.asterisk.leg_report import LegReport
from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.eligibility import why_not, why_not_observed
from stasis_offload.media.flows import Role
from stasis_offload.media.learning import (
    NOT_NATIVE,
    await_native,
    confirm,
    note_relayed,
    observe,
    on_learning_deadline,
    start_learning,
)
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.relaying import BLOCKS, Step, relay
from stasis_offload.media.state import NOT_CONNECTED, Placement, State
from stasis_offload.openflow.flow import FlowCount

# A call that Asterisk does not bridge natively yet is learned all the same for so many questions after a change, half a
# second in all: it takes Asterisk some milliseconds to, and then the first packets are known already.
MAX_NATIVE_QUERIES = 7
# What Asterisk had read before a take-over it has sent on by then (s); what it sends later is its own.
GUARD_DELAY = 1.0


def step(placement: Placement, event: ev.Event, now: float) -> Step:  # noqa: PLR0912 - one row an event
    """Take one event; return the new placement and the commands to carry out in their order."""
    if isinstance(event, ev.FinalCounters):
        return _keep_counts(placement, event), ()
    if placement.over:
        return placement, ()
    offloaded = placement.state is State.OFFLOADED
    match event:
        case ev.PacketObserved():
            return _seen(placement, event, now)
        case ev.LegsReported():
            return _reported(placement, event, now)
        case ev.PacketRelayed():
            learning = placement.state is State.LEARNING
            return note_relayed(placement, event, now) if learning else (placement, ())
        case ev.CountersRead():
            return _counted(placement, event, now) if offloaded else (placement, ())
        case ev.GuardTriggered(kind, leg):
            return relay(placement, Reason(kind, leg), now) if offloaded else (placement, ())
        case ev.RtcpPortLearned(leg, port):
            known = replace(placement, rtcp_ports={**placement.rtcp_ports, leg: port})
            return (known, (cmd.SetFlows(known.flows()),)) if offloaded else (placement, ())
        case ev.FlowIdle(leg, count):
            counted = replace(placement, counts={**placement.counts, leg: count})
            return relay(counted, Reason(ReasonKind.MEDIA_IDLE, leg), now) if offloaded else (placement, ())
        case ev.FlowDeleted(leg, count):
            counted = replace(placement, counts={**placement.counts, leg: count})
            return _signal(counted, ev.Signal.DISTURBED, now) if offloaded else (placement, ())
        case ev.Blocked(kind):
            blocked = replace(placement, blocks=placement.blocks | {kind})
            return relay(blocked, _block(blocked), now)
        case ev.Unblocked(kind):
            return _ask_anew(replace(placement, blocks=placement.blocks - {kind}), now)
        case ev.CommandFailed(kind):
            return relay(placement, Reason(kind), now)
        case ev.Signal():
            return _signal(placement, event, now)
        case _:
            assert_never(event)


def _signal(placement: Placement, signal: ev.Signal, now: float) -> Step:
    match signal:
        case ev.Signal.CONNECTED:
            return _ask_anew(replace(placement, connected=True), now)
        case ev.Signal.DISTURBED if placement.state is State.OFFLOADED:
            relayed, commands = relay(placement, Reason(ReasonKind.CALL_CHANGED), now)
            asking, question = _ask_anew(relayed, now)
            return asking, commands + question
        case ev.Signal.DISTURBED:
            return _ask_anew(placement, now)
        case ev.Signal.EXPIRED:
            return _expired(placement, now)
        case ev.Signal.ENDED:
            relayed, commands = relay(placement, Reason(ReasonKind.ENDED), now)
            return replace(relayed, over=True, deadline=None), commands
        case _:
            assert_never(signal)


def _ask_anew(placement: Placement, now: float) -> Step:
    """Ask at once, and be patient only from here on; while the call is blocked, say by what."""
    if not placement.connected:
        return replace(placement, reason=NOT_CONNECTED) if not placement.blocks else placement, ()
    if placement.blocks:
        return relay(placement, _block(placement), now)
    return replace(placement, damping=placement.damping.reset()), (cmd.Request.ASK,)


def _block(placement: Placement) -> Reason:
    return Reason(next(kind for kind in BLOCKS if kind in placement.blocks))


def _expired(placement: Placement, now: float) -> Step:
    match placement.state:
        case State.RELAYED:
            return replace(placement, deadline=now + placement.policy.recheck), (cmd.Request.ASK,)
        case State.LEARNING:
            return on_learning_deadline(placement, now)
        case State.OFFLOADED if not placement.verified:
            silent = next(leg for leg in Leg if leg in placement.unsampled)
            return relay(placement, Reason(ReasonKind.FLOW_LOST, silent), now)
        case State.OFFLOADED:
            looked = replace(
                placement, guarded=True, unsampled=frozenset(Leg), deadline=placement.next_audit(now)
            )
            # Right after the take-over Asterisk has just been asked, and there is little to count.
            questions = (cmd.Request.ASK, cmd.Request.COUNT) if placement.guarded else ()
            return looked, (*questions, cmd.SetFlows(looked.flows(), renew=True))
        case _:
            assert_never(placement.state)


def _reported(placement: Placement, event: ev.LegsReported, now: float) -> Step:
    if not placement.connected or placement.blocks:
        return placement, ()
    reason = why_not(event.caller, event.callee)
    if reason in (None, NOT_NATIVE) and placement.damping.is_suppressed(now):
        reason = Reason(ReasonKind.FLAPPING)
    soon = (
        reason == NOT_NATIVE
        and placement.damping.failures < MAX_NATIVE_QUERIES
        and placement.state is not State.OFFLOADED
    )
    if reason and not soon:
        return relay(placement, reason, now)
    assert event.caller  # noqa: S101 - why_not has just refused a missing leg
    assert event.callee  # noqa: S101
    reports = {Leg.CALLER: event.caller, Leg.CALLEE: event.callee}
    changed = any(_media(reports[leg]) != _media(placement.reports.get(leg)) for leg in Leg)
    match placement.state:
        case State.RELAYED:
            return start_learning(placement, reports, now, soon=soon)
        case State.LEARNING if changed:
            return start_learning(placement, reports, now, soon=soon)
        case State.LEARNING if soon:
            return await_native(replace(placement, reports=reports), now), ()
        case State.LEARNING:
            return confirm(replace(placement, reports=reports), now)
        case State.OFFLOADED if changed:
            return relay(placement, Reason(ReasonKind.CALL_CHANGED), now)
        case State.OFFLOADED:
            return replace(placement, reports=reports), ()
        case _:
            assert_never(placement.state)


def _media(report: LegReport | None) -> tuple[object, ...] | None:
    """Pick the parts of a report whose change makes what was learned worthless."""
    if report is None:
        return None
    return (report.channel_id, report.local, report.remote, report.audio_pt_rx, report.event_pt_rx)


def _seen(placement: Placement, event: ev.PacketObserved, now: float) -> Step:
    """Take a packet that was shown: by a learning flow while learning, by a forwarding one while offloaded."""
    expected = State.OFFLOADED if event.by_switch else State.LEARNING
    if placement.state is not expected or (event.by_switch and event.leg not in placement.unsampled):
        return placement, ()
    if event.sighting is None:
        return relay(placement, Reason(ReasonKind.FOREIGN_MEDIA, event.leg), now)
    reason = why_not_observed(event.leg, placement.reports[event.leg], event.sighting)
    if reason:
        return relay(placement, reason, now)
    if event.by_switch:
        return _shown(replace(placement, unsampled=placement.unsampled - {event.leg}), now)
    return observe(placement, event.leg, event.sighting, now)


def _shown(placement: Placement, now: float) -> Step:
    if placement.unsampled:
        return placement, ()
    if not placement.verified:
        placement = replace(
            placement, verified=True, damping=placement.damping.reset(), deadline=now + GUARD_DELAY
        )
    return placement, (cmd.SetFlows(placement.flows()),)


def _counted(placement: Placement, event: ev.CountersRead, now: float) -> Step:
    if event.counts is None:
        return placement, ()
    read = _by_leg(event.counts)
    counted = replace(placement, counts={**placement.counts, **read})
    gone = next((leg for leg in Leg if leg not in read), None)  # somebody else may have taken it out
    if gone:
        return relay(counted, Reason(ReasonKind.FLOW_LOST, gone), now)
    signs = (
        counted.keepalive(leg)
        for leg in Leg
        if placement.reports[leg].rtp_timeout and read[leg].packets > _packets(placement, leg)
    )
    return counted, tuple(sign for sign in signs if sign)


def _packets(placement: Placement, leg: Leg) -> int:
    return placement.counts.get(leg, FlowCount()).packets


def _keep_counts(placement: Placement, event: ev.FinalCounters) -> Placement:
    last = {**placement.counts, **_by_leg(event.counts or {})}
    totals = {leg: placement.earlier_counts.get(leg, FlowCount()) + last.get(leg, FlowCount()) for leg in Leg}
    return replace(placement, earlier_counts=totals, counts={})


def _by_leg(counts: Mapping[Role, FlowCount]) -> dict[Leg, FlowCount]:
    return {role.leg: count for role, count in counts.items() if role.forwards}
