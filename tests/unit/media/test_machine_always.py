"""What no sequence of events can make the media machine do."""

from dataclasses import replace
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.machine import passes_query, step
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.relaying import BLOCKS
from stasis_offload.media.roles import Role, role_of
from stasis_offload.media.state import Phase, Placement, State
from stasis_offload.openflow.flow import Flow, FlowCount
from stasis_offload.packets.address import Address
from tests.support.leg_reports import CALLEE, CALLER, OFPP_LOCAL, PHONE_PORT, passed_on, sighting
from tests.support.packets import at
from tests.support.placements import (
    BOTH_COUNT,
    ELIGIBLE,
    FORWARDING,
    IN_PHASE,
    NOT_YET,
    TUNING,
    relayed,
    rtcp_of,
    sampled_packet,
    seen,
    small_packet,
)

LEGS = st.sampled_from(Leg)
ANY_REPORT = st.sampled_from(
    [
        ELIGIBLE,
        NOT_YET,
        ev.LegsReported(None, CALLEE),
        ev.LegsReported(CALLER, replace(CALLEE, hold=True)),
        ev.LegsReported(replace(CALLER, ssrc_rx=None, packets_rx=0), CALLEE),
        ev.LegsReported(replace(CALLER, remote=Address.parse("198.18.50.9:4000")), CALLEE),
    ]
)
# No series of arbitrary events gets a call far: begin in each phase.
STARTS = [placement for phase, placement in IN_PHASE.items() if phase is not Phase.ENDED]
WITHHOLDING = {Role.RTCP_DROP_CALLER, Role.RTCP_DROP_CALLEE}
PORTS = st.sampled_from([PHONE_PORT, OFPP_LOCAL, at(99)])
PAUSES = st.sampled_from([0.0, 0.0, 0.005, 0.02, 0.6, 1.1, 31.0])
EVENTS: dict[type[ev.Event], st.SearchStrategy[ev.Event]] = {
    ev.Connected: st.just(ev.Connected()),
    ev.BridgeChanged: st.just(ev.BridgeChanged()),
    ev.BridgeRebuilt: st.just(ev.BridgeRebuilt()),
    ev.LegsChecked: (ANY_REPORT | st.none()).map(ev.LegsChecked),
    ev.DeadlineReached: st.just(ev.DeadlineReached()),
    ev.LegsReported: ANY_REPORT,
    ev.PacketObserved: LEGS.map(seen)
    | LEGS.map(sampled_packet)
    | LEGS.map(lambda leg: ev.PacketObserved(leg, None)),
    ev.SwitchAnswered: st.sampled_from([0.001, 0.01]).map(ev.SwitchAnswered),
    ev.SmallPacketObserved: LEGS.map(small_packet),
    ev.PacketRelayed: LEGS.map(relayed),
    ev.GuardTriggered: LEGS.map(lambda leg: ev.GuardTriggered(ReasonKind.ASTERISK_MEDIA, leg))
    | st.builds(
        lambda leg, port: ev.GuardTriggered(
            ReasonKind.FOREIGN_SOURCE, leg, headers=sighting(leg, in_port=port).headers
        ),
        LEGS,
        PORTS,
    ),
    ev.RtcpSent: st.builds(
        lambda leg, port, lost: ev.RtcpSent(
            leg, passed_on(leg.other, in_port=port).headers, b"", b"c", says_lost=lost
        ),
        *(LEGS, PORTS, st.booleans()),
    ),
    ev.PortDown: PORTS.map(ev.PortDown),
    ev.OtherDropped: LEGS.map(lambda leg: ev.OtherDropped(leg, PHONE_PORT, b"")),
    ev.RtcpReceived: LEGS.map(rtcp_of),
    ev.WithholdingEnded: LEGS.map(ev.WithholdingEnded),
    ev.ReceptionStalled: LEGS.map(ev.ReceptionStalled),
    ev.LegDeaf: LEGS.map(ev.LegDeaf),
    ev.FlowIdle: LEGS.map(lambda leg: ev.FlowIdle(leg, FlowCount(3, 3))),
    ev.FlowDeleted: st.builds(ev.FlowDeleted, LEGS, st.sampled_from([None, FlowCount(3, 3)])),
    ev.CountersRead: st.sampled_from([None, {}, BOTH_COUNT]).map(ev.CountersRead),
    ev.FinalCounters: st.sampled_from([None, BOTH_COUNT]).map(ev.FinalCounters),
    ev.Blocked: st.sampled_from(BLOCKS).map(ev.Blocked),
    ev.Unblocked: st.sampled_from(BLOCKS).map(ev.Unblocked),
    ev.CommandFailed: st.sampled_from(
        [ReasonKind.SWITCH_REFUSED, ReasonKind.SWITCH_UNREACHABLE, ReasonKind.MODULE_UNREACHABLE]
    ).map(ev.CommandFailed),
}


def test_no_kind_of_event_is_left_out_but_the_end() -> None:
    assert set(EVENTS) == {*get_args(ev.Event)} - {ev.CallEnded}


STEPS = st.tuples(st.one_of(*EVENTS.values()), PAUSES)


@given(start=st.sampled_from(STARTS), events=st.lists(STEPS, max_size=40), late=st.lists(STEPS, max_size=5))
def test_whatever_happens_the_switch_forwards_only_an_offloaded_call_and_nothing_once_it_ended(
    start: Placement, events: list[tuple[ev.Event, float]], late: list[tuple[ev.Event, float]]
) -> None:
    placement, now, blocks = start, 1.0, start.blocks
    in_switch: tuple[Flow, ...] = start.flows()
    for event, pause in [*events, (ev.CallEnded(), 0.0), *late]:
        now += pause
        was = placement
        placement, commands = step(placement, event, now)
        for command in commands:
            if isinstance(command, cmd.SetFlows):
                in_switch = command.flows
            elif isinstance(command, cmd.RemoveFlows):
                in_switch = command.but
        forwards = any(role_of(flow.cookie) in FORWARDING for flow in in_switch)
        assert forwards == (placement.state is State.OFFLOADED)
        assert (placement.reason is None) == (placement.state is State.OFFLOADED)
        if placement.state is State.RELAYED:
            assert {role_of(flow.cookie) for flow in in_switch} <= WITHHOLDING
        if was.state is State.OFFLOADED and placement.state is not State.OFFLOADED:
            assert isinstance(commands[0], cmd.RemoveFlows)
        if was.over:
            assert commands == ()
        if not was.over:
            blocks = _blocks_after(blocks, event)
        assert placement.blocks == blocks
        if blocks and not placement.over and not forwards:
            assert placement.reason is not None
            assert placement.reason.kind in blocks
        if forwards:  # without events from Asterisk it stays in the switch for a while, but none comes there
            assert blocks <= {ReasonKind.ASTERISK_UNREACHABLE}
            assert was.state is State.OFFLOADED or not blocks
            assert all(now - since < TUNING.grace + 31.0 for since in placement.unheard.values())
    assert placement.over
    assert in_switch == ()


def _blocks_after(blocks: frozenset[ReasonKind], event: ev.Event) -> frozenset[ReasonKind]:
    match event:
        case ev.Blocked(kind):
            return blocks | {kind}
        case ev.Unblocked(kind):
            return blocks - {kind}
        case ev.Connected():
            return blocks - {ReasonKind.ENDED}
        case _:
            return blocks


@given(
    start=st.sampled_from(STARTS),
    events=st.lists(st.one_of(*EVENTS.values()), max_size=20),
    event=st.one_of(EVENTS[ev.RtcpSent], EVENTS[ev.RtcpReceived], EVENTS[ev.OtherDropped]),
)
def test_what_need_not_wait_for_a_query_moves_no_media_and_asks_nothing(
    start: Placement, events: list[ev.Event], event: ev.Event
) -> None:
    placement = start
    for each in events:
        placement, _ = step(placement, each, 1.0)
    after, commands = step(placement, event, 1.0)
    if passes_query(placement, event):
        assert all(isinstance(command, cmd.InjectPacket) for command in commands)
        assert (after.phase, after.reason, after.flows()) == (
            placement.phase,
            placement.reason,
            placement.flows(),
        )
    else:
        assert isinstance(event, ev.RtcpSent)
