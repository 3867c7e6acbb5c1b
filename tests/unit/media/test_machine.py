"""The media machine: what it commands after each event."""

from dataclasses import replace
from itertools import pairwise

import pytest

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.machine import step
from stasis_offload.media.observation import MAX_OBSERVATION_AGE
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.roles import Duty, Role
from stasis_offload.media.state import Phase, Placement, State
from stasis_offload.openflow.flow import FlowCount
from stasis_offload.packets.address import Address
from tests.support.leg_reports import CALLEE, CALLER, REPORTS
from tests.support.placements import (
    BOTH_COUNT,
    CONNECTED,
    CUT,
    CUT_OVER,
    CUTTING_OVER,
    ELIGIBLE,
    GUARDED,
    IN,
    LEARNING,
    OBSERVED,
    OFFLOADED,
    TUNING,
    VERIFIED,
    WATCHING,
    after,
    moved_to,
    relayed,
    roles,
    seen,
)


def test_nothing_is_asked_before_both_legs_are_connected() -> None:
    for event in (ev.BridgeChanged(), ev.Unblocked(ReasonKind.SWITCH_UNREACHABLE), ELIGIBLE):
        placement, commands = step(Placement(call="c", tuning=TUNING), event, 0.0)
        assert commands == ()
        assert placement.reason == Reason(ReasonKind.NOT_CONNECTED)


def test_a_connected_call_is_asked_about_learned_and_offloaded() -> None:
    start = Placement(call="c", tuning=TUNING)
    asked, commands = step(start, ev.Connected(), 0.0)
    assert commands == (cmd.QueryLegs(),)
    learning, commands = step(asked, ELIGIBLE, 0.0)
    assert roles(commands) == [WATCHING]
    one, commands = step(learning, seen(Leg.CALLER), 0.0)
    assert commands == ()
    both, commands = step(one, seen(Leg.CALLEE), 0.0)
    assert commands == (cmd.QueryLegs(),)
    settling, commands = step(both, ELIGIBLE, 0.0)
    assert (settling.state, commands) == (State.LEARNING, ())
    one_way, commands = step(settling, relayed(Leg.CALLER), 0.0)
    assert commands == ()
    both_ways, commands = step(one_way, relayed(Leg.CALLEE), 0.0)
    assert (both_ways.deadline, commands) == (0.0, ())
    probing, commands = step(both_ways, ev.DeadlineReached(), 0.0)
    assert commands == (cmd.ProbeSwitch(),)
    offloaded, commands = step(after(ev.SwitchAnswered(0.001), start=probing), ev.DeadlineReached(), 0.001)
    assert roles(commands) == [CUT_OVER]
    assert (offloaded.state, offloaded.reason) == (State.OFFLOADED, None)


def test_a_call_that_is_not_eligible_is_asked_about_again_after_growing_delays() -> None:
    placement, now, waits = after(ev.Connected()), 0.0, []
    for _ in range(14):
        placement, _ = step(placement, ev.LegsReported(replace(CALLER, hold=True), CALLEE), now)
        assert placement.reason == Reason(ReasonKind.HOLD, Leg.CALLER)
        assert placement.deadline is not None
        waits.append(placement.deadline - now)
        now = placement.deadline
        placement, commands = step(placement, ev.DeadlineReached(), now)
        assert commands == (cmd.QueryLegs(),)
    assert all(later >= sooner - 1e-9 for sooner, later in pairwise(waits))
    assert waits[0] < 0.05
    assert waits[-1] == pytest.approx(TUNING.recheck)


NOT_YET = ev.LegsReported(replace(CALLER, bridge_technology="simple_bridge"), CALLEE)


def test_a_call_that_is_not_bridged_natively_yet_is_learned_meanwhile() -> None:
    hoping, commands = step(after(ev.Connected()), NOT_YET, 0.0)
    assert (hoping.state, hoping.reason) == (State.LEARNING, Reason(ReasonKind.NOT_NATIVE))
    assert roles(commands) == [WATCHING]
    known = after(seen(Leg.CALLER), relayed(Leg.CALLER), seen(Leg.CALLEE), relayed(Leg.CALLEE), start=hoping)
    again, commands = step(after(NOT_YET, start=known), ev.DeadlineReached(), 0.01)
    assert commands == (cmd.QueryLegs(),)
    ready, commands = step(again, ELIGIBLE, 0.01)
    assert (ready.deadline, commands) == (0.01, ())
    offloaded, commands = step(after(*CUT[:2], start=ready, now=0.01), ev.DeadlineReached(), 0.01)
    assert (offloaded.state, roles(commands)) == (State.OFFLOADED, [CUT_OVER])


def test_a_call_that_asterisk_does_not_bridge_natively_is_not_learned_for_long() -> None:
    placement, now = after(ev.Connected()), 0.0
    while placement.state is not State.RELAYED or not placement.damping.failures:
        placement = after(NOT_YET, start=placement, now=now)
        assert placement.deadline is not None
        now = placement.deadline
        placement = after(ev.DeadlineReached(), start=placement, now=now)
    assert placement.reason == Reason(ReasonKind.NOT_NATIVE)
    assert 0.3 < now < 2.0


def test_no_flow_goes_in_before_asterisk_has_heard_both_legs() -> None:
    deaf = replace(CALLER, packets_rx=0, ssrc_rx=None)
    waiting, commands = step(OBSERVED, ev.LegsReported(deaf, CALLEE), 0.0)
    assert commands == ()
    assert waiting.state is State.LEARNING
    assert waiting.deadline is not None
    assert waiting.deadline < 0.1
    asking, commands = step(waiting, ev.DeadlineReached(), 0.02)
    assert commands == (cmd.QueryLegs(),)
    assert after(ELIGIBLE, start=asking).phase is Phase.CUTTING_OVER


def test_a_sighting_that_went_stale_is_learned_again() -> None:
    one = after(seen(Leg.CALLER), start=LEARNING)
    late, commands = step(one, seen(Leg.CALLEE), MAX_OBSERVATION_AGE + 0.1)
    assert (late.state, commands) == (State.LEARNING, ())
    assert step(late, seen(Leg.CALLER), MAX_OBSERVATION_AGE + 0.1)[1] == (cmd.QueryLegs(),)


@pytest.mark.parametrize("leg", Leg)
@pytest.mark.parametrize(("received", "kind"), [(50, ReasonKind.NOT_RELAYED), (0, ReasonKind.NOT_RECEIVED)])
def test_a_leg_whose_packets_asterisk_does_not_send_on_is_named(
    leg: Leg, received: int, kind: ReasonKind
) -> None:
    spoke = after(seen(leg), start=after(relayed(leg.other), start=CUTTING_OVER), now=0.5)
    asking, commands = step(spoke, ev.DeadlineReached(), 1.0)
    assert commands == (cmd.QueryLegs(),)
    reports = {**REPORTS, leg: replace(REPORTS[leg], packets_rx=REPORTS[leg].packets_rx + received)}
    answer = ev.LegsReported(reports[Leg.CALLER], reports[Leg.CALLEE])
    placement, commands = step(asking, answer, 1.0)
    assert placement.reason == Reason(kind, leg)
    assert commands == (cmd.SetFlows(()),)


@pytest.mark.parametrize("leg", Leg)
def test_a_leg_of_which_asterisk_never_receives_what_passes_the_switch_is_named(leg: Leg) -> None:
    reports = {**REPORTS, leg: replace(REPORTS[leg], packets_rx=0, ssrc_rx=None)}
    nothing = ev.LegsReported(reports[Leg.CALLER], reports[Leg.CALLEE])
    both = (seen(Leg.CALLER), seen(Leg.CALLEE), nothing)
    waiting = after(*both, start=after(nothing, start=CONNECTED), now=0.9)
    assert waiting.state is State.LEARNING
    # Not of a leg that ends a long silence just now, which Asterisk has yet to read.
    silent = after(
        seen(leg.other), ev.DeadlineReached(), nothing, start=after(nothing, start=CONNECTED), now=1.0
    )
    assert after(seen(leg), seen(leg.other), nothing, start=silent, now=60.0).state is State.LEARNING
    placement, commands = step(after(*both, start=waiting, now=1.5), nothing, 2.0)
    assert placement.reason == Reason(ReasonKind.NOT_RECEIVED, leg)
    assert commands == (cmd.SetFlows(()),)


@pytest.mark.parametrize("leg", Leg)
def test_a_silent_leg_is_named_and_waited_for_with_one_flow(leg: Leg) -> None:
    one = after(seen(leg.other), start=LEARNING)
    placement, commands = step(one, ev.DeadlineReached(), 1.0)
    assert commands[0] == cmd.QueryLegs()
    assert roles(commands) == [[Role.of(Duty.LEARN_IN, leg)]]
    waiting = after(ELIGIBLE, start=placement)
    assert (waiting.state, waiting.reason) == (State.LEARNING, Reason(ReasonKind.NO_MEDIA, leg))
    speaks, commands = step(waiting, seen(leg), 9.0)
    assert roles(commands) == [WATCHING]
    assert step(speaks, seen(leg.other), 9.01)[1] == (cmd.QueryLegs(),)


@pytest.mark.parametrize("leg", Leg)
def test_a_stream_that_is_not_rtp_ends_learning_and_some_packets_at_once_do_not(leg: Leg) -> None:
    nothing = ev.PacketObserved(leg, None)
    keepalives = after(*[nothing] * 12, start=LEARNING)
    assert keepalives.state is State.LEARNING
    assert after(nothing, start=keepalives, now=0.6).state is State.LEARNING
    assert after(seen(leg), nothing, start=keepalives, now=0.1).state is State.LEARNING
    placement, commands = step(keepalives, nothing, 0.1)
    assert placement.reason == Reason(ReasonKind.FOREIGN_MEDIA, leg)
    assert commands == (cmd.SetFlows(()),)


def test_addresses_that_changed_while_learning_are_learned_anew() -> None:
    moved = replace(CALLER, remote=Address.parse("198.18.50.9:4000"))
    placement, commands = step(OBSERVED, ev.LegsReported(moved, CALLEE), 0.0)
    assert placement.state is State.LEARNING
    assert roles(commands) == [WATCHING]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (ev.BridgeChanged(), Reason(ReasonKind.CALL_CHANGED)),
        (ev.CommandFailed(ReasonKind.SWITCH_REFUSED), Reason(ReasonKind.SWITCH_REFUSED)),
        (ev.Blocked(ReasonKind.SWITCH_UNREACHABLE), Reason(ReasonKind.SWITCH_UNREACHABLE)),
        (ev.CallEnded(), Reason(ReasonKind.ENDED)),
        (ev.Blocked(ReasonKind.OPERATOR), Reason(ReasonKind.OPERATOR)),
        (ev.FlowIdle(Leg.CALLEE, FlowCount(7, 7)), Reason(ReasonKind.MEDIA_IDLE, Leg.CALLEE)),
        (
            ev.GuardTriggered(ReasonKind.ASTERISK_MEDIA, Leg.CALLER),
            Reason(ReasonKind.ASTERISK_MEDIA, Leg.CALLER),
        ),
        (
            moved_to(Leg.CALLEE, Address.parse("198.18.50.9:4000")),
            Reason(ReasonKind.FOREIGN_SOURCE, Leg.CALLEE),
        ),
        (ev.LegsReported(replace(CALLER, hold=True), CALLEE), Reason(ReasonKind.HOLD, Leg.CALLER)),
        (ev.LegsReported(None, CALLEE), Reason(ReasonKind.UNREPORTED, Leg.CALLER)),
        (
            ev.LegsReported(CALLER, replace(CALLEE, remote=Address.parse("198.18.50.9:4000"))),
            Reason(ReasonKind.CALL_CHANGED),
        ),
    ],
)
def test_any_disturbance_reads_the_counters_takes_the_flows_out_first_and_says_why(
    event: ev.Event, reason: Reason
) -> None:
    placement, commands = step(GUARDED, event, 2.0)
    assert (placement.state, placement.reason) == (State.RELAYED, reason)
    assert commands[:1] == (cmd.RemoveFlows(placement.flows()),)


def test_a_disturbed_call_comes_back_when_it_is_eligible_again() -> None:
    placement = after(ev.BridgeChanged(), *IN, start=VERIFIED)
    assert placement.state is State.OFFLOADED


def test_a_blocked_call_stays_relayed_until_nothing_blocks_it() -> None:
    held = after(ev.Blocked(ReasonKind.SWITCH_UNREACHABLE), ev.Blocked(ReasonKind.OPERATOR), start=VERIFIED)
    assert held.deadline is None
    for event in (
        ev.BridgeChanged(),
        ELIGIBLE,
        ev.DeadlineReached(),
        ev.CommandFailed(ReasonKind.MODULE_UNREACHABLE),
    ):
        assert after(event, ELIGIBLE, start=held).state is State.RELAYED
    still, commands = step(held, ev.Unblocked(ReasonKind.OPERATOR), 3.0)
    assert (still.reason, commands) == (Reason(ReasonKind.SWITCH_UNREACHABLE), ())
    free, commands = step(still, ev.Unblocked(ReasonKind.SWITCH_UNREACHABLE), 4.0)
    assert commands == (cmd.QueryLegs(),)
    assert after(ELIGIBLE, start=free).state is State.LEARNING


def test_a_command_that_failed_is_tried_again_after_growing_delays() -> None:
    once = after(ev.CommandFailed(ReasonKind.SWITCH_REFUSED), start=OFFLOADED)
    again = after(*IN, start=once)
    twice = after(ev.CommandFailed(ReasonKind.SWITCH_REFUSED), start=again)
    assert once.deadline is not None
    assert twice.deadline is not None
    assert twice.deadline > once.deadline


def test_packets_of_every_stay_in_the_switch_are_added_up() -> None:
    last = ev.FinalCounters(
        {Role.FORWARD_CALLER: FlowCount(50, 500), Role.FORWARD_CALLEE: FlowCount(40, 400)}
    )
    once = after(ev.Blocked(ReasonKind.OPERATOR), last, start=VERIFIED)
    assert once.forwarded(Leg.CALLER) == FlowCount(50, 500)
    back = (ev.Unblocked(ReasonKind.OPERATOR), *IN)
    twice = after(*back, ev.CountersRead(BOTH_COUNT), ev.CallEnded(), ev.FinalCounters(None), start=once)
    assert twice.over
    assert twice.forwarded(Leg.CALLER) == FlowCount(55, 1570)
    assert twice.forwarded(Leg.CALLEE) == FlowCount(44, 1256)


def test_what_an_idle_flow_had_counted_is_not_lost_with_it() -> None:
    gone = ev.FinalCounters({Role.FORWARD_CALLER: FlowCount(70, 700)})
    ended = after(ev.FlowIdle(Leg.CALLEE, FlowCount(60, 600)), gone, start=VERIFIED)
    assert (ended.forwarded(Leg.CALLER), ended.forwarded(Leg.CALLEE)) == (
        FlowCount(70, 700),
        FlowCount(60, 600),
    )


def test_counters_that_cannot_be_read_change_nothing() -> None:
    assert step(VERIFIED, ev.CountersRead(None), 3.0) == (VERIFIED, ())
    assert step(OFFLOADED, ev.CountersRead(None), 3.0) == (OFFLOADED, ())
