"""The signalling machine: Dial()'s outcomes one by one, and the races between its parties."""

from collections.abc import Sequence

import pytest

from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import events as ev
from stasis_offload.signalling.causes import DialStatus
from stasis_offload.signalling.dial_args import DialRequest
from stasis_offload.signalling.dial_options import DialOptions
from stasis_offload.signalling.machine import returns_media, step
from stasis_offload.signalling.state import Dialing, Phase
from tests.support.dialings import BOTH_CALLED, CALLED, NOW, ONE, TALKING, TWO, after


def last(request: DialRequest, *events: ev.Event) -> list[cmd.Command]:
    return after(request, *events)[1]


def test_a_call_begins_with_a_bridge_and_a_channel_for_each_target() -> None:
    assert last(TWO) == [
        cmd.SetStatus(DialStatus.CANCEL),
        cmd.CreateBridge(),
        cmd.Create(1, "PJSIP/555@peer"),
        cmd.Create(2, "PJSIP/556@peer"),
    ]


@pytest.mark.parametrize("request_", [ONE, TWO])
def test_a_caller_for_whom_asterisk_makes_no_bridge_is_left_to_dial(request_: DialRequest) -> None:
    assert last(request_, ev.BridgeRefused()) == [
        cmd.EndMedia(),
        cmd.ContinueInDialplan(DialStatus.INVALIDARGS, 0),
    ]
    dialing, commands = after(request_, ev.BridgeRefused(), ev.CallerLeft(0))
    assert (dialing.phase, commands) == (Phase.OVER, [cmd.EndMedia(), cmd.DestroyBridge()])


def test_one_target_is_dialled_inside_the_bridge_so_that_early_media_and_answer_need_nobody() -> None:
    assert cmd.LeavePickupGroups() in last(ONE)
    assert last(ONE, ev.CalleeEnteredStasis(1)) == [cmd.Join(1)]
    assert last(ONE, ev.CalleeEnteredStasis(1), ev.CalleeBridged(1)) == [cmd.Dial(1)]
    assert last(ONE, *CALLED, ev.CalleeRinging(1)) == []
    assert last(ONE, *CALLED, ev.CalleeProgress(1)) == []
    assert last(ONE, *TALKING) == [cmd.SetStatus(DialStatus.ANSWER), cmd.StartMedia(1)]


def test_the_bridge_of_a_caller_who_was_answered_before_chooses_its_technology_anew() -> None:
    dialing = Dialing(ONE)
    for event in (ev.Started(up=True), *TALKING):
        dialing, commands = step(dialing, event, NOW)
    assert commands == (cmd.Answer(bridged=True), cmd.SetStatus(DialStatus.ANSWER), cmd.StartMedia(1))


@pytest.mark.parametrize("target", ["Local/1@default", "IAX2/peer/1"])
def test_a_target_that_may_send_a_busy_frame_is_dialled_outside_the_bridge(target: str) -> None:
    assert last(DialRequest((target,)), ev.CalleeEnteredStasis(1)) == [cmd.Dial(1)]


def test_the_first_to_answer_wins_and_the_others_hear_that_it_was_answered_elsewhere() -> None:
    assert last(TWO, *BOTH_CALLED, ev.CalleeAnswered(2)) == [
        cmd.HangUp(1, 26),
        cmd.TellCaller(2),
        cmd.Answer(),
        cmd.Join(2),
    ]
    talking, commands = after(TWO, *BOTH_CALLED, ev.CalleeAnswered(2), ev.CalleeBridged(2))
    assert commands == [cmd.SetStatus(DialStatus.ANSWER), cmd.StartMedia(2)]
    assert (talking.phase, talking.winner) == (Phase.TALKING, 2)


def test_a_fork_rings_the_caller_once_and_until_then_announces_early_media_as_dial_does() -> None:
    assert last(TWO, *BOTH_CALLED, ev.CalleeProgress(2)) == [cmd.Progress()]
    assert last(TWO, *BOTH_CALLED, ev.CalleeProgress(2), ev.CalleeRinging(1)) == [cmd.Ring()]
    ringing = (*BOTH_CALLED, ev.CalleeRinging(1))
    assert last(TWO, *ringing, ev.CalleeRinging(2)) == []
    assert last(TWO, *ringing, ev.CalleeProgress(2)) == []


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        (17, DialStatus.BUSY),
        (34, DialStatus.CONGESTION),
        (16, DialStatus.NOANSWER),
        (19, DialStatus.NOANSWER),
        (1, DialStatus.CHANUNAVAIL),
        (20, DialStatus.CHANUNAVAIL),
        (21, DialStatus.CHANUNAVAIL),
        (42, DialStatus.CHANUNAVAIL),
        (0, DialStatus.CHANUNAVAIL),
    ],
)
def test_a_callee_that_fails_gives_the_status_that_dial_gives(cause: int, status: DialStatus) -> None:
    assert last(
        ONE, *CALLED, ev.CalleeHangingUp(1), ev.CalleeLeftStasis(1), ev.CalleeDestroyed(1, cause)
    ) == [cmd.EndMedia(), cmd.ContinueInDialplan(status, cause)]


@pytest.mark.parametrize(
    ("causes", "status"),
    [
        ((17, 1), DialStatus.BUSY),
        ((1, 17), DialStatus.BUSY),
        ((34, 1), DialStatus.CONGESTION),
        ((17, 34), DialStatus.BUSY),
        ((17, 19), DialStatus.NOANSWER),
        ((16, 17), DialStatus.NOANSWER),
    ],
)
def test_when_all_fail_the_status_is_of_the_best_and_the_cause_of_the_last(
    causes: tuple[int, int], status: DialStatus
) -> None:
    first, second = causes
    assert last(TWO, *BOTH_CALLED, ev.CalleeDestroyed(1, first)) == []
    assert last(TWO, *BOTH_CALLED, ev.CalleeDestroyed(1, first), ev.CalleeDestroyed(2, second)) == [
        cmd.EndMedia(),
        cmd.ContinueInDialplan(status, second),
    ]


def test_a_target_that_cannot_be_made_does_not_end_the_others() -> None:
    assert last(TWO, ev.CreateFailed(1, 3)) == []
    assert last(TWO, ev.CreateFailed(1, 3), ev.CalleeEnteredStasis(2), ev.CalleeDestroyed(2, 17)) == [
        cmd.EndMedia(),
        cmd.ContinueInDialplan(DialStatus.BUSY, 17),
    ]
    assert last(TWO, ev.CreateFailed(1, 3), ev.CreateFailed(2, 3)) == [
        cmd.EndMedia(),
        cmd.ContinueInDialplan(DialStatus.CHANUNAVAIL, 3),
    ]


def test_a_busy_frame_ends_the_callee_as_dial_does() -> None:
    assert last(DialRequest(("Local/1@x",)), ev.CalleeEnteredStasis(1), ev.CalleeRejected(1, 17)) == [
        cmd.HangUp(1, 17),
        cmd.EndMedia(),
        cmd.ContinueInDialplan(DialStatus.BUSY, 17),
    ]


def test_a_callee_that_cannot_be_called_and_is_sent_into_the_dialplan_is_hung_up() -> None:
    assert last(ONE, *CALLED, ev.CalleeLeftStasis(1)) == [
        cmd.HangUp(1, 3),
        cmd.EndMedia(),
        cmd.ContinueInDialplan(DialStatus.CHANUNAVAIL, 3),
    ]


def test_the_timeout_runs_from_the_start_and_ends_with_the_answer() -> None:
    request = DialRequest(ONE.targets, timeout=30)
    assert after(request)[0].deadline == NOW + 30
    assert after(request, *TALKING)[0].deadline is None
    assert after(ONE)[0].deadline is None


def test_at_the_timeout_everybody_is_hung_up_and_the_dialplan_goes_on() -> None:
    assert last(TWO, *BOTH_CALLED, ev.CalleeRinging(1), ev.DialTimedOut()) == [
        cmd.HangUp(1, 19),
        cmd.HangUp(2, 19),
        cmd.StopRing(),
        cmd.EndMedia(),
        cmd.ContinueInDialplan(DialStatus.NOANSWER, 0),
    ]
    assert last(TWO, *BOTH_CALLED, ev.CalleeDestroyed(1, 17), ev.DialTimedOut()) == [
        cmd.HangUp(2, 19),
        cmd.EndMedia(),
        cmd.ContinueInDialplan(DialStatus.NOANSWER, 17),
    ]


def test_a_caller_who_hangs_up_takes_the_callees_along() -> None:
    assert last(TWO, *BOTH_CALLED, ev.CallerHangingUp(127)) == [cmd.HangUp(1, 127), cmd.HangUp(2, 127)]
    assert last(TWO, *BOTH_CALLED, ev.CallerHangingUp(127), ev.CallerLeft(0)) == []
    assert last(ONE, *TALKING, ev.CallerLeft(16)) == [cmd.EndMedia(), cmd.HangUp(1, 16)]
    assert last(ONE, *TALKING, ev.CallerHangingUp(0), ev.CallerLeft(0)) == [cmd.EndMedia(), cmd.HangUp(1, 16)]
    assert last(ONE, *TALKING, ev.CallerHangingUp(44), ev.CallerLeft(0)) == [
        cmd.EndMedia(),
        cmd.HangUp(1, 44),
    ]


def test_a_callee_who_hangs_up_takes_the_caller_along_with_its_cause() -> None:
    assert last(ONE, *TALKING, ev.CalleeHangingUp(1), ev.CalleeLeftStasis(1), ev.CalleeDestroyed(1, 44)) == [
        cmd.EndMedia(),
        cmd.HangUpCaller(44),
    ]
    assert last(ONE, *TALKING, ev.CalleeDestroyed(1, 0)) == [cmd.EndMedia(), cmd.HangUpCaller(16)]


def test_with_option_g_the_dialplan_goes_on_after_the_callee() -> None:
    request = DialRequest(ONE.targets, options=DialOptions(go_on=True))
    assert last(request, *TALKING, ev.CalleeDestroyed(1, 16)) == [
        cmd.EndMedia(),
        cmd.ContinueInDialplan(DialStatus.ANSWER, 16),
    ]


def test_a_callee_that_another_program_took_is_not_hung_up_nor_is_the_caller_if_it_takes_both() -> None:
    dialing, commands = after(ONE, *TALKING, ev.CalleeLeftStasis(1))
    assert commands == [cmd.EndMedia(), cmd.ReleaseCaller(16)]
    dialing, (*_, last_) = step(dialing, ev.CallerLeft(0), NOW)
    assert (dialing.phase, last_) == (Phase.OVER, cmd.DestroyBridge())


def test_with_option_g_a_caller_whose_callee_was_taken_goes_on_where_it_is() -> None:
    request = DialRequest(ONE.targets, options=DialOptions(go_on=True))
    assert last(request, *TALKING, ev.CalleeLeftStasis(1)) == [
        cmd.EndMedia(),
        cmd.ContinueInDialplan(DialStatus.ANSWER, 16),
    ]


def test_a_caller_that_another_program_took_leaves_a_callee_that_it_may_take_as_well() -> None:
    dialing, commands = after(ONE, *TALKING, ev.CallerLeft(0))
    assert commands == [cmd.EndMedia(), cmd.Release(1, 16)]
    dialing, (*_, last_) = step(dialing, ev.CalleeLeftStasis(1), NOW)
    assert (dialing.phase, last_) == (Phase.OVER, cmd.DestroyBridge())


def test_a_callee_that_hangs_up_while_another_program_takes_the_caller_is_left_alone() -> None:
    hanging_up = (*TALKING, ev.CalleeHangingUp(1), ev.CallerLeft(0))
    assert last(ONE, *hanging_up) == []
    assert after(ONE, *hanging_up, ev.CalleeDestroyed(1, 16))[0].over


def test_a_dying_callee_keeps_its_own_cause() -> None:
    assert last(ONE, *TALKING, ev.CalleeHangingUp(1), ev.CallerHangingUp(16)) == []
    assert last(ONE, *TALKING, ev.CalleeHangingUp(1), ev.CallerLeft(16)) == []


@pytest.mark.parametrize("events", [(), (ev.CalleeEnteredStasis(1),)])
def test_without_a_bridge_the_call_cannot_be(events: Sequence[ev.Event]) -> None:
    assert last(ONE, *events, ev.BridgeFailed()) == [
        cmd.HangUp(1, 16),
        cmd.EndMedia(),
        cmd.ContinueInDialplan(DialStatus.CONGESTION, 34),
    ]


def test_a_winner_who_cannot_be_joined_ends_the_call() -> None:
    assert last(TWO, *BOTH_CALLED, ev.CalleeAnswered(1), ev.BridgeFailed()) == [
        cmd.EndMedia(),
        cmd.HangUp(1, 34),
        cmd.HangUpCaller(34),
    ]


def test_the_bridge_goes_when_the_last_channel_has_gone() -> None:
    ending, commands = after(ONE, *TALKING, ev.CalleeDestroyed(1, 16))
    assert not ending.over
    assert cmd.DestroyBridge() not in commands
    over, commands = after(ONE, *TALKING, ev.CalleeDestroyed(1, 16), ev.CallerLeft(16))
    assert over.over
    assert commands == [cmd.EndMedia(), cmd.DestroyBridge()]
    assert last(ONE, *TALKING, ev.CallerLeft(16), ev.CalleeDestroyed(1, 16)) == [
        cmd.EndMedia(),
        cmd.DestroyBridge(),
    ]


# Media first


@pytest.mark.parametrize(
    "event", [ev.CallerHangingUp(16), ev.CallerLeft(0), ev.CalleeHangingUp(2), ev.CalleeLeftStasis(2)]
)
def test_media_returns_as_soon_as_a_party_of_the_conversation_leaves(event: ev.Event) -> None:
    talking, _ = after(TWO, *BOTH_CALLED, ev.CalleeAnswered(2), ev.CalleeBridged(2))
    assert returns_media(talking, event)


@pytest.mark.parametrize(
    "event",
    [
        ev.CalleeHangingUp(1),
        ev.CalleeLeftStasis(1),
        ev.CalleeDestroyed(1, 16),
        ev.CalleeAnswered(2),
        ev.CalleeReplaced(2, "old", joined=True),
        ev.CallerReplaced("old", joined=True),
        ev.BridgeFailed(),
    ],
)
def test_media_survives_the_end_of_another_target_and_a_replacement(event: ev.Event) -> None:
    talking, _ = after(TWO, *BOTH_CALLED, ev.CalleeAnswered(2), ev.CalleeBridged(2))
    assert not returns_media(talking, event)


def test_before_the_answer_only_the_caller_returns_media() -> None:
    dialing, _ = after(ONE, *CALLED)
    assert returns_media(dialing, ev.CallerLeft(0))
    assert not returns_media(dialing, ev.CalleeDestroyed(1, 16))


# Races


def test_a_callee_who_answers_while_being_cancelled_is_hung_up_again() -> None:
    assert last(ONE, *CALLED, ev.DialTimedOut(), ev.CalleeAnswered(1)) == [cmd.HangUp(1, 16)]
    assert last(ONE, *CALLED, ev.CallerHangingUp(0), ev.CalleeAnswered(1)) == [cmd.HangUp(1, 16)]


def test_a_second_answer_changes_nothing_but_that_callee() -> None:
    talking, commands = after(TWO, *BOTH_CALLED, ev.CalleeAnswered(1), ev.CalleeAnswered(2))
    assert commands == [cmd.HangUp(2, 16)]
    assert talking.winner == 1


def test_a_channel_that_appears_after_its_creation_was_taken_for_failed_is_hung_up() -> None:
    ending, commands = after(ONE, ev.CreateFailed(1, 3), ev.CalleeEnteredStasis(1))
    assert commands == [cmd.HangUp(1, 16)]
    assert not step(ending, ev.CallerLeft(0), NOW)[0].over
    assert last(ONE, ev.CreateFailed(1, 3), ev.CallerLeft(0), ev.CalleeEnteredStasis(1)) == [
        cmd.HangUp(1, 16)
    ]


def test_a_caller_who_hangs_up_while_a_channel_is_made_leaves_none_behind() -> None:
    assert last(ONE, ev.CallerHangingUp(0)) == [cmd.HangUp(1, 16)]
    assert last(ONE, ev.CallerHangingUp(0), ev.CalleeEnteredStasis(1)) == [cmd.HangUp(1, 16)]


def test_an_event_of_a_target_that_was_never_asked_for_changes_nothing() -> None:
    dialing, _ = after(ONE, *CALLED)
    for event in (ev.CalleeAnswered(2), ev.CalleeDestroyed(0, 16), ev.CalleeEnteredStasis(7)):
        assert step(dialing, event, NOW) == (dialing, ())
