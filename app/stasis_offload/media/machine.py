"""All decisions about where a call's media flows are made in `step`: placement and event in, commands out.

TRANSITIONS has a handler for each event that matters in a phase; the first line of its docstring is the text of its row
in docs/phases.md. IGNORED has the events that change nothing.

Whatever leaves `offloaded` removes the flows first, with a last reading of their counters, and only then
queries the legs.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, get_args

from stasis_offload.media import events as ev
from stasis_offload.media import forwarding, learning, rechecking, relaying, rtcp_relay, strangers, unheard
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.relaying import Step
from stasis_offload.media.state import Phase, Placement, State

# A handler accepts the event of its row alone, which the type of a mapping cannot express.
Handler = Callable[[Placement, Any, float], Step]
Rows = Mapping[type[ev.Event], Handler]

_WHILE_CALL_LASTS: Rows = {
    ev.Connected: relaying.connect,
    ev.Unblocked: relaying.unblock,
    ev.Blocked: relaying.block,
    ev.CommandFailed: relaying.on_command_failed,
    ev.CallEnded: relaying.end,
    ev.FinalCounters: relaying.add_final_counters,
    ev.RtcpSent: rtcp_relay.withhold,
    ev.OtherDropped: rtcp_relay.pass_on_answer,
    ev.WithholdingEnded: rtcp_relay.end_withholding,
}
_WHILE_OFFLOADED: Rows = {
    **_WHILE_CALL_LASTS,
    ev.Unblocked: unheard.unblock,
    ev.Blocked: unheard.block,
    ev.CommandFailed: unheard.on_command_failed,
    ev.BridgeChanged: rechecking.on_call_changed,
    ev.BridgeRebuilt: rechecking.check_legs,
    ev.LegsChecked: rechecking.on_legs_checked,
    ev.LegsReported: rechecking.check_report,
    ev.CountersRead: forwarding.check_counters,
    ev.RtcpReceived: rtcp_relay.pass_on_report,
    ev.RtcpSent: forwarding.on_rtcp_sent,
    ev.ReceptionStalled: forwarding.count_forwarded,
    ev.LegDeaf: forwarding.on_leg_deaf,
    ev.SmallPacketObserved: forwarding.note_small,
    ev.GuardTriggered: forwarding.on_guard_triggered,
    ev.FlowIdle: forwarding.on_flow_idle,
    ev.FlowDeleted: forwarding.on_flow_deleted,
    ev.PortDown: forwarding.on_port_down,
}

TRANSITIONS: Mapping[Phase, Rows] = {
    Phase.RELAYED: {
        **_WHILE_CALL_LASTS,
        ev.BridgeChanged: relaying.on_bridge_changed,
        ev.BridgeRebuilt: relaying.on_bridge_changed,
        ev.DeadlineReached: relaying.query_again,
        ev.LegsReported: learning.assess,
    },
    Phase.AWAITING_NATIVE: {
        **_WHILE_CALL_LASTS,
        ev.BridgeChanged: relaying.on_bridge_changed,
        ev.BridgeRebuilt: relaying.on_bridge_changed,
        ev.DeadlineReached: relaying.query_again,
        ev.LegsReported: learning.confirm_native,
        ev.PacketObserved: learning.observe,
        ev.PacketRelayed: learning.note_relayed,
    },
    Phase.LEARNING: {
        **_WHILE_CALL_LASTS,
        ev.BridgeChanged: relaying.on_bridge_changed,
        ev.BridgeRebuilt: relaying.on_bridge_changed,
        ev.DeadlineReached: learning.on_learning_deadline,
        ev.LegsReported: learning.confirm,
        ev.PacketObserved: learning.observe,
        ev.PacketRelayed: learning.note_relayed,
    },
    Phase.CUTTING_OVER: {
        **_WHILE_CALL_LASTS,
        ev.BridgeChanged: relaying.on_bridge_changed,
        ev.BridgeRebuilt: relaying.on_bridge_changed,
        ev.DeadlineReached: learning.on_cutover_deadline,
        ev.LegsReported: learning.confirm_cutover,
        ev.SwitchAnswered: learning.on_switch_answered,
        ev.PacketObserved: learning.observe_cutover,
        ev.PacketRelayed: learning.cut_over_once_relayed,
    },
    Phase.DORMANT: {
        **_WHILE_CALL_LASTS,
        ev.BridgeChanged: relaying.on_bridge_changed,
        ev.BridgeRebuilt: relaying.on_bridge_changed,
        ev.DeadlineReached: learning.on_dormant_deadline,
        ev.LegsReported: learning.confirm_dormant,
        ev.PacketObserved: learning.wake,
        ev.PacketRelayed: learning.note_relayed,
    },
    Phase.UNVERIFIED: {
        **_WHILE_OFFLOADED,
        ev.GuardTriggered: forwarding.tolerate_late_relay,
        ev.DeadlineReached: forwarding.on_verify_deadline,
        ev.LegsReported: forwarding.verify_silent,
        ev.PacketObserved: forwarding.verify,
    },
    Phase.VERIFIED: {
        **_WHILE_OFFLOADED,
        ev.GuardTriggered: forwarding.tolerate_late_relay,
        ev.DeadlineReached: forwarding.start_guarding,
        ev.PacketObserved: forwarding.verify_late,
    },
    Phase.GUARDED: {
        **_WHILE_OFFLOADED,
        ev.DeadlineReached: forwarding.start_audit,
        ev.PacketObserved: forwarding.audit,
    },
    Phase.ENDED: {
        ev.FinalCounters: relaying.add_final_counters,
    },
}

# Reports about flows that have been removed meanwhile arrive late; they are not errors.
_OF_A_STAY: frozenset[type[ev.Event]] = frozenset(
    {
        ev.LegsChecked,
        ev.CountersRead,
        ev.RtcpReceived,
        ev.ReceptionStalled,
        ev.LegDeaf,
        ev.SmallPacketObserved,
        ev.GuardTriggered,
        ev.FlowIdle,
        ev.FlowDeleted,
        ev.PortDown,
    }
)
IGNORED: Mapping[Phase, frozenset[type[ev.Event]]] = {
    Phase.RELAYED: _OF_A_STAY | {ev.PacketObserved, ev.PacketRelayed, ev.SwitchAnswered},
    Phase.AWAITING_NATIVE: _OF_A_STAY | {ev.SwitchAnswered},
    Phase.LEARNING: _OF_A_STAY | {ev.SwitchAnswered},
    Phase.CUTTING_OVER: _OF_A_STAY,
    Phase.DORMANT: _OF_A_STAY | {ev.SwitchAnswered},
    Phase.UNVERIFIED: frozenset({ev.PacketRelayed, ev.SwitchAnswered}),
    Phase.VERIFIED: frozenset({ev.PacketRelayed, ev.SwitchAnswered}),
    Phase.GUARDED: frozenset({ev.PacketRelayed, ev.SwitchAnswered}),
    Phase.ENDED: frozenset(get_args(ev.Event)) - {ev.FinalCounters},
}


def step(placement: Placement, event: ev.Event, now: float) -> Step:
    """Process one event; return the new placement and the commands to carry out, in their order."""
    handler = TRANSITIONS[placement.phase].get(type(event))
    return handler(placement, event, now) if handler else (placement, ())


def interrupts_query(placement: Placement, event: ev.Event, *, queued: Iterable[ev.Event] = ()) -> bool:
    """Return whether an event interrupts a query: it takes the flows out, outdates the answer, or the call ends.

    `queued` are the events that wait for the end of the query, too, and will be processed before this one.
    """
    if isinstance(event, ev.Blocked | ev.BridgeChanged | ev.CallEnded):
        return True
    if placement.state is not State.OFFLOADED:
        return isinstance(event, ev.BridgeRebuilt)
    match event:
        case ev.GuardTriggered():
            left = dict(placement.left)
            for each in queued:
                left |= forwarding.left_by(placement, each)
            if event.kind is ReasonKind.FOREIGN_SOURCE:
                return strangers.is_the_legs(placement, event) and not forwarding.is_of_stream(
                    placement, event
                )
            noted = replace(placement, left=left)
            return not (forwarding.is_passed_on(noted, event) or forwarding.is_of_stream(placement, event))
        case ev.RtcpSent(leg, headers):
            return not forwarding.is_known_way(placement, leg, headers)
        case ev.PortDown(port):
            return forwarding.leg_at(placement, port) is not None
        case _:
            return isinstance(event, ev.FlowDeleted)


def passes_query(placement: Placement, event: ev.Event) -> bool:
    """Return whether an event need not wait for a query: RTCP, or an answer to STUN, that is passed on whatever the answer is."""
    match event:
        case ev.RtcpReceived() | ev.OtherDropped():
            return True
        case ev.RtcpSent(leg, headers):
            if placement.state is State.OFFLOADED:
                return forwarding.is_known_way(placement, leg, headers)
            return not event.says_lost
        case _:
            return False


# Of a packet; each is one of many.
_MIRRORED = (
    ev.PacketObserved
    | ev.PacketRelayed
    | ev.SmallPacketObserved
    | ev.GuardTriggered
    | ev.RtcpReceived
    | ev.RtcpSent
    | ev.OtherDropped
)
# What takes the flows out, whatever packets still wait.
_ENDING = ev.Blocked | ev.BridgeChanged | ev.CallEnded


def supersedes(newer: ev.Event, older: ev.Event) -> bool:
    """Return whether an event makes an earlier one needless: a later packet of the same stream, a bridge rebuilt again.

    What ends or changes a call makes all packets needless that wait: however many, they do not hold it up.
    """
    if isinstance(newer, _ENDING) and isinstance(older, _MIRRORED):
        return True
    match newer, older:
        case ev.BridgeRebuilt(), ev.BridgeRebuilt():
            return True
        case ev.PacketObserved(packet=later), ev.PacketObserved(packet=earlier):
            same = (newer.leg, newer.by_switch) == (older.leg, older.by_switch)
        case ev.PacketRelayed(packet=later), ev.PacketRelayed(packet=earlier):
            same = newer.leg == older.leg
        case _:
            return False
    return same and later is not None and earlier is not None and later.follows(earlier)
