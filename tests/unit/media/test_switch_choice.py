"""By which of two switches a call is learned, by what each shows; the packets are those of a call, at ports of either."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.machine import step
from stasis_offload.media.path import Leg, SwitchPort
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.state import Phase, Placement, State
from stasis_offload.media.switch_choice import HEAD_START
from tests.support.leg_reports import CALLEE, CALLER, passed_on, sighting
from tests.support.placements import CUT, NOT_YET, TUNING, after, seen

FIRST, SECOND = 0, 1
BOTH = {FIRST: True, SECOND: True}
REPORT = ev.LegsReported(CALLER, CALLEE, BOTH)
FIRST_FULL, BOTH_FULL = replace(REPORT, full=frozenset({FIRST})), replace(REPORT, full=frozenset(BOTH))
APART = Reason(ReasonKind.DIFFERENT_SWITCHES)


def sent(leg: Leg, switch: int, sequence: int = 4711) -> ev.PacketObserved:
    """Return a packet of a leg, as a switch shows it."""
    numbers = {"sequence": sequence, "timestamp": 160 * (sequence - 4710)}
    return ev.PacketObserved(leg, sighting(leg, in_port=SwitchPort(switch, 1), **numbers))


def passed(leg: Leg, switch: int, sequence: int = 4711) -> ev.PacketRelayed:
    """Return the same as Asterisk sends it on."""
    numbers = {"sequence": sequence, "timestamp": 160 * (sequence - 4710)}
    return ev.PacketRelayed(leg, passed_on(leg, in_port=SwitchPort(switch, 2), **numbers))


def whole(*switches: int, sequence: int = 4711) -> Iterable[ev.Event]:
    """Return a packet of each leg, to Asterisk and on, as these switches show it, the last of them first."""
    for leg in Leg:
        yield from (sent(leg, switch, sequence) for switch in reversed(switches))
        yield from (passed(leg, switch, sequence) for switch in switches)


def learning(report: ev.LegsReported = REPORT) -> Placement:
    return after(ev.Connected(), report)


def once_a_packet(
    start: Placement, *switches: int, until: float, report: ev.LegsReported = REPORT
) -> Placement:
    """Return what becomes of a call of whose packets each passes these switches, one each 20 ms."""
    placement, now, sequence = start, start.since, 4711
    while now < until and placement.state is State.LEARNING:
        for event in (*whole(*switches, sequence=sequence), replace(report), *CUT):
            if not isinstance(event, ev.DeadlineReached) or placement.phase is Phase.CUTTING_OVER:
                placement, _ = step(placement, event, now)
        now, sequence = now + 0.02, sequence + 1
    return placement


def switches_of(placement: Placement) -> set[int]:
    assert placement.path
    attachments = (placement.path.attachment(leg) for leg in Leg)
    return {headers.in_port.switch for at in attachments for headers in (at.sent, at.received)}


def test_a_call_that_passes_both_is_carried_by_the_first() -> None:
    carried = once_a_packet(learning(), FIRST, SECOND, until=1.0)
    assert (carried.phase, carried.switch, switches_of(carried)) == (Phase.UNVERIFIED, FIRST, {FIRST})


@pytest.mark.parametrize("report", [REPORT, replace(NOT_YET, switches=BOTH)], ids=["native", "not yet"])
def test_a_call_that_passes_the_second_alone_is_carried_by_that(report: ev.LegsReported) -> None:
    carried = once_a_packet(learning(report), SECOND, until=1.0)
    assert (carried.phase, carried.switch, switches_of(carried)) == (Phase.UNVERIFIED, SECOND, {SECOND})
    assert HEAD_START < carried.since < HEAD_START + 0.1


def test_of_two_that_see_what_the_first_does_not_the_first_in_order_has_the_call() -> None:
    three = replace(REPORT, switches={**BOTH, 2: True})
    carried = once_a_packet(learning(three), SECOND, 2, until=1.0)
    assert (carried.phase, carried.switch) == (Phase.UNVERIFIED, SECOND)


def test_while_a_call_is_learned_every_switch_shows_it_and_then_its_own_alone_has_flows() -> None:
    start, commands = step(after(ev.Connected()), REPORT, 0.0)
    assert commands == (cmd.SetFlows(start.flows(), elsewhere=start.flows()),)
    cutting_over = after(*whole(FIRST, SECOND), REPORT, start=start)
    ready = after(*CUT[:2], start=after(*whole(FIRST, SECOND, sequence=4712), start=cutting_over))
    carried, commands = step(ready, CUT[2], 0.0)
    assert commands == (cmd.SetFlows(carried.flows()),)


def test_a_packet_that_another_switch_shows_changes_nothing_in_what_is_observed() -> None:
    start = after(seen(Leg.CALLER), seen(Leg.CALLEE), REPORT, start=learning())
    assert start.phase is Phase.CUTTING_OVER
    placement = after(*whole(SECOND, sequence=4800), start=start, now=0.01)
    assert replace(placement, shown_elsewhere={}) == start


def test_one_packet_that_the_second_shows_before_the_first_moves_nothing() -> None:
    late = after(*whole(SECOND), start=learning())
    assert late.switch == FIRST
    both = once_a_packet(late, FIRST, SECOND, until=1.0)
    assert (both.phase, both.switch) == (Phase.UNVERIFIED, FIRST)


def test_comfort_noise_and_what_strangers_send_say_nothing_of_the_way() -> None:
    noise = ev.PacketObserved(
        Leg.CALLER, sighting(Leg.CALLER, in_port=SwitchPort(SECOND, 1), payload_type=13)
    )
    stranger = ev.PacketObserved(
        Leg.CALLER, sighting(Leg.CALLER, in_port=SwitchPort(SECOND, 1), source=CALLEE.remote)
    )
    start = learning()
    assert after(noise, stranger, start=after(noise, stranger, start=start), now=0.5) == start


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([sent(Leg.CALLER, FIRST), passed(Leg.CALLEE, FIRST)], [sent(Leg.CALLEE, SECOND), passed(Leg.CALLER, SECOND)]),
        ([sent(Leg.CALLER, FIRST)], [passed(Leg.CALLER, SECOND)]),
    ],
    ids=["two legs", "a silent callee"],
)  # fmt: skip
def test_legs_of_different_switches_are_relayed_with_a_reason_that_says_so(
    first: list[ev.Event], second: list[ev.Event]
) -> None:
    placement = learning()
    for now in (0.0, 0.2, 0.4):
        placement = after(*first, *second, start=placement, now=now)
    placement, commands = step(placement, ev.DeadlineReached(), 1.5)
    assert (placement.phase, placement.reason, commands) == (Phase.RELAYED, APART, (cmd.SetFlows(()),))
    assert placement.deadline == 1.5 + TUNING.recheck


def test_what_asterisk_sends_by_another_switch_is_named_too() -> None:
    placement = learning()
    for now in (0.0, 0.2):
        events = (sent(Leg.CALLER, FIRST), sent(Leg.CALLEE, FIRST), REPORT)
        placement = after(*events, passed(Leg.CALLER, SECOND), passed(Leg.CALLEE, SECOND), start=placement, now=now)  # fmt: skip
    assert placement.phase is Phase.CUTTING_OVER
    placement, commands = step(placement, ev.DeadlineReached(), 1.2)
    assert (placement.phase, placement.reason, commands) == (Phase.RELAYED, APART, (cmd.SetFlows(()),))


def test_a_dormant_call_wakes_by_the_switch_that_shows_its_packets() -> None:
    dormant = after(ev.DeadlineReached(), start=learning(), now=1.0)
    assert dormant.phase is Phase.DORMANT
    once = after(sent(Leg.CALLEE, SECOND), start=dormant, now=2.0)
    assert (once.phase, once.switch) == (Phase.DORMANT, FIRST)
    assert after(ev.DeadlineReached(), start=once, now=16.0).phase is Phase.DORMANT
    awake, commands = step(once, sent(Leg.CALLEE, SECOND, 4720), 2.0 + HEAD_START)
    assert (awake.phase, awake.switch) == (Phase.LEARNING, SECOND)
    assert commands == (cmd.SetFlows(awake.flows(), elsewhere=awake.flows()),)


@pytest.mark.parametrize("start", [after(ev.Connected()), learning()], ids=["new", "learned"])
def test_a_call_whose_switch_is_not_connected_is_learned_by_the_next(start: Placement) -> None:
    without = replace(REPORT, switches={SECOND: False})
    placement, commands = step(start, without, 0.5)
    assert (placement.phase, placement.switch, placement.splits) == (Phase.LEARNING, SECOND, False)
    assert commands == (cmd.SetFlows(placement.flows(), elsewhere=placement.flows()),)


def test_a_call_that_passes_both_is_carried_by_the_second_while_the_first_is_full() -> None:
    carried = once_a_packet(learning(FIRST_FULL), FIRST, SECOND, until=1.0, report=FIRST_FULL)
    assert (carried.phase, carried.switch, switches_of(carried)) == (Phase.UNVERIFIED, SECOND, {SECOND})


def test_a_call_that_passes_the_full_one_alone_waits_for_that() -> None:
    waiting = once_a_packet(learning(FIRST_FULL), FIRST, until=1.0, report=FIRST_FULL)
    assert (waiting.phase, waiting.switch) == (Phase.RELAYED, FIRST)
    assert (waiting.reason, waiting.deadline) == (Reason(ReasonKind.TABLE_FULL), None)


@pytest.mark.parametrize("switches", [BOTH, {SECOND: True}], ids=["both", "the second"])
def test_while_every_connected_switch_is_full_a_call_waits(switches: dict[int, bool]) -> None:
    start = after(ev.Connected())
    waiting = after(replace(BOTH_FULL, switches=switches), start=start)
    assert (waiting.phase, waiting.reason) == (Phase.RELAYED, Reason(ReasonKind.TABLE_FULL))
    again = after(ev.Unblocked(ReasonKind.TABLE_FULL), replace(REPORT, switches=switches), start=waiting)
    assert (again.phase, again.switch) == (Phase.LEARNING, min(switches))


def test_that_a_switch_is_full_which_carries_a_call_or_is_not_the_calls_own_changes_nothing() -> None:
    carried = once_a_packet(learning(), FIRST, until=1.0, report=replace(REPORT, full=frozenset({SECOND})))
    assert (carried.phase, carried.switch) == (Phase.UNVERIFIED, FIRST)
    assert after(BOTH_FULL, start=carried, now=2.0).state is State.OFFLOADED


SECOND_SPLITS = {FIRST: False, SECOND: True}
DIGITS = replace(REPORT, callee=replace(CALLEE, event_pts_tx={8000: 96}), switches=SECOND_SPLITS)


def test_a_call_whose_digits_need_asterisk_is_carried_by_the_switch_that_can_tell_them() -> None:
    carried = once_a_packet(learning(DIGITS), FIRST, SECOND, until=1.0, report=DIGITS)
    assert (carried.phase, carried.switch) == (Phase.UNVERIFIED, SECOND)
    featured = after(ev.Connected(frozenset({Leg.CALLER})), replace(REPORT, switches=SECOND_SPLITS))
    assert (featured.phase, featured.switch) == (Phase.LEARNING, SECOND)
    any_other = after(ev.Connected(), replace(REPORT, switches=SECOND_SPLITS))
    assert any_other.switch == FIRST


def test_a_call_that_passes_alone_the_switch_that_cannot_tell_its_digits_is_relayed_for_that() -> None:
    relayed = once_a_packet(learning(DIGITS), FIRST, until=1.0, report=DIGITS)
    assert (relayed.phase, relayed.switch) == (Phase.RELAYED, FIRST)
    assert relayed.reason
    assert relayed.reason.kind is ReasonKind.EVENT_PT


def test_a_call_is_learned_again_by_the_switch_that_carried_it() -> None:
    carried = once_a_packet(learning(), SECOND, until=1.0)
    again = after(ev.BridgeChanged(), REPORT, start=carried, now=3.0)
    assert (again.phase, again.switch) == (Phase.LEARNING, SECOND)
    assert [
        flow for flow in again.flows() if flow not in again.set_flows().elsewhere
    ]  # what it withholds there


def test_nothing_is_withheld_at_a_switch_that_is_gone() -> None:
    carried = once_a_packet(learning(), SECOND, until=1.0)
    returned = after(ev.BridgeChanged(), start=carried, now=3.0)
    assert returned.withheld
    elsewhere = after(ev.LegsReported(CALLER, CALLEE), start=returned, now=3.1)
    assert (elsewhere.switch, elsewhere.withheld) == (FIRST, {})


def test_a_port_of_another_switch_with_the_same_number_is_another_port() -> None:
    carried = once_a_packet(learning(), SECOND, until=1.0)
    assert after(ev.PortDown(SwitchPort(FIRST, 1)), start=carried, now=2.0) == carried
    assert after(ev.PortDown(SwitchPort(SECOND, 1)), start=carried, now=2.0).state is State.RELAYED


def test_with_one_switch_nothing_is_noted_of_others() -> None:
    placement = Placement(call="c", tuning=TUNING)
    for event in (ev.Connected(), ev.LegsReported(CALLER, CALLEE), *whole(FIRST)):
        placement, _ = step(placement, event, 0.0)
    assert placement.shown_elsewhere == {}
