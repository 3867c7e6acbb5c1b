"""What may come between a call's first packet and its cutover, at the worst moment."""

from dataclasses import replace
from typing import Any

import pytest

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.learning import MAX_TURN
from stasis_offload.media.machine import step
from stasis_offload.media.observation import MAX_OBSERVATION_AGE
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.roles import Role
from stasis_offload.media.state import Phase, Placement, State
from stasis_offload.openflow.flow import FlowCount
from stasis_offload.packets.frame import Tag
from tests.support.leg_reports import CALLEE, CALLER, sighting
from tests.support.placements import (
    CUT,
    CUTTING_OVER,
    ELIGIBLE,
    GUARDED,
    IN_PHASE,
    LEARNING,
    NOT_YET,
    OBSERVED,
    TUNING,
    after,
    next_of,
    relayed,
    roles,
    sampled_packet,
    seen,
)


def test_a_call_that_asterisk_stops_bridging_natively_while_it_is_learned_is_not_offloaded() -> None:
    behind = after(relayed(Leg.CALLER, behind=1), relayed(Leg.CALLEE, behind=1), start=CUTTING_OVER)
    placement = after(ev.BridgeChanged(), NOT_YET, ev.DeadlineReached(), start=behind, now=0.1)
    assert placement.phase is Phase.AWAITING_NATIVE
    assert after(ELIGIBLE, start=placement, now=0.1).phase is Phase.CUTTING_OVER


def test_packets_that_waited_for_the_end_of_a_long_query_are_not_observed_when_learning_restarts() -> None:
    restarted = after(ELIGIBLE, start=OBSERVED, now=MAX_OBSERVATION_AGE + 0.5)
    assert (restarted.phase, restarted.since) == (Phase.LEARNING, MAX_OBSERVATION_AGE + 0.5)
    for leg in Leg:
        assert step(restarted, seen(leg), MAX_OBSERVATION_AGE) == (restarted, ())


@pytest.mark.parametrize("leg", Leg)
def test_a_leg_that_falls_silent_while_the_other_speaks_on_is_no_surprise(leg: Leg) -> None:
    late = after(seen(leg), start=CUTTING_OVER, now=MAX_OBSERVATION_AGE + 0.1)
    assert late.state is State.LEARNING
    assert after(ev.DeadlineReached(), start=late, now=MAX_OBSERVATION_AGE + 0.2).state is State.LEARNING


@pytest.mark.parametrize("leg", Leg)
def test_a_leg_that_ends_its_silence_just_after_it_was_named_is_asked_about_soon(leg: Leg) -> None:
    quiet = after(ev.DeadlineReached(), start=after(seen(leg.other), start=LEARNING, now=0.9), now=1.0)
    assert quiet.phase is Phase.DORMANT
    speaks = after(seen(leg), start=quiet, now=1.5)
    assert step(speaks, seen(leg.other), 1.51)[1] == (cmd.QueryLegs(),)


@pytest.mark.parametrize("state", [LEARNING, after(ev.LegsReported(None, CALLEE), start=LEARNING)])
def test_a_question_whose_answer_never_comes_is_asked_again(state: Placement) -> None:
    asking = after(ev.DeadlineReached(), start=state, now=5.0)
    assert asking.deadline is not None
    assert asking.deadline <= 5.0 + TUNING.recheck


def test_a_port_that_was_heard_of_an_earlier_stay_is_not_believed_in_the_next() -> None:
    learning = after(ev.BridgeChanged(), ELIGIBLE, start=replace(GUARDED, cnames={Leg.CALLER: b"x"}))
    assert learning.cnames == {}


def test_what_a_flow_had_counted_is_not_lost_when_somebody_takes_it_out() -> None:
    placement, commands = step(GUARDED, ev.FlowDeleted(Leg.CALLER, FlowCount(1250, 250_000)), 9.0)
    assert placement.reason == Reason(ReasonKind.CALL_CHANGED)
    assert commands == (cmd.RemoveFlows(placement.flows()), cmd.QueryLegs())
    assert placement.forwarded(Leg.CALLER) == FlowCount(1250, 250_000)


def test_a_call_all_of_whose_flows_somebody_deletes_is_queried_once() -> None:
    deleted = [ev.FlowDeleted(leg, count) for leg in Leg for count in (FlowCount(9, 9), None, None)]
    placement, queries = GUARDED, 0
    for event in deleted:
        placement, commands = step(placement, event, 9.0)
        queries += commands.count(cmd.QueryLegs())
    assert queries == 1


def test_a_call_that_is_let_go_before_it_is_answered_waits_for_its_answer_alone() -> None:
    held = after(ev.Blocked(ReasonKind.OPERATOR), start=Placement(call="c", tuning=TUNING))
    assert held.reason == Reason(ReasonKind.OPERATOR)
    assert after(ev.Unblocked(ReasonKind.OPERATOR), start=held).reason == Reason(ReasonKind.NOT_CONNECTED)


def test_quiet_learning_costs_one_flow() -> None:
    quiet, commands = step(after(seen(Leg.CALLER), start=LEARNING), ev.DeadlineReached(), 1.0)
    assert roles(commands) == [[Role.LEARN_IN_CALLEE]]
    assert after(ELIGIBLE, start=quiet).reason == Reason(ReasonKind.NO_MEDIA, Leg.CALLEE)


def in_turns(*first_turn: ev.Event) -> Placement:
    """Have the caller speak, and then the callee alone, for the second after which the caller is silent."""
    dormant = after(*first_turn, ev.DeadlineReached(), start=LEARNING, now=1.0)
    assert dormant.phase is Phase.DORMANT
    return after(seen(Leg.CALLEE), start=dormant, now=8.0)


FIRST_TURN = (seen(Leg.CALLER), relayed(Leg.CALLER))


def test_two_who_take_turns_and_never_send_at_once_get_into_the_switch_in_the_second_turn() -> None:
    turn = after(seen(Leg.CALLEE), relayed(Leg.CALLEE), start=in_turns(*FIRST_TURN), now=8.99)
    asked, commands = step(turn, ev.DeadlineReached(), 9.0)
    assert commands == (cmd.QueryLegs(),)
    cutting_over = after(ELIGIBLE, *next_of(Leg.CALLEE), start=asked, now=9.005)
    assert cutting_over.phase is Phase.CUTTING_OVER
    offloaded = after(*CUT, start=cutting_over, now=9.006)
    assert offloaded.state is State.OFFLOADED
    assert offloaded.unverified == {Leg.CALLER, Leg.CALLEE}


def test_what_asterisk_relayed_of_a_leg_while_it_was_not_observed_is_no_sign_of_a_lost_flow() -> None:
    turn = after(seen(Leg.CALLEE), relayed(Leg.CALLEE), start=in_turns(*FIRST_TURN), now=8.99)
    later = ev.LegsReported(replace(CALLER, packets_rx=CALLER.packets_rx + 350), CALLEE)
    cutting_over = after(ev.DeadlineReached(), later, *next_of(Leg.CALLEE), start=turn, now=9.0)
    offloaded = after(*CUT, sampled_packet(Leg.CALLEE), start=cutting_over, now=9.001)
    counted = ev.CountersRead({Role.FORWARD_CALLER: FlowCount(), Role.FORWARD_CALLEE: FlowCount(50, 1)})
    assert after(ev.DeadlineReached(), counted, later, start=offloaded, now=10.1).phase is Phase.VERIFIED


@pytest.mark.parametrize(("woken_at", "known"), [(1.0 + MAX_TURN - 2.0, True), (1.0 + MAX_TURN, False)])
def test_a_way_that_was_seen_long_ago_is_learned_anew(woken_at: float, *, known: bool) -> None:
    dormant = after(*FIRST_TURN, ev.DeadlineReached(), start=LEARNING, now=1.0)
    speaks = after(seen(Leg.CALLEE), relayed(Leg.CALLEE), start=dormant, now=woken_at)
    asked = after(ev.DeadlineReached(), start=speaks, now=woken_at + 1.0)
    assert (Leg.CALLER in asked.observed) is known


def test_a_leg_that_begins_to_speak_late_is_observed_until_asterisk_may_have_relayed_it() -> None:
    late = after(seen(Leg.CALLER), start=LEARNING, now=0.9)
    assert late.deadline == 0.9 + TUNING.verify_within
    assert after(seen(Leg.CALLER), start=late, now=0.92).deadline == late.deadline


def test_a_leg_that_is_silent_is_known_until_asterisk_has_received_the_one_that_speaks() -> None:
    speaks = (seen(Leg.CALLEE), relayed(Leg.CALLEE))
    asked = after(*speaks, ev.DeadlineReached(), start=in_turns(*FIRST_TURN), now=9.0)
    yet = ev.LegsReported(CALLER, replace(CALLEE, ssrc_rx=None, packets_rx=0))
    again = after(yet, *next_of(Leg.CALLEE), ev.DeadlineReached(), ELIGIBLE, start=asked, now=9.01)
    assert after(*CUT, start=again, now=9.02).state is State.OFFLOADED


def test_who_speaks_again_before_the_cutover_is_waited_for_as_ever() -> None:
    turn = after(seen(Leg.CALLEE), relayed(Leg.CALLEE), start=in_turns(*FIRST_TURN), now=8.99)
    cutting_over = after(
        ev.DeadlineReached(), ELIGIBLE, seen(Leg.CALLEE), relayed(Leg.CALLEE), start=turn, now=9.0
    )
    next_packet = ev.PacketObserved(Leg.CALLER, sighting(Leg.CALLER, sequence=4712))
    speaks = after(next_packet, *CUT, start=cutting_over, now=9.001)
    assert speaks.phase is Phase.CUTTING_OVER


@pytest.mark.parametrize("turn", [FIRST_TURN[:1], FIRST_TURN], ids=["not relayed", "both silent"])
def test_a_leg_is_not_known_by_its_last_packet_alone(turn: tuple[ev.Event, ...]) -> None:
    late = 9.0 if turn != FIRST_TURN else 8.0 + MAX_OBSERVATION_AGE + 0.1
    silent, commands = step(in_turns(*turn), ev.DeadlineReached(), late)
    assert silent.phase is Phase.DORMANT
    assert roles(commands) == [[Role.LEARN_IN_CALLER]]


@pytest.mark.parametrize(
    ("codec", "changes", "offloaded"),
    [
        ("ulaw", {}, True),
        ("opus", {}, False),
        ("ulaw", {"tag": Tag(7)}, False),
        ("ulaw", {"payload_type": 101, "size": 16}, False),
    ],
    ids=["constant size", "any size", "tagged", "only a digit seen"],
)
def test_digits_that_need_asterisk_must_be_told_by_their_size(
    codec: str, changes: dict[str, Any], *, offloaded: bool
) -> None:
    formats: dict[str, Any] = {"format_rx": codec, "format_tx": codec}
    report = ev.LegsReported(
        replace(CALLER, **formats),
        replace(CALLEE, event_pts_rx={8000: 96}, event_pts_tx={8000: 96}, **formats),
    )
    placement = after(
        ev.Connected(),
        report,
        ev.PacketObserved(Leg.CALLER, sighting(Leg.CALLER, **changes)),
        seen(Leg.CALLEE),
        report,
        relayed(Leg.CALLER),
        relayed(Leg.CALLEE),
        *CUT,
    )
    if offloaded:
        assert placement.state is State.OFFLOADED
    else:
        assert (placement.state, placement.reason) == (State.RELAYED, Reason(ReasonKind.EVENT_PT))


@pytest.mark.parametrize("start", [LEARNING, CUTTING_OVER, IN_PHASE[Phase.DORMANT]])
def test_comfort_noise_of_a_party_that_listens_is_no_foreign_media_and_no_audio_either(
    start: Placement,
) -> None:
    noise = ev.PacketObserved(Leg.CALLER, sighting(Leg.CALLER, payload_type=13, size=13))
    after_noise, commands = step(start, noise, 0.01)
    assert (after_noise.phase, after_noise.observed, commands) == (start.phase, start.observed, ())


def test_a_call_whose_flows_do_not_fit_waits_and_has_not_flapped_if_it_returns_for_that() -> None:
    placement = after(replace(ELIGIBLE, full=frozenset({0})), start=IN_PHASE[Phase.RELAYED])
    assert (placement.state, placement.reason) == (State.RELAYED, Reason(ReasonKind.TABLE_FULL))
    assert placement.deadline is None  # nobody is asked about it meanwhile
    assert after(ev.Unblocked(ReasonKind.TABLE_FULL), ELIGIBLE, start=placement).phase is Phase.LEARNING
    returned, commands = step(GUARDED, ev.Blocked(ReasonKind.TABLE_FULL), 9.0)
    assert isinstance(commands[0], cmd.RemoveFlows)
    assert returned.damping.returns == ()
