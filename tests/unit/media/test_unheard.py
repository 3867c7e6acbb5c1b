"""An offloaded call while Asterisk does not answer, or no event arrives from it."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.machine import step
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.state import Phase, Placement, State
from stasis_offload.media.unheard import ASK_AGAIN
from tests.support.leg_reports import CALLEE, CALLER
from tests.support.placements import ELIGIBLE, GUARDED, IN_PHASE, TUNING, after, sampled_packet

IN_SWITCH = [placement for placement in IN_PHASE.values() if placement.state is State.OFFLOADED]
NO_ANSWER = ev.CommandFailed(ReasonKind.MODULE_UNREACHABLE)
NO_EVENTS = ev.Blocked(ReasonKind.ASTERISK_UNREACHABLE)
EVENTS_AGAIN = ev.Unblocked(ReasonKind.ASTERISK_UNREACHABLE)


def audited_until(placement: Placement, end: float, *answers: ev.Event) -> tuple[Placement, list[float]]:
    """Audit a call at each of its deadlines until then, each answered so; return it and the deadlines."""
    deadlines = []
    while placement.state is State.OFFLOADED and placement.deadline is not None and placement.deadline <= end:
        deadlines.append(placement.deadline)
        placement = after(ev.DeadlineReached(), *answers, start=placement, now=placement.deadline)
        samples = (sampled_packet(leg) for leg in Leg)
        placement = after(*samples, start=placement, now=deadlines[-1])
    return placement, deadlines


@pytest.mark.parametrize("placement", IN_SWITCH, ids=lambda placement: placement.phase)
@pytest.mark.parametrize("silence", [NO_ANSWER, NO_EVENTS], ids=["no answer", "no events"])
def test_that_nothing_is_heard_changes_nothing_for_the_grace_and_then_the_call_returns(
    placement: Placement, silence: ev.Event
) -> None:
    began = 2.0
    unheard, commands = step(placement, silence, began)
    assert (unheard.state, unheard.reason, commands) == (State.OFFLOADED, None, ())
    assert unheard.deadline is not None
    answers = [NO_ANSWER] if silence is NO_ANSWER else [ELIGIBLE]
    stayed, asked = audited_until(unheard, began + TUNING.grace - 0.1, *answers)
    assert stayed.state is State.OFFLOADED
    returned, last = audited_until(stayed, began + TUNING.grace + 1, *answers)
    assert returned.reason == Reason(silence.kind)  # type: ignore[union-attr] # both have one
    assert last[-1] >= began + TUNING.grace
    if silence is NO_ANSWER:
        assert max(later - earlier for earlier, later in pairwise(asked)) <= ASK_AGAIN


def test_an_answer_ends_the_grace_and_a_later_silence_has_one_of_its_own() -> None:
    unheard = after(NO_ANSWER, start=GUARDED, now=10.0)
    for answer in (ELIGIBLE, ev.LegsChecked(ELIGIBLE)):
        heard = after(answer, start=unheard, now=30.0)
        assert not heard.unheard
        again = after(NO_ANSWER, start=heard, now=69.0)
        assert after(ev.DeadlineReached(), start=again, now=71.0).state is State.OFFLOADED


def test_each_audit_meanwhile_injects_the_signs_of_life_of_the_legs() -> None:
    audited, commands = step(after(NO_ANSWER, start=GUARDED, now=10.0), ev.DeadlineReached(), 15.0)
    assert audited.state is State.OFFLOADED
    assert [type(command) for command in commands] == [cmd.QueryLegs, cmd.ReadCounters, cmd.SamplePackets]


@pytest.mark.parametrize("silence", [NO_ANSWER, NO_EVENTS], ids=["no answer", "no events"])
@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (ev.BridgeChanged(), Reason(ReasonKind.CALL_CHANGED)),
        (ev.LegsChecked(None), Reason(ReasonKind.CALL_CHANGED)),
        (ev.Blocked(ReasonKind.OPERATOR), Reason(ReasonKind.OPERATOR)),
        (
            ev.GuardTriggered(ReasonKind.ASTERISK_MEDIA, Leg.CALLER),
            Reason(ReasonKind.ASTERISK_MEDIA, Leg.CALLER),
        ),
        (ev.LegsReported(CALLER, replace(CALLEE, hold=True)), Reason(ReasonKind.HOLD, Leg.CALLEE)),
    ],
)
def test_what_says_that_something_changed_takes_the_flows_out_as_ever(
    silence: ev.Event, event: ev.Event, reason: Reason
) -> None:
    unheard = after(silence, start=GUARDED, now=10.0)
    returned, commands = step(unheard, event, 11.0)
    assert isinstance(commands[0], cmd.RemoveFlows)
    blocked = silence is NO_EVENTS and reason.kind is not ReasonKind.OPERATOR
    assert returned.reason == (Reason(ReasonKind.ASTERISK_UNREACHABLE) if blocked else reason)
    assert not returned.unheard


def test_a_call_that_returned_without_events_comes_back_only_once_there_are_some_again() -> None:
    returned = after(NO_EVENTS, ev.BridgeChanged(), start=GUARDED, now=10.0)
    assert returned.deadline is None
    assert after(ev.BridgeRebuilt(), ELIGIBLE, start=returned, now=11.0).state is State.RELAYED
    queried, commands = step(returned, EVENTS_AGAIN, 12.0)
    assert commands == (cmd.QueryLegs(),)
    assert after(ELIGIBLE, start=queried, now=12.0).state is State.LEARNING


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (ELIGIBLE, State.OFFLOADED),
        (NO_ANSWER, State.OFFLOADED),
        (ev.LegsReported(CALLER, replace(CALLEE, audio_hook=True)), State.RELAYED),
        (ev.LegsReported(None, CALLEE), State.RELAYED),
    ],
)
def test_events_again_within_the_grace_have_the_call_checked_while_it_stays(
    answer: ev.Event, state: State
) -> None:
    unheard = after(NO_EVENTS, start=GUARDED, now=10.0)
    heard, commands = step(unheard, EVENTS_AGAIN, 27.0)
    assert (heard.state, heard.blocks, heard.unheard) == (State.OFFLOADED, frozenset(), {})
    assert commands == (cmd.QueryLegs(),)
    assert after(answer, start=heard, now=27.0).state is state


@pytest.mark.parametrize("silence", [NO_ANSWER, NO_EVENTS], ids=["no answer", "no events"])
@pytest.mark.parametrize("changes", [{"grace": 0.0}], ids=["no grace"])
def test_without_a_grace_the_call_returns_at_once(silence: ev.Event, changes: dict[str, Any]) -> None:
    start = replace(GUARDED, tuning=replace(TUNING, **changes))
    returned, commands = step(start, silence, 2.0)
    assert returned.state is State.RELAYED
    assert isinstance(commands[0], cmd.RemoveFlows)


@pytest.mark.parametrize("phase", [Phase.LEARNING, Phase.CUTTING_OVER, Phase.RELAYED])
def test_a_call_that_is_not_in_the_switch_does_not_come_there_meanwhile(phase: Phase) -> None:
    blocked = after(NO_EVENTS, start=IN_PHASE[phase], now=2.0)
    assert blocked.reason == Reason(ReasonKind.ASTERISK_UNREACHABLE)
    assert blocked.deadline is None
