"""Everything that affects where a call's media is must happen in `step`: state and event in, commands out.

The table (an event that is not named leaves the state as it is):

| state | event | next | commands |
|---|---|---|---|
| relayed | Connected, Disturbed, Unblocked, deadline | relayed | Ask |
| relayed | Reported, eligible | learning | SetFlows(learning) |
| relayed | Reported, not eligible | relayed(reason), asks again later | |
| learning | Seen, first leg | learning | SetFlows(learning, other leg) |
| learning | Seen, both legs now | learning | Ask |
| learning | Seen, not what Asterisk says | relayed(foreign-...) | SetFlows() |
| learning | Reported, agrees with both sightings | offloaded | SetFlows(forwarding) |
| learning | Reported, Asterisk has not heard a leg yet | learning, asks again later | SetFlows() |
| learning | Reported, not eligible | relayed(reason) | SetFlows() |
| learning | Reported, addresses changed | learning | SetFlows(learning) |
| learning | deadline | learning(no-media:leg) | Ask |
| learning | Connected, Disturbed, Unblocked | learning | Ask |
| offloaded | deadline, not verified | offloaded | Count |
| offloaded | Counted, both legs | offloaded, verified | |
| offloaded | Counted, a leg silent for too long, or a flow gone | relayed(not-counting) | CountLast, SetFlows() |
| offloaded | deadline, verified | offloaded | Ask, Count |
| offloaded | Reported, not eligible or changed | relayed(reason) | CountLast, SetFlows() |
| offloaded | Idle | relayed(media-idle) | CountLast, SetFlows() |
| offloaded | Disturbed | relayed(call-changed) | CountLast, SetFlows(), Ask |
| any | Blocked, Failed, Ended | relayed(that) | CountLast, SetFlows() |

Whatever leaves `offloaded` reads the counters, takes the flows out and only then asks questions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from stasis_offload.eligibility import Kind, Reason, has_heard, why_not, why_not_sighting
from stasis_offload.flows import Count, Flow, Role, forwarding_flows, learning_flow
from stasis_offload.media import Leg, LegReport, Path, Side, Sighting
from stasis_offload.moves import (
    Blocked,
    Command,
    Counted,
    CountedLast,
    Event,
    Failed,
    Idle,
    Reported,
    Request,
    Seen,
    SetFlows,
    Signal,
    State,
    Timing,
    Unblocked,
)

# Two sightings make a path only when both are this fresh (s): next hops and NAT bindings move.
FRESH = 1.0
# The first question after a change comes again this soon (s); each fruitless one doubles the wait.
FIRST_WAIT = 0.02
MAX_DOUBLINGS = 16
# How often the counters of new flows are read until both have counted (s); the datapath's own statistics
# lag by up to half a second (ofproto/ofproto-dpif-upcall.c, revalidators).
VERIFY_EVERY = 0.25
# The first look at an offloaded call after its flows were verified (s).
FIRST_LOOK = 5.0

# What may block a call, and which of several is named.
BLOCKS = (Kind.DRAIN, Kind.OPERATOR, Kind.ASTERISK_AWAY, Kind.SWITCH_AWAY)

NOT_CONNECTED = Reason(Kind.NOT_CONNECTED)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one call's media is, why, and what is known. Times are seconds of one monotonic clock.

    `totals` are the packets and octets forwarded from each leg in all earlier stays in the switch,
    `current` those of the stay that lasts; `since` is when the state was entered.
    """

    call: str
    timing: Timing
    state: State = State.RELAYED
    reason: Reason | None = NOT_CONNECTED
    since: float = 0.0
    deadline: float | None = None
    connected: bool = False
    over: bool = False
    blocks: frozenset[Kind] = frozenset()
    fruitless: int = 0
    reports: Mapping[Leg, LegReport] = field(default_factory=dict)
    sightings: Mapping[Leg, tuple[Sighting, float]] = field(default_factory=dict)
    verified: bool = False
    current: Mapping[Leg, Count] = field(default_factory=dict)
    totals: Mapping[Leg, Count] = field(default_factory=dict)

    def forwarded(self, leg: Leg) -> Count:
        """Count what the switch has carried from this leg, as far as we have read it."""
        return self.totals.get(leg, Count()) + self.current.get(leg, Count())


Step = tuple[Placement, tuple[Command, ...]]


def step(placement: Placement, event: Event, now: float) -> Step:
    """Take one event; return the new placement and the commands to carry out in their order."""
    if isinstance(event, CountedLast):
        return _keep_counts(placement, event), ()
    if placement.over:
        return placement, ()
    match event:
        case Seen():
            return _seen(placement, event, now) if placement.state is State.LEARNING else (placement, ())
        case Reported():
            return _reported(placement, event, now)
        case Counted():
            return _counted(placement, event, now) if placement.state is State.OFFLOADED else (placement, ())
        case Idle():
            if placement.state is not State.OFFLOADED:
                return placement, ()
            counted = replace(placement, current={**placement.current, event.leg: event.count})
            return _relay(counted, Reason(Kind.MEDIA_IDLE, event.leg), now)
        case Blocked(kind):
            blocked = replace(placement, blocks=placement.blocks | {kind})
            return _relay(blocked, _block(blocked), now)
        case Unblocked(kind):
            return _ask_anew(replace(placement, blocks=placement.blocks - {kind}), now)
        case Failed(kind):
            return _relay(placement, Reason(kind), now)
        case Signal():
            return _signal(placement, event, now)
        case _:
            assert_never(event)


def _signal(placement: Placement, signal: Signal, now: float) -> Step:
    match signal:
        case Signal.CONNECTED:
            return _ask_anew(replace(placement, connected=True), now)
        case Signal.DISTURBED if placement.state is State.OFFLOADED:
            relayed, commands = _relay(placement, Reason(Kind.CALL_CHANGED), now)
            asking, question = _ask_anew(relayed, now)
            return asking, commands + question
        case Signal.DISTURBED:
            return _ask_anew(placement, now)
        case Signal.EXPIRED:
            return _expired(placement, now)
        case Signal.ENDED:
            relayed, commands = _relay(placement, Reason(Kind.ENDED), now)
            return replace(relayed, over=True, deadline=None), commands
        case _:
            assert_never(signal)


def _ask_anew(placement: Placement, now: float) -> Step:
    """Ask at once, and be patient only from here on; while the call is blocked, say by what."""
    if not placement.connected:
        return placement, ()
    if placement.blocks:
        return _relay(placement, _block(placement), now)
    return replace(placement, fruitless=0), (Request.ASK,)


def _relay(placement: Placement, reason: Reason, now: float) -> Step:
    """Give the media back to Asterisk, or leave it there, and say why."""
    commands: tuple[Command, ...] = {
        State.RELAYED: (),
        State.LEARNING: (SetFlows(()),),
        State.OFFLOADED: (Request.COUNT_LAST, SetFlows(())),
    }[placement.state]
    relayed = replace(
        placement,
        state=State.RELAYED,
        reason=reason,
        since=placement.since if placement.state is State.RELAYED else now,
        deadline=None if placement.blocks else now + _patience(placement),
        fruitless=placement.fruitless + 1,
        reports={},
        sightings={},
        verified=False,
    )
    return relayed, commands


def _block(placement: Placement) -> Reason:
    return Reason(next(kind for kind in BLOCKS if kind in placement.blocks))


def _patience(placement: Placement) -> float:
    return min(FIRST_WAIT * 2.0 ** min(placement.fruitless, MAX_DOUBLINGS), placement.timing.recheck)


def _expired(placement: Placement, now: float) -> Step:
    wait = placement.timing.recheck
    match placement.state:
        case State.RELAYED:
            return replace(placement, deadline=None), (Request.ASK,)
        case State.LEARNING:
            silent = next((leg for leg in Leg if leg not in placement.sightings), None)
            reason = Reason(Kind.NO_MEDIA, silent) if silent else placement.reason
            return replace(placement, reason=reason, deadline=now + wait), (Request.ASK,)
        case State.OFFLOADED if not placement.verified:
            return replace(placement, deadline=now + VERIFY_EVERY), (Request.COUNT,)
        case State.OFFLOADED:
            return replace(placement, deadline=_next_look(placement, now)), (Request.ASK, Request.COUNT)
        case _:
            assert_never(placement.state)


def _reported(placement: Placement, event: Reported, now: float) -> Step:
    if not placement.connected or placement.blocks:
        return placement, ()
    reason = why_not(event.caller, event.callee)
    if reason:
        return _relay(placement, reason, now)
    assert event.caller  # noqa: S101 - why_not has just refused a missing leg
    assert event.callee  # noqa: S101
    reports = {Leg.CALLER: event.caller, Leg.CALLEE: event.callee}
    changed = any(_media(reports[leg]) != _media(placement.reports.get(leg)) for leg in Leg)
    match placement.state:
        case State.RELAYED:
            return _learn(placement, reports, now)
        case State.LEARNING if changed:
            return _learn(placement, reports, now)
        case State.LEARNING:
            return _agree(replace(placement, reports=reports), now)
        case State.OFFLOADED if changed:
            return _relay(placement, Reason(Kind.CALL_CHANGED), now)
        case State.OFFLOADED:
            return replace(placement, reports=reports), ()
        case _:
            assert_never(placement.state)


def _media(report: LegReport | None) -> tuple[object, ...] | None:
    """Pick the parts of a report whose change makes what was learned worthless."""
    if report is None:
        return None
    return (report.channel_id, report.local, report.remote, report.audio_pt_rx, report.event_pt_rx)


def _learn(placement: Placement, reports: Mapping[Leg, LegReport], now: float) -> Step:
    learning = replace(
        placement,
        state=State.LEARNING,
        reason=Reason(Kind.NO_MEDIA),
        since=now,
        deadline=now + placement.timing.verify_within,
        reports=reports,
        sightings={},
    )
    return learning, (SetFlows(_learning_flows(learning)),)


def _learning_flows(placement: Placement) -> tuple[Flow, ...]:
    flows = []
    for leg in Leg:
        report = placement.reports[leg]
        if leg not in placement.sightings and report.remote and report.local:
            flows.append(learning_flow(placement.call, leg, source=report.remote, destination=report.local))
    return tuple(flows)


def _seen(placement: Placement, event: Seen, now: float) -> Step:
    if event.sighting is None:
        return _relay(placement, Reason(Kind.FOREIGN_MEDIA, event.leg), now)
    reason = why_not_sighting(event.leg, placement.reports[event.leg], event.sighting)
    if reason:
        return _relay(placement, reason, now)
    fresh = {leg: seen for leg, seen in placement.sightings.items() if now - seen[1] <= FRESH}
    asked = len(fresh) == len(Leg)
    fresh[event.leg] = (event.sighting, now)
    learning = replace(placement, sightings=fresh)
    if len(fresh) == len(Leg):
        return learning, () if asked else (Request.ASK,)
    return learning, (SetFlows(_learning_flows(learning)),)


def _agree(placement: Placement, now: float) -> Step:
    """Put the flows in when Asterisk, asked after the wire was heard, still says the same."""
    if len(placement.sightings) < len(Leg):
        return placement, ()
    if any(now - at > FRESH for _, at in placement.sightings.values()):
        return _learn(placement, placement.reports, now)
    for leg in Leg:
        sighting, _ = placement.sightings[leg]
        report = placement.reports[leg]
        reason = why_not_sighting(leg, report, sighting)
        if reason:
            return _relay(placement, reason, now)
        if not has_heard(report):  # it is about to read the packet that we were shown, or never gets it
            wait = _patience(placement)
            return replace(placement, deadline=now + wait, fruitless=placement.fruitless + 1), (SetFlows(()),)
    path = Path(
        caller=Side.of(placement.sightings[Leg.CALLER][0]),
        callee=Side.of(placement.sightings[Leg.CALLEE][0]),
    )
    offloaded = replace(
        placement,
        state=State.OFFLOADED,
        reason=None,
        since=now,
        deadline=now + VERIFY_EVERY,
        sightings={},
    )
    flows = forwarding_flows(placement.call, path, idle_timeout=placement.timing.idle_timeout)
    return offloaded, (SetFlows(flows),)


def _counted(placement: Placement, event: Counted, now: float) -> Step:
    if event.counts is None:
        return placement, ()
    read = _by_leg(event.counts)
    counted = replace(placement, current={**placement.current, **read})
    if placement.verified:  # somebody else may have taken a flow out
        wrong = next((leg for leg in Leg if leg not in read), None)
    else:
        wrong = next((leg for leg in Leg if leg not in read or not read[leg].packets), None)
        if wrong is None:
            return replace(counted, verified=True, fruitless=0, deadline=_next_look(placement, now)), ()
        if now - placement.since < placement.timing.verify_within:
            return counted, ()
    return _relay(counted, Reason(Kind.NOT_COUNTING, wrong), now) if wrong else (counted, ())


def _next_look(placement: Placement, now: float) -> float:
    """When an offloaded call is looked at again: soon at first, then when it is twice as old, up to `recheck`.

    So a counter that was last read then is at most half of a short call behind.
    """
    return now + min(max(FIRST_LOOK, now - placement.since), placement.timing.recheck)


def _keep_counts(placement: Placement, event: CountedLast) -> Placement:
    last = {**placement.current, **_by_leg(event.counts or {})}
    totals = {leg: placement.totals.get(leg, Count()) + last.get(leg, Count()) for leg in Leg}
    return replace(placement, totals=totals, current={})


def _by_leg(counts: Mapping[Role, Count]) -> dict[Leg, Count]:
    return {role.leg: count for role, count in counts.items() if role.forwards}
