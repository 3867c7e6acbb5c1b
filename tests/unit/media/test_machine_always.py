"""What no sequence of events can make the media machine do."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.flows import role_of
from stasis_offload.media.machine import step
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.state import State
from stasis_offload.openflow.flow import Flow, FlowCount
from stasis_offload.packets.address import Address
from tests.support.leg_reports import CALLEE, CALLER
from tests.support.placements import BOTH_COUNT, ELIGIBLE, FORWARDING, after, passed, seen, shown

LEGS = st.sampled_from(Leg)
ANY_REPORT = st.sampled_from(
    [
        ELIGIBLE,
        ev.LegsReported(None, CALLEE),
        ev.LegsReported(CALLER, replace(CALLEE, hold=True)),
        ev.LegsReported(replace(CALLER, ssrc_rx=None, packets_rx=0), CALLEE),
        ev.LegsReported(replace(CALLER, remote=Address.parse("198.18.50.9:4000")), CALLEE),
    ]
)
ANY_EVENT = st.one_of(
    st.sampled_from([ev.Connected(), ev.BridgeChanged(), ev.DeadlineReached()]),
    ANY_REPORT,
    LEGS.map(seen),
    LEGS.map(shown),
    LEGS.map(passed),
    LEGS.map(lambda leg: ev.GuardTriggered(ReasonKind.ASTERISK_MEDIA, leg)),
    LEGS.map(lambda leg: ev.RtcpPortLearned(leg, 4001)),
    LEGS.map(lambda leg: ev.PacketObserved(leg, None)),
    LEGS.map(lambda leg: ev.FlowIdle(leg, FlowCount(3, 3))),
    st.sampled_from([ev.CountersRead(None), ev.CountersRead({}), ev.CountersRead(BOTH_COUNT)]),
    st.sampled_from([ev.FinalCounters(None), ev.FinalCounters(BOTH_COUNT)]),
    st.sampled_from(
        [
            ReasonKind.OPERATOR,
            ReasonKind.DRAIN,
            ReasonKind.SWITCH_UNREACHABLE,
            ReasonKind.ASTERISK_UNREACHABLE,
        ]
    ).map(ev.Blocked),
    st.sampled_from(
        [ReasonKind.OPERATOR, ReasonKind.SWITCH_UNREACHABLE, ReasonKind.ASTERISK_UNREACHABLE]
    ).map(ev.Unblocked),
    st.sampled_from(
        [ReasonKind.SWITCH_REFUSED, ReasonKind.SWITCH_UNREACHABLE, ReasonKind.MODULE_UNREACHABLE]
    ).map(ev.CommandFailed),
)


@given(events=st.lists(st.tuples(ANY_EVENT, st.floats(0, 2)), max_size=60), data=st.data())
def test_whatever_happens_the_switch_forwards_only_an_offloaded_call_and_nothing_once_it_ended(
    events: list[tuple[ev.Event, float]], data: st.DataObject
) -> None:
    placement, now = after(ev.Connected()), 0.0
    in_switch: tuple[Flow, ...] = ()
    end = data.draw(st.integers(0, len(events)))
    for event, pause in [*events[:end], (ev.CallEnded(), 0.0), *events[end:]]:
        now += pause
        was = placement
        placement, commands = step(placement, event, now)
        for command in commands:
            if isinstance(command, cmd.SetFlows):
                in_switch = command.flows
            elif isinstance(command, cmd.RemoveFlows):
                in_switch = ()
        forwards = any(role_of(flow.cookie) in FORWARDING for flow in in_switch)
        assert forwards == (placement.state is State.OFFLOADED)
        assert (placement.reason is None) == (placement.state is State.OFFLOADED)
        if placement.state is State.RELAYED:
            assert in_switch == ()
        if was.state is State.OFFLOADED and placement.state is not State.OFFLOADED:
            assert commands[0] == cmd.RemoveFlows()
        if was.over:
            assert commands == ()
        if forwards:
            assert not placement.blocks
    assert placement.over
    assert in_switch == ()
