"""What must happen in every phase alike: a row that is missing, or does less in one phase, fails here."""

from dataclasses import replace

import pytest

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.machine import step
from stasis_offload.media.path import Leg, SwitchPort
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.state import Phase, Placement, State
from stasis_offload.openflow.flow import FlowCount
from stasis_offload.packets.address import Address
from tests.support.leg_reports import CALLEE, CALLER, OFPP_LOCAL, PHONE_PORT, passed_on
from tests.support.packets import at
from tests.support.placements import BOTH_COUNT, CONNECTED, ELIGIBLE, IN_PHASE, moved_to, small_packet

LASTING = [phase for phase in Phase if phase is not Phase.ENDED]
IN_FLOWS = [phase for phase in LASTING if phase is not Phase.RELAYED]
OFFLOADED = [phase for phase in LASTING if IN_PHASE[phase].state is State.OFFLOADED]
NOW = 2.0

HELD = ev.LegsReported(CALLER, replace(CALLEE, hold=True))
BLOCKED = ev.Blocked(ReasonKind.OPERATOR)


def flows_out(before: Placement, after: Placement) -> cmd.Command:
    return cmd.RemoveFlows(after.flows()) if before.state is State.OFFLOADED else cmd.SetFlows(())


@pytest.mark.parametrize("phase", IN_FLOWS)
@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (BLOCKED, Reason(ReasonKind.OPERATOR)),
        (ev.CommandFailed(ReasonKind.SWITCH_REFUSED), Reason(ReasonKind.SWITCH_REFUSED)),
        (HELD, Reason(ReasonKind.HOLD, Leg.CALLEE)),
        (ev.CallEnded(), Reason(ReasonKind.ENDED)),
    ],
    ids=["block", "failure", "hold", "end"],
)
def test_flows_go_first_and_the_reason_is_said(phase: Phase, event: ev.Event, reason: Reason) -> None:
    placement, commands = step(IN_PHASE[phase], event, NOW)
    assert (placement.state, placement.reason) == (State.RELAYED, reason)
    assert commands == (flows_out(IN_PHASE[phase], placement),)


@pytest.mark.parametrize("phase", OFFLOADED)
@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (
            moved_to(Leg.CALLER, Address.parse("198.18.50.9:4000")),
            Reason(ReasonKind.FOREIGN_SOURCE, Leg.CALLER),
        ),
        (ev.FlowIdle(Leg.CALLEE, FlowCount(1, 1)), Reason(ReasonKind.MEDIA_IDLE, Leg.CALLEE)),
        (ev.LegDeaf(Leg.CALLEE), Reason(ReasonKind.DEAF, Leg.CALLEE)),
    ],
    ids=["guard", "idle", "deaf"],
)
def test_a_doubt_takes_the_flows_out(phase: Phase, event: ev.Event, reason: Reason) -> None:
    placement, commands = step(IN_PHASE[phase], event, NOW)
    assert (placement.state, placement.reason) == (State.RELAYED, reason)
    assert commands == (cmd.RemoveFlows(placement.flows()),)


@pytest.mark.parametrize("phase", OFFLOADED)
@pytest.mark.parametrize(
    "event",
    [
        *(ev.BridgeChanged(), ev.LegsChecked(None)),
        *(ev.FlowDeleted(Leg.CALLER, FlowCount(1, 1)), ev.FlowDeleted(Leg.CALLER, None)),
    ],
)
def test_a_change_takes_the_flows_out_before_the_legs_are_queried(phase: Phase, event: ev.Event) -> None:
    placement, commands = step(IN_PHASE[phase], event, NOW)
    assert placement.reason == Reason(ReasonKind.CALL_CHANGED)
    assert commands == (cmd.RemoveFlows(placement.flows()), cmd.QueryLegs())


@pytest.mark.parametrize("phase", OFFLOADED)
@pytest.mark.parametrize(
    ("port", "leg"), [(PHONE_PORT, Leg.CALLER), (OFPP_LOCAL, Leg.CALLER), (at(99), None)], ids=str
)
def test_a_port_that_is_down_takes_out_the_calls_that_use_it(
    phase: Phase, port: SwitchPort, leg: Leg | None
) -> None:
    placement, commands = step(IN_PHASE[phase], ev.PortDown(port), NOW)
    if leg:
        assert placement.reason == Reason(ReasonKind.PORT_DOWN, leg)
        assert commands == (cmd.RemoveFlows(placement.flows()), cmd.QueryLegs())
    else:
        assert (placement, commands) == (IN_PHASE[phase], ())


@pytest.mark.parametrize("phase", LASTING)
@pytest.mark.parametrize(
    "event", [ev.Connected(), ev.Unblocked(ReasonKind.OPERATOR), ev.BridgeChanged()], ids=repr
)
def test_what_may_have_changed_the_answer_queries_the_legs(phase: Phase, event: ev.Event) -> None:
    _, commands = step(IN_PHASE[phase], event, NOW)
    assert cmd.QueryLegs() in commands


@pytest.mark.parametrize("phase", [*LASTING, Phase.ENDED])
def test_the_last_counters_are_added_to_what_was_forwarded(phase: Phase) -> None:
    before = replace(IN_PHASE[phase], earlier_counts={Leg.CALLER: FlowCount(100, 1000)})
    placement, _ = step(before, ev.FinalCounters(BOTH_COUNT), NOW)
    assert placement.forwarded(Leg.CALLER) == FlowCount(105, 2070)
    assert placement.counts == {}
    assert not placement.partial
    uncounted, _ = step(before, ev.FinalCounters(None), NOW)
    assert uncounted.partial


@pytest.mark.parametrize("phase", OFFLOADED)
def test_counters_are_known_from_then_on(phase: Phase) -> None:
    counted, _ = step(IN_PHASE[phase], ev.CountersRead(BOTH_COUNT), NOW)
    assert counted.forwarded(Leg.CALLER).packets == 5


@pytest.mark.parametrize("phase", OFFLOADED)
def test_what_the_switch_left_to_asterisk_is_known(phase: Phase) -> None:
    event = small_packet(Leg.CALLER, payload_type=101)
    assert step(IN_PHASE[phase], event, NOW)[0].left == {Leg.CALLER: event.packet}


@pytest.mark.parametrize("phase", [Phase.AWAITING_NATIVE, Phase.LEARNING, Phase.DORMANT])
def test_what_asterisk_relays_meanwhile_is_known_at_the_cutover(phase: Phase) -> None:
    packet = passed_on(Leg.CALLEE, sequence=99)
    placement, _ = step(IN_PHASE[phase], ev.PacketRelayed(Leg.CALLEE, packet), NOW)
    assert placement.relayed_packets[Leg.CALLEE] == packet


@pytest.mark.parametrize("phase", [Phase.RELAYED, Phase.AWAITING_NATIVE, Phase.DORMANT])
def test_a_deadline_queries_the_legs(phase: Phase) -> None:
    placement, commands = step(IN_PHASE[phase], ev.DeadlineReached(), NOW)
    assert cmd.QueryLegs() in commands
    assert placement.deadline is not None
    assert placement.deadline > NOW


def test_a_failure_while_relayed_is_the_reason_and_a_block_comes_before_it() -> None:
    failed = ev.CommandFailed(ReasonKind.MODULE_UNREACHABLE)
    assert step(CONNECTED, failed, NOW)[0].reason == Reason(ReasonKind.MODULE_UNREACHABLE)
    blocked, _ = step(CONNECTED, BLOCKED, NOW)
    assert step(blocked, failed, NOW)[0].reason == Reason(ReasonKind.OPERATOR)


@pytest.mark.parametrize("phase", LASTING)
def test_a_leg_that_is_leaving_blocks_until_another_channel_has_replaced_it(phase: Phase) -> None:
    leaving, _ = step(IN_PHASE[phase], ev.Blocked(ReasonKind.ENDED), NOW)
    assert (leaving.state, leaving.reason) == (State.RELAYED, Reason(ReasonKind.ENDED))
    assert step(leaving, ELIGIBLE, NOW) == (leaving, ())
    replaced, commands = step(leaving, ev.Connected(), NOW)
    assert commands == (cmd.QueryLegs(),)
    assert step(replaced, ELIGIBLE, NOW)[0].state is State.LEARNING
