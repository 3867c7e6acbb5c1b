"""The options of Dial() in the signalling machine."""

from dataclasses import replace

import pytest

from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import events as ev
from stasis_offload.signalling import option_commands as opt
from stasis_offload.signalling.causes import DialStatus
from stasis_offload.signalling.dial_args import DialRequest
from stasis_offload.signalling.dial_options import DialOptions
from stasis_offload.signalling.machine import step
from stasis_offload.signalling.state import Dialing

NOW = 100.0
ONE = ("PJSIP/555@peer",)
TWO = ("PJSIP/555@peer", "PJSIP/556@peer")
CREATED = (ev.CalleeEnteredStasis(1),)
CALLED = (ev.CalleeEnteredStasis(1), ev.CalleeBridged(1))
BOTH_CALLED = (ev.CalleeEnteredStasis(1), ev.CalleeEnteredStasis(2))
SILENT = DialOptions(ring_at_once=True, ring_only=True)
RING = DialOptions(ring_at_once=True)
MUSIC = DialOptions(music="jazz")


def last(options: DialOptions, *events: ev.Event, targets: tuple[str, ...] = ONE) -> tuple[cmd.Command, ...]:
    """Run events from the start of a call with options; return what the last event commanded."""
    dialing, commands = Dialing(DialRequest(targets, options=options)), tuple[cmd.Command, ...]()
    for event in (ev.Started(), *events):
        dialing, commands = step(dialing, event, NOW)
    return commands


def test_with_r_the_caller_rings_at_once_and_receives_nothing_else_until_the_answer() -> None:
    assert last(SILENT, *CREATED) == (cmd.Dial(1), cmd.Ring())
    assert last(SILENT, *CREATED, ev.CalleeProgress(1)) == ()
    assert last(SILENT, *CREATED, ev.CalleeRinging(1)) == (cmd.Ring(),)
    assert last(SILENT, *CREATED, ev.CalleeRinging(1), ev.CalleeRinging(1)) == ()
    assert last(SILENT, *CREATED, ev.CalleeAnswered(1)) == (
        cmd.TellCaller(1),
        cmd.StopRing(),
        cmd.Answer(),
        cmd.Join(1),
    )


def test_with_r_and_a_tone_the_caller_hears_that_and_no_ringing() -> None:
    options = replace(SILENT, tone="busy")
    assert last(options, *CREATED) == (cmd.Dial(1), opt.StartTone("busy"))
    assert last(options, *CREATED, ev.CalleeRinging(1)) == ()
    assert last(options, *CREATED, ev.CalleeDestroyed(1, 17))[0] == cmd.StopRing()


def test_with_several_targets_the_caller_rings_once() -> None:
    assert last(RING, ev.CalleeEnteredStasis(1), targets=TWO) == (cmd.Dial(1), cmd.Ring())
    assert last(RING, *BOTH_CALLED, targets=TWO) == (cmd.Dial(2),)


def test_with_capital_r_the_caller_rings_in_the_bridge_and_hears_the_callee() -> None:
    assert last(RING, *CREATED) == (cmd.Join(1),)
    assert last(RING, *CALLED) == (cmd.Ring(), cmd.Dial(1))
    assert last(RING, *CALLED, ev.CalleeProgress(1)) == ()
    assert last(RING, *CALLED, ev.CalleeAnswered(1)) == (
        cmd.SetStatus(DialStatus.ANSWER),
        cmd.StartMedia(1),
    )


def test_with_m_the_caller_hears_music_until_the_answer_and_no_ringing() -> None:
    assert last(MUSIC, *CREATED) == (cmd.Dial(1), opt.StartMusic("jazz"))
    assert last(MUSIC, *CREATED, ev.CalleeRinging(1)) == ()
    assert last(MUSIC, *CREATED, ev.CalleeProgress(1)) == (cmd.Progress(),)
    assert last(MUSIC, *CREATED, ev.CalleeAnswered(1)) == (
        cmd.TellCaller(1),
        opt.StopMusic(),
        cmd.Answer(),
        cmd.Join(1),
    )
    assert last(MUSIC, *CREATED, ev.CalleeDestroyed(1, 17))[0] == opt.StopMusic()


def test_with_c_a_target_that_is_cancelled_learns_that_another_answered() -> None:
    options = DialOptions(answered_elsewhere=True)
    assert last(options, *CALLED, ev.DialTimedOut())[0] == cmd.HangUp(1, 26)
    assert last(options, *CALLED, ev.CallerHangingUp(16)) == (cmd.HangUp(1, 26),)
    assert last(options, *CALLED, ev.CalleeAnswered(1), ev.CallerLeft(16)) == (
        cmd.EndMedia(),
        cmd.HangUp(1, 16),
    )


@pytest.mark.parametrize("cause", [17, 26])
def test_with_q_the_others_are_hung_up_with_its_cause(cause: int) -> None:
    options = DialOptions(dismiss_cause=cause)
    answered = last(options, *BOTH_CALLED, ev.CalleeAnswered(2), targets=TWO)
    assert answered == (cmd.HangUp(1, cause), cmd.TellCaller(2), cmd.Answer(), cmd.Join(2))


def test_with_s_asterisk_ends_the_call_from_the_answer_on() -> None:
    options = DialOptions(time_limit=5.0)
    limit = opt.SetTimeLimit(1, 5.0)
    assert last(options, *CALLED, ev.CalleeAnswered(1))[0] == limit
    assert last(options, *BOTH_CALLED, ev.CalleeAnswered(1), targets=TWO)[1:] == (
        cmd.TellCaller(1),
        limit,
        cmd.Answer(),
        cmd.Join(1),
    )


# Before dialling


def test_with_capital_c_and_capital_b_the_caller_is_prepared_before_any_channel_is_created() -> None:
    options = DialOptions(reset_cdr=True, caller_sub="before,s,1")
    assert last(options)[:5] == (
        cmd.SetStatus(DialStatus.CANCEL),
        cmd.CreateBridge(),
        opt.ResetCdr(),
        opt.RunSub(0, "before,s,1"),
        cmd.Create(1, "PJSIP/555@peer"),
    )


def test_a_callee_is_prepared_before_it_is_bridged_or_dialled_and_then_dialled_with_what_it_has() -> None:
    options = DialOptions(callee_sub="before,s,1(x)", connected="1", tag="t", caller_id="")
    prepared = (
        opt.Inherit(1),
        opt.SetCallerId(1, ""),
        opt.SetConnected(1, "1", None, "t"),
        opt.RunPreDialSub(1, "before,s,1(x)"),
    )
    assert last(options, *CREATED) == (*prepared, cmd.Join(1))
    assert last(options, *CALLED) == (cmd.Dial(1, inherited=True),)
    assert last(options, *CREATED, targets=TWO) == (*prepared, cmd.Dial(1, inherited=True))


def test_with_capital_i_nobody_is_told_of_the_other_outside_the_bridge_either() -> None:
    options = DialOptions(no_updates=True)
    assert cmd.Create(1, "PJSIP/555@peer", "I") in last(options)
    answered = last(options, *BOTH_CALLED, ev.CalleeAnswered(2), targets=TWO)
    assert answered == (cmd.HangUp(1, 26), cmd.Answer(), cmd.Join(2))


def test_with_d_a_digit_that_leads_somewhere_ends_the_dialling_and_another_changes_nothing() -> None:
    options, digit = DialOptions(digit_exits=True), ev.CallerSentDigit("1")
    assert last(options, *CALLED, digit) == (opt.FindExit("1"),)
    assert last(options, *CALLED, digit, ev.ExitFound("menu^1^1")) == (
        cmd.HangUp(1, 16),
        cmd.EndMedia(),
        cmd.ContinueInDialplan(DialStatus.CANCEL, 0, "menu^1^1"),
    )
    busy = (*BOTH_CALLED, ev.CalleeDestroyed(1, 17), digit, ev.ExitFound("menu^1^1"))
    assert last(options, *busy, targets=TWO)[0] == cmd.HangUp(2, 17)
    assert last(options, *CALLED, digit, ev.CalleeAnswered(1), ev.ExitFound("menu^1^1")) == ()
    assert last(options, *CALLED, ev.CalleeAnswered(1), digit) == ()
    assert last(RING, *CALLED, digit) == ()


# Between answer and conversation

ANSWERED = (*CREATED, ev.CalleeAnswered(1))


def test_with_d_digits_are_sent_to_the_callee_then_to_the_caller_before_it_is_answered() -> None:
    assert last(DialOptions(digits=("12", "3")), *ANSWERED) == (
        cmd.SetStatus(DialStatus.ANSWER),
        cmd.TellCaller(1),
        opt.Unbridge(1),
        opt.SendDigits(1, "12"),
        opt.SendDigits(0, "3"),
        cmd.Answer(),
        cmd.Join(1),
    )


def test_with_capital_a_both_hear_their_files_and_are_bridged_after_the_last() -> None:
    options = DialOptions(files=("one", "two"))
    assert last(options, *ANSWERED) == (
        cmd.SetStatus(DialStatus.ANSWER),
        cmd.TellCaller(1),
        opt.Unbridge(1),
        opt.Play(1, ("sound:one",)),
        opt.Play(0, ("sound:two",)),
    )
    assert last(options, *ANSWERED, ev.Played(0)) == ()
    assert last(options, *ANSWERED, ev.Played(0), ev.Played(1)) == (cmd.Answer(), cmd.Join(1))
    assert last(options, *ANSWERED, ev.Played(0), ev.Played(0)) == ()


def test_a_caller_who_hangs_up_during_an_announcement_ends_it() -> None:
    options = DialOptions(files=("one", ""))
    left = last(options, *ANSWERED, ev.CallerLeft(16))
    assert left == (opt.StopPlaying(1), cmd.EndMedia(), cmd.HangUp(1, 16))
    assert last(options, *ANSWERED, ev.CallerLeft(16), ev.Played(1)) == ()


def test_early_media_that_cannot_be_passed_on_is_ringing_to_the_caller() -> None:
    options = DialOptions(digits=("1", ""))
    assert last(options, *CREATED, ev.CalleeProgress(1)) == (cmd.Ring(),)
    assert last(options, *CREATED, ev.CalleeProgress(1), ev.CalleeProgress(1)) == ()
    assert last(options, *BOTH_CALLED, ev.CalleeProgress(1), targets=TWO) == (cmd.Progress(),)


def test_with_a_the_caller_is_answered_before_anything_else() -> None:
    options = DialOptions(answer_first=True, digits=("1", ""))
    assert last(options, *ANSWERED)[1:4] == (cmd.TellCaller(1), cmd.Answer(), opt.Unbridge(1))


def test_with_u_a_subroutine_runs_after_the_announcement_and_the_time_limit_counts_from_its_end() -> None:
    options = DialOptions(files=("one", ""), answer_sub="sub,s,1", time_limit=5.0, digits=("1", ""))
    played = (*ANSWERED, ev.Played(1))
    assert last(options, *played) == (opt.RunAnswerSub(1, "sub,s,1"),)
    assert last(options, *played, ev.SubReturned(1, "")) == (
        opt.SetTimeLimit(1, 5.0),
        opt.SendDigits(1, "1"),
        cmd.Answer(),
        cmd.Join(1),
    )


@pytest.mark.parametrize(
    ("result", "end"),
    [
        ("BUSY", cmd.ContinueInDialplan(DialStatus.BUSY, 16)),
        ("congestion", cmd.ContinueInDialplan(DialStatus.CONGESTION, 16)),
        ("CHANUNAVAIL", cmd.ContinueInDialplan(DialStatus.CHANUNAVAIL, 16)),
        ("CONTINUE", cmd.ContinueInDialplan(DialStatus.ANSWER, 16)),
        ("GOTO:a^b^1", cmd.ContinueInDialplan(DialStatus.ANSWER, 16, "a^b^1")),
        ("ABORT", cmd.HangUpCaller(16)),
    ],
)
def test_the_subroutine_decides_what_becomes_of_the_call(result: str, end: cmd.Command) -> None:
    returned = last(DialOptions(answer_sub="sub,s,1"), *ANSWERED, ev.SubReturned(1, result))
    assert returned == (cmd.EndMedia(), cmd.HangUp(1, 16), end)


def test_with_g_a_subroutine_that_aborts_leaves_the_caller_in_the_dialplan() -> None:
    options = DialOptions(answer_sub="sub,s,1", go_on=True)
    returned = last(options, *ANSWERED, ev.SubReturned(1, "ABORT"))
    assert returned[-1] == cmd.ContinueInDialplan(DialStatus.ANSWER, 16)


def test_a_callee_that_hangs_up_before_the_two_are_bridged_ends_the_call_normally() -> None:
    failed = last(DialOptions(digits=("1", "")), *ANSWERED, ev.BridgeFailed())
    assert failed == (cmd.EndMedia(), cmd.HangUp(1, 16), cmd.HangUpCaller(16))


@pytest.mark.parametrize("result", ["", "anything"])
def test_a_subroutine_that_says_nothing_known_has_the_two_bridged(result: str) -> None:
    returned = last(DialOptions(answer_sub="sub,s,1"), *ANSWERED, ev.SubReturned(1, result))
    assert returned == (cmd.Answer(), cmd.Join(1))


def test_with_capital_g_both_go_on_in_the_dialplan_at_the_answer() -> None:
    parted = last(DialOptions(part_at=("a", "b", "1")), *ANSWERED)
    assert parted == (
        cmd.SetStatus(DialStatus.ANSWER),
        cmd.TellCaller(1),
        opt.Unbridge(1),
        cmd.EndMedia(),
        cmd.ContinueInDialplan(DialStatus.ANSWER, 16, "a^b^1"),
        opt.SendCallee(1, ("a", "b", "2")),
    )


# At the end


def test_with_e_the_h_extension_will_run_on_the_callee_from_its_answer_on_unless_both_go_on() -> None:
    options = DialOptions(runs_h=True)
    assert last(options, *CALLED, ev.CalleeAnswered(1))[0] == opt.RunHAtEnd(1)
    assert last(options, *BOTH_CALLED, ev.CalleeAnswered(2), targets=TWO)[1] == opt.RunHAtEnd(2)
    parted = last(replace(options, part_at=("a", "b", "1")), *ANSWERED)
    assert opt.RunHAtEnd(1) not in parted


def test_with_capital_f_the_callee_goes_on_in_the_dialplan_when_the_caller_has_left() -> None:
    options, place = DialOptions(callee_goes_to=("after", "s", "1")), ("after", "s", "1")
    answered = (*CALLED, ev.CalleeAnswered(1))
    assert last(options, *answered, ev.CallerLeft(16)) == (cmd.EndMedia(), opt.SendCallee(1, place))
    assert last(options, *answered, ev.CallerLeft(16), ev.CalleeLeftStasis(1)) == (
        cmd.EndMedia(),
        cmd.DestroyBridge(),
    )
    not_sent = (*answered, ev.CallerLeft(16), ev.CalleeNotSent(1))
    assert last(options, *not_sent) == (cmd.EndMedia(), cmd.HangUp(1, 16))
    assert last(options, *not_sent, ev.CalleeDestroyed(1, 16)) == (cmd.EndMedia(), cmd.DestroyBridge())
    assert last(options, *CALLED, ev.CallerHangingUp(16)) == (cmd.HangUp(1, 16),)
    hanging_up = (*answered, ev.CalleeHangingUp(1), ev.CallerLeft(16))
    assert last(options, *hanging_up) == ()
