"""The signalling machine when a callee forwards the call: where to, what the caller is told, and when it is too often."""

from dataclasses import replace

import pytest

from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import events as ev
from stasis_offload.signalling import option_commands as opt
from stasis_offload.signalling.causes import DialStatus
from stasis_offload.signalling.dial_options import DialOptions
from stasis_offload.signalling.diversion import MAX_DIVERSIONS, endpoint_of, is_exhausted
from stasis_offload.signalling.machine import step
from stasis_offload.signalling.resuming import resume
from stasis_offload.signalling.state import Dialing, Phase
from tests.support.dialings import BOTH_CALLED, CALLED, ONE, TWO, after

TO_NUMBER = ev.CalleeDiverted(1, "700", "phones", "")
TO_URI = ev.CalleeDiverted(1, "PJSIP/peer/sip:700@there", "phones", "555")


@pytest.mark.parametrize("was", [(), (ev.CalleeRinging(1),), (ev.CalleeHangingUp(1),)])
def test_a_number_is_called_over_the_dialplan_outside_the_bridge(was: tuple[ev.Event, ...]) -> None:
    called = (*CALLED, *was, TO_NUMBER)
    dialing, commands = after(ONE, *called)
    assert commands == [cmd.CreateDiverted(2, 1, "700", "phones"), cmd.HangUp(1, 23)]
    assert (dialing.phase, dialing.in_bridge) == (Phase.DIALING, False)
    entered = (*called, ev.CalleeDestroyed(1, 23), ev.CalleeEnteredStasis(2))
    assert after(ONE, *entered)[1] == [
        opt.Inherit(2),
        cmd.SetDiversion(2, by=1, number="", to="700"),
        cmd.Dial(2, inherited=True),
    ]
    assert after(ONE, *entered, ev.CalleeRinging(2))[1] == [cmd.Ring()]
    dialing, commands = after(ONE, *entered, ev.CalleeAnswered(2))
    assert (dialing.winner, commands) == (2, [cmd.TellCaller(2), cmd.Answer(), cmd.Join(2)])
    assert dialing.dialled(2) == "Local/700"


def test_what_chan_pjsip_is_to_call_itself_is_called_inside_the_bridge() -> None:
    entered = (*CALLED, TO_URI, ev.CalleeEnteredStasis(2))
    assert after(ONE, *entered)[1] == [
        opt.Inherit(2),
        cmd.SetDiversion(2, by=1, number="555", to="PJSIP/peer/sip:700@there"),
        cmd.Join(2),
    ]
    assert after(ONE, *entered, ev.CalleeBridged(2))[1] == [cmd.Dial(2, inherited=True)]


def test_in_a_fork_the_new_target_takes_the_place_of_the_one_that_forwards() -> None:
    diverted = (*BOTH_CALLED, TO_NUMBER, ev.CalleeDestroyed(1, 23))
    dialing, commands = after(TWO, *diverted, ev.CalleeEnteredStasis(3))
    assert commands[-2:] == [cmd.SetDiversion(3, by=1, number="", to="700"), cmd.Dial(3, inherited=True)]
    assert after(TWO, *diverted, ev.CalleeEnteredStasis(3), ev.CalleeAnswered(3))[1] == [
        cmd.HangUp(2, 26),
        cmd.TellCaller(3),
        cmd.Answer(),
        cmd.Join(3),
    ]
    assert dialing.dialled(2) == "PJSIP/556@peer"


STAYS = DialOptions(no_forwarding=True)


def test_with_i_a_callee_that_forwards_counts_as_busy_and_leaves_no_cause() -> None:
    one = replace(ONE, options=STAYS)
    assert cmd.Create(1, one.targets[0], "i") in after(one)[1]
    assert after(one, *CALLED, TO_NUMBER)[1] == [
        cmd.HangUp(1, 0),
        cmd.EndMedia(),
        cmd.ContinueInDialplan(DialStatus.BUSY, 0),
    ]
    fork = replace(TWO, options=STAYS)
    assert after(fork, *BOTH_CALLED, TO_NUMBER)[1] == [cmd.HangUp(1, 0)]
    failed = (ev.CalleeDestroyed(1, 23), ev.CalleeDestroyed(2, 1))
    assert after(fork, *BOTH_CALLED, TO_NUMBER, *failed)[1] == [
        cmd.EndMedia(),
        cmd.ContinueInDialplan(DialStatus.BUSY, 1),
    ]


def test_with_z_a_call_that_is_forwarded_may_ring_without_limit_once_the_new_channel_is_there() -> None:
    one = replace(ONE, timeout=30.0, options=DialOptions(forwards_wait=True))
    assert after(one, *CALLED, TO_NUMBER)[0].deadline is not None
    assert after(one, *CALLED, TO_NUMBER, ev.CalleeEnteredStasis(2))[0].deadline is None


def test_with_f_alone_only_where_a_call_is_forwarded_to_is_sent_another_identity() -> None:
    one = replace(ONE, options=DialOptions(forwards_as="<600>"))
    sets = opt.SetConnected(2, "<600>", None, None)
    assert sets in after(one, *CALLED, TO_NUMBER, ev.CalleeEnteredStasis(2))[1]
    assert after(one, ev.CalleeEnteredStasis(1))[1] == [cmd.Join(1)]


@pytest.mark.parametrize(("to", "withholds"), [("700", ""), ("local/7@x", ""), ("PJSIP/7", "I")])
def test_with_capital_i_a_dialplan_that_is_forwarded_to_may_tell_the_caller_of_identities(
    to: str, withholds: str
) -> None:
    one = replace(ONE, options=DialOptions(no_updates=True))
    assert after(one, *CALLED, replace(TO_NUMBER, to=to))[1][0] == cmd.CreateDiverted(
        2, 1, to, "phones", withholds
    )


@pytest.mark.parametrize(("to", "tells"), [("700", [cmd.TellCaller(3)]), ("SIP/7", [])])
def test_with_capital_i_the_caller_is_told_who_answered_where_a_dialplan_was_forwarded_to(
    to: str, tells: list[cmd.Command]
) -> None:
    two = replace(TWO, options=DialOptions(no_updates=True))
    diverted = (*BOTH_CALLED, replace(TO_NUMBER, to=to), ev.CalleeDestroyed(1, 23), ev.CalleeEnteredStasis(3))
    answered = after(two, *diverted, ev.CalleeAnswered(3))[1]
    assert answered == [cmd.HangUp(2, 26), *tells, cmd.Answer(), cmd.Join(3)]


def test_asterisk_may_announce_the_same_forward_twice() -> None:
    assert after(ONE, *CALLED, TO_NUMBER, TO_NUMBER)[1] == []


def test_a_forward_that_fails_leaves_no_cause_and_the_caller_no_302() -> None:
    diverted = (*CALLED, TO_NUMBER, ev.CalleeDestroyed(1, 23))
    for failed in (
        (ev.CreateFailed(2, 0),),
        (ev.CalleeEnteredStasis(2), ev.CalleeRejected(2, 0)),
        (ev.CalleeEnteredStasis(2), ev.CalleeLeftStasis(2)),
    ):
        assert after(ONE, *diverted, *failed)[1][-1] == cmd.ContinueInDialplan(DialStatus.CHANUNAVAIL, 0)
    busy = (ev.CalleeEnteredStasis(2), ev.CalleeDestroyed(2, 17))
    assert after(ONE, *diverted, *busy)[1][-1] == cmd.ContinueInDialplan(DialStatus.BUSY, 17)


def test_a_loop_of_targets_that_forward_ends() -> None:
    dialing = Dialing(ONE)
    for event in (ev.Started(), *CALLED):
        dialing, commands = step(dialing, event, 100.0)
    for n in range(1, MAX_DIVERSIONS + 1):
        dialing, _ = step(dialing, ev.CalleeDiverted(n, "700", "phones", ""), 100.0)
        dialing, _ = step(dialing, ev.CalleeEnteredStasis(n + 1), 100.0)
    dialing, commands = step(dialing, ev.CalleeDiverted(n + 1, "700", "phones", ""), 100.0)
    assert (dialing.phase, commands[-1]) == (Phase.ENDING, cmd.ContinueInDialplan(DialStatus.BUSY, 17))


def test_who_comes_over_a_local_channel_is_asked_whether_it_may_dial_at_all() -> None:
    dialing, commands = step(Dialing(ONE), ev.Started(local=True), 100.0)
    assert commands[2] == cmd.CheckForwards()
    dialing, commands = step(dialing, ev.ForwardsExceeded(), 100.0)
    assert commands == (cmd.SetStatus(DialStatus.BUSY), cmd.EndMedia(), cmd.HangUpCaller(0))
    assert step(dialing, ev.CallerLeft(0), 100.0)[0].over


def test_a_caller_who_hangs_up_takes_along_whom_the_call_was_forwarded_to() -> None:
    diverted = (*CALLED, TO_NUMBER, ev.CalleeEnteredStasis(2))
    assert after(ONE, *diverted, ev.CallerHangingUp(16))[1] == [cmd.HangUp(2, 16)]


def test_an_adopted_call_may_have_been_forwarded() -> None:
    dialing = resume(ONE, answered=True, callees={2: True}, now=100.0)
    assert (dialing.winner, len(dialing.callees), dialing.dialled(2)) == (2, 2, "Local/")
    ringing = resume(ONE, answered=False, callees={2: False}, now=100.0)
    assert step(ringing, ev.CalleeAnswered(2), 100.0)[1] == (
        cmd.HangUp(1, 26),
        cmd.TellCaller(2),
        cmd.Answer(),
        cmd.Join(2),
    )


@pytest.mark.parametrize(
    ("max_forwards", "exhausted"),
    [(None, False), ("20", False), ("1", False), ("0", True), ("-1", True), ("x", False)],
)
def test_a_caller_without_forwards_left_may_not_dial(max_forwards: str | None, *, exhausted: bool) -> None:
    assert is_exhausted(max_forwards) == exhausted


def test_a_number_is_dialled_in_a_context_and_a_channel_as_it_is() -> None:
    assert endpoint_of("700", "phones") == "Local/700@phones"
    assert endpoint_of("PJSIP/700", "phones") == "PJSIP/700"
