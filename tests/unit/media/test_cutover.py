"""The moment of the cutover: no packet may overtake another."""

from dataclasses import replace

import pytest

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.cutover import CUTOVER_PROBE, CUTOVER_WINDOW
from stasis_offload.media.machine import step
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.state import Phase, State
from tests.support.leg_reports import passed_on, sighting
from tests.support.placements import (
    CUT,
    CUTTING_OVER,
    ELIGIBLE,
    OFFLOADED,
    WATCHING,
    after,
    next_of,
    relayed,
    roles,
)


@pytest.mark.parametrize("leg", Leg)
def test_a_packet_that_asterisk_still_has_in_its_hands_is_waited_for(leg: Leg) -> None:
    late = after(relayed(leg, behind=1), relayed(leg.other), *CUT, start=CUTTING_OVER)
    assert late.state is State.LEARNING
    assert after(relayed(leg), *CUT, start=late).state is State.OFFLOADED


@pytest.mark.parametrize("leg", Leg)
def test_a_packet_that_arrives_in_the_last_moment_before_the_cutover_is_waited_for(leg: Leg) -> None:
    ready = after(relayed(Leg.CALLER), relayed(Leg.CALLEE), *CUT[:2], start=CUTTING_OVER)
    next_one = ev.PacketObserved(leg, sighting(leg, sequence=4712))
    again = after(next_one, start=ready, now=0.001)
    assert again.deadline == CUTTING_OVER.deadline
    assert after(ev.DeadlineReached(), start=again, now=0.002).state is State.LEARNING


@pytest.mark.parametrize("leg", Leg)
def test_no_flow_goes_in_shortly_before_the_next_packet_is_due(leg: Leg) -> None:
    early = after(relayed(leg.other), start=CUTTING_OVER)
    late = after(relayed(leg), *CUT, start=early, now=CUTOVER_WINDOW + 0.003)
    assert (late.state, late.deadline) == (State.LEARNING, CUTTING_OVER.deadline)
    later = after(*next_of(leg.other), *CUT, start=late, now=0.02)
    assert later.state is State.LEARNING
    assert after(*next_of(leg), *CUT, start=later, now=0.019 + CUTOVER_WINDOW).state is State.OFFLOADED


@pytest.mark.parametrize("leg", Leg)
def test_a_packet_that_came_late_does_not_put_off_the_time_at_which_the_next_one_is_due(leg: Leg) -> None:
    delayed = after(
        *next_of(leg), *next_of(leg.other), *CUT, start=CUTTING_OVER, now=0.02 + CUTOVER_WINDOW + 0.005
    )
    assert delayed.phase is Phase.CUTTING_OVER
    assert after(*next_of(Leg.CALLER, 2), *next_of(Leg.CALLEE, 2), *CUT, start=delayed, now=0.04).path
    # The schedule outlasts a stay in the switch.
    returned = after(ev.BridgeChanged(), ELIGIBLE, start=OFFLOADED, now=10.0)
    again = after(*next_of(leg, 500), *next_of(leg.other, 500), ELIGIBLE, start=returned, now=10.02)
    assert after(*CUT, start=again, now=10.02).phase is Phase.CUTTING_OVER


@pytest.mark.parametrize("longer", [0.009, 0.015, 0.04, 0.09])
def test_a_way_that_became_longer_is_soon_the_usual_one(longer: float) -> None:
    placement = replace(CUTTING_OVER, cutting_over_since=9.0)
    for number in range(1, 30):
        for leg in Leg:
            now = 0.02 * number + longer
            placement = after(*next_of(leg, number), start=placement, now=now)
        placement = after(*CUT, start=placement, now=now + 0.001)
        if placement.state is State.OFFLOADED:
            break
    assert number < 25


def test_no_flow_goes_in_while_the_switch_is_slow() -> None:
    ready = after(relayed(Leg.CALLER), relayed(Leg.CALLEE), ev.DeadlineReached(), start=CUTTING_OVER)
    slow, commands = step(ready, ev.SwitchAnswered(2 * CUTOVER_PROBE), 2 * CUTOVER_PROBE)
    assert (slow.deadline, commands) == (2 * CUTOVER_PROBE, ())
    again, commands = step(slow, ev.DeadlineReached(), 2 * CUTOVER_PROBE)
    assert (again.phase, commands) == (Phase.CUTTING_OVER, (cmd.ProbeSwitch(),))
    assert after(*CUT[1:], start=again, now=2 * CUTOVER_PROBE).state is State.OFFLOADED


def test_a_switch_that_is_always_slow_is_not_waited_for_for_ever() -> None:
    slow = (ev.DeadlineReached(), ev.SwitchAnswered(2 * CUTOVER_PROBE))
    probed = after(*next_of(Leg.CALLER), *next_of(Leg.CALLEE), *slow, start=CUTTING_OVER, now=0.02)
    assert after(ev.DeadlineReached(), start=probed, now=0.02).phase is Phase.CUTTING_OVER
    assert after(*slow, ev.DeadlineReached(), start=probed, now=0.02).state is State.OFFLOADED


def test_a_switch_so_far_away_that_packets_pass_before_each_answer_is_cut_over_to_at_the_first_moment_after_two() -> (
    None
):
    placement, asked = CUTTING_OVER, 0
    for number in range(1, 10):
        now = 0.02 * number
        placement = after(
            *next_of(Leg.CALLER, number), *next_of(Leg.CALLEE, number), start=placement, now=now
        )
        placement, commands = step(placement, ev.DeadlineReached(), now)
        if placement.state is State.OFFLOADED:
            break
        asked += commands == (cmd.ProbeSwitch(),)
        # The next packets are processed before the deadline that the answer sets.
        placement = after(ev.SwitchAnswered(0.02), start=placement, now=now + 0.02)
    assert (asked, number) == (2, 3)


def test_a_switch_whose_answers_are_always_overtaken_by_packets_is_cut_over_to_after_a_while() -> None:
    placement, asked = CUTTING_OVER, 0
    for number in range(1, 100):
        now = 0.02 * number
        placement = after(
            *next_of(Leg.CALLER, number), *next_of(Leg.CALLEE, number), start=placement, now=now
        )
        placement, commands = step(placement, ev.DeadlineReached(), now)
        if placement.state is State.OFFLOADED:
            break
        asked += commands == (cmd.ProbeSwitch(),)
        placement = after(ev.SwitchAnswered(0.001), start=placement, now=now + 0.001)
    assert asked == number - 1
    assert now == pytest.approx(placement.tuning.verify_within, abs=0.021)


def test_legs_without_a_rhythm_are_cut_over_in_the_end_as_soon_as_all_is_relayed() -> None:
    placement = CUTTING_OVER
    for number in range(1, 80):
        # One comes 18 ms after the other: neither gap would be good if they did not jump.
        for leg, offset in ((Leg.CALLER, 0.0), (Leg.CALLEE, 0.018)):
            now = 0.04 * number + offset * (number % 2)
            placement = after(*next_of(leg, number), start=placement, now=now)
        placement = after(*CUT, start=placement, now=now + 0.016)
        if placement.state is State.OFFLOADED:
            break
    assert 25 <= number <= 26


def test_packets_of_asterisks_own_are_not_taken_for_a_legs() -> None:
    own = ev.PacketRelayed(Leg.CALLER, passed_on(Leg.CALLER, ssrc=0x5E1F))
    assert after(relayed(Leg.CALLEE), own, start=CUTTING_OVER).state is State.LEARNING


@pytest.mark.parametrize("leg", Leg)
def test_a_leg_that_fell_silent_meanwhile_is_waited_for_anew(leg: Leg) -> None:
    placement, commands = step(after(relayed(leg.other), start=CUTTING_OVER), ev.DeadlineReached(), 1.1)
    assert (placement.phase, placement.observed) == (Phase.LEARNING, {})
    assert roles(commands) == [WATCHING]


@pytest.mark.parametrize("leg", Leg)
def test_an_asterisk_that_is_always_late_goes_on_relaying_the_call(leg: Leg) -> None:
    placement = CUTTING_OVER
    for number in range(1, 250):
        now = 0.02 * number
        if placement.deadline is not None and now >= placement.deadline:
            placement = after(ev.DeadlineReached(), start=placement, now=now)
        if placement.phase is Phase.RELAYED:
            break
        late, on_time = next_of(leg, number)[0], next_of(leg, number - 1)[1]
        placement = after(*next_of(leg.other, number), late, on_time, start=placement, now=now + 0.001)
    assert (number, placement.reason) == (200, Reason(ReasonKind.NOT_RELAYED, leg))
