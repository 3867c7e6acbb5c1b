"""The options of Dial() in the signalling machine."""

import pytest

from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import events as ev
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
    assert last(SILENT, *CREATED, ev.CalleeAnswered(1)) == (cmd.StopRing(), cmd.Answer(), cmd.Join(1))


def test_with_several_targets_the_caller_rings_once() -> None:
    assert last(RING, ev.CalleeEnteredStasis(1), targets=TWO) == (cmd.Dial(1), cmd.Ring())
    assert last(RING, *BOTH_CALLED, targets=TWO) == (cmd.Dial(2),)


def test_with_capital_r_the_caller_rings_in_the_bridge_and_hears_the_callee() -> None:
    assert last(RING, *CREATED) == (cmd.Join(1),)
    assert last(RING, *CALLED) == (cmd.Dial(1), cmd.Ring())
    assert last(RING, *CALLED, ev.CalleeProgress(1)) == ()
    assert last(RING, *CALLED, ev.CalleeAnswered(1)) == (
        cmd.SetStatus(DialStatus.ANSWER),
        cmd.StartMedia(1),
    )


def test_with_m_the_caller_hears_music_until_the_answer_and_no_ringing() -> None:
    assert last(MUSIC, *CREATED) == (cmd.Dial(1), cmd.StartMusic("jazz"))
    assert last(MUSIC, *CREATED, ev.CalleeRinging(1)) == ()
    assert last(MUSIC, *CREATED, ev.CalleeProgress(1)) == (cmd.Progress(),)
    assert last(MUSIC, *CREATED, ev.CalleeAnswered(1)) == (cmd.StopMusic(), cmd.Answer(), cmd.Join(1))
    assert last(MUSIC, *CREATED, ev.CalleeDestroyed(1, 17))[0] == cmd.StopMusic()


def test_with_c_a_target_that_is_cancelled_learns_that_another_answered() -> None:
    options = DialOptions(answered_elsewhere=True)
    assert last(options, *CALLED, ev.DialTimedOut())[0] == cmd.HangUp(1, 26)
    assert last(options, *CALLED, ev.CallerHangingUp(16)) == (cmd.HangUp(1, 26),)
    assert last(options, *CALLED, ev.CalleeAnswered(1), ev.CallerLeft(16)) == (
        cmd.EndMedia(),
        cmd.HangUp(1, 16),
    )


@pytest.mark.parametrize("cause", [0, 17, 26])
def test_with_q_the_others_are_hung_up_with_its_cause(cause: int) -> None:
    options = DialOptions(dismiss_cause=cause)
    answered = last(options, *BOTH_CALLED, ev.CalleeAnswered(2), targets=TWO)
    assert answered == (cmd.HangUp(1, cause), cmd.Answer(), cmd.Join(2))


def test_with_s_asterisk_ends_the_call_from_the_answer_on() -> None:
    options = DialOptions(time_limit=5.0)
    limit = cmd.SetTimeLimit(1, 5.0)
    assert last(options, *CALLED, ev.CalleeAnswered(1))[0] == limit
    assert last(options, *BOTH_CALLED, ev.CalleeAnswered(1), targets=TWO)[1:] == (
        limit,
        cmd.Answer(),
        cmd.Join(1),
    )
