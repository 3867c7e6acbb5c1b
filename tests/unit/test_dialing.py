"""The signalling machine: Dial()'s outcomes one by one, and the races between its parties."""

from collections.abc import Sequence

import pytest

from stasis_offload.dialing import Dialing, Phase, missed, resume, step
from stasis_offload.dialstring import DialRequest
from stasis_offload.hearing import outcome
from stasis_offload.signals import (
    Answer,
    Answered,
    BridgeFailed,
    CallerDying,
    CallerGone,
    Command,
    Connected,
    Continue,
    Create,
    DestroyBridge,
    Dial,
    DialStatus,
    Dying,
    Entered,
    Event,
    Failed,
    Gone,
    HangUp,
    HangUpCaller,
    Join,
    Joined,
    Left,
    MakeBridge,
    Progress,
    Refused,
    Ring,
    Ringing,
    SetStatus,
    Started,
    StopRing,
    TimedOut,
)

ONE = DialRequest(("PJSIP/555@peer",))
TWO = DialRequest(("PJSIP/555@peer", "PJSIP/556@peer"))
NOW = 100.0


def after(request: DialRequest, *events: Event) -> tuple[Dialing, list[Command]]:
    """Run events from the start of a call; return the call, and what the last event commanded."""
    dialing, commands = Dialing(request), ()
    for event in (Started(), *events):
        dialing, commands = step(dialing, event, NOW)
    return dialing, list(commands)


def last(request: DialRequest, *events: Event) -> list[Command]:
    return after(request, *events)[1]


CALLED = (Entered(1), Joined(1))
TALKING = (*CALLED, Answered(1))
BOTH_CALLED = (Entered(1), Entered(2))


def test_a_call_begins_with_a_channel_for_each_target_and_a_bridge() -> None:
    assert last(TWO) == [
        SetStatus(DialStatus.CANCEL),
        Create(1, "PJSIP/555@peer"),
        Create(2, "PJSIP/556@peer"),
        MakeBridge(),
    ]


def test_one_target_is_dialled_inside_the_bridge_so_that_early_media_and_answer_need_nobody() -> None:
    assert last(ONE, Entered(1)) == [Join(1)]
    assert last(ONE, Entered(1), Joined(1)) == [Dial(1)]
    assert last(ONE, *CALLED, Ringing(1)) == []
    assert last(ONE, *CALLED, Progress(1)) == []
    assert last(ONE, *TALKING) == [SetStatus(DialStatus.ANSWER), Connected(1)]


@pytest.mark.parametrize("target", ["Local/1@default", "IAX2/peer/1"])
def test_a_target_that_may_send_a_busy_frame_is_dialled_outside_the_bridge(target: str) -> None:
    assert last(DialRequest((target,)), Entered(1)) == [Dial(1)]


def test_the_first_to_answer_wins_and_the_others_hear_that_it_was_answered_elsewhere() -> None:
    assert last(TWO, *BOTH_CALLED, Answered(2)) == [HangUp(1, 26), Answer(), Join(2)]
    talking, commands = after(TWO, *BOTH_CALLED, Answered(2), Joined(2))
    assert commands == [SetStatus(DialStatus.ANSWER), Connected(2)]
    assert (talking.phase, talking.winner) == (Phase.TALKING, 2)


def test_a_fork_rings_the_caller_once() -> None:
    assert last(TWO, *BOTH_CALLED, Progress(2)) == [Ring()]
    assert last(TWO, *BOTH_CALLED, Progress(2), Ringing(1)) == []


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
    assert last(ONE, *CALLED, Dying(1), Left(1), Gone(1, cause)) == [Continue(status, cause)]


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
    assert last(TWO, *BOTH_CALLED, Gone(1, first)) == []
    assert last(TWO, *BOTH_CALLED, Gone(1, first), Gone(2, second)) == [Continue(status, second)]


def test_a_target_that_cannot_be_made_does_not_end_the_others() -> None:
    assert last(TWO, Failed(1, 3)) == []
    assert last(TWO, Failed(1, 3), Entered(2), Gone(2, 17)) == [Continue(DialStatus.BUSY, 17)]
    assert last(TWO, Failed(1, 3), Failed(2, 3)) == [Continue(DialStatus.CHANUNAVAIL, 3)]


def test_a_busy_frame_ends_the_callee_as_dial_does() -> None:
    assert last(DialRequest(("Local/1@x",)), Entered(1), Refused(1, 17)) == [
        HangUp(1, 17),
        Continue(DialStatus.BUSY, 17),
    ]


def test_a_callee_that_cannot_be_called_and_is_sent_into_the_dialplan_is_hung_up() -> None:
    assert last(ONE, *CALLED, Left(1)) == [HangUp(1, 3), Continue(DialStatus.CHANUNAVAIL, 3)]


def test_the_timeout_runs_from_the_start_and_ends_with_the_answer() -> None:
    request = DialRequest(ONE.targets, timeout=30)
    assert after(request)[0].deadline == NOW + 30
    assert after(request, *TALKING)[0].deadline is None
    assert after(ONE)[0].deadline is None


def test_at_the_timeout_everybody_is_hung_up_and_the_dialplan_goes_on() -> None:
    assert last(TWO, *BOTH_CALLED, Ringing(1), TimedOut()) == [
        HangUp(1, 19),
        HangUp(2, 19),
        StopRing(),
        Continue(DialStatus.NOANSWER, 0),
    ]
    assert last(TWO, *BOTH_CALLED, Gone(1, 17), TimedOut()) == [
        HangUp(2, 19),
        Continue(DialStatus.NOANSWER, 17),
    ]


def test_a_caller_who_hangs_up_takes_the_callees_along() -> None:
    assert last(TWO, *BOTH_CALLED, CallerDying(127)) == [HangUp(1, 127), HangUp(2, 127)]
    assert last(TWO, *BOTH_CALLED, CallerDying(127), CallerGone(0)) == []
    assert last(ONE, *TALKING, CallerGone(0)) == [HangUp(1, 16)]
    assert last(ONE, *TALKING, CallerDying(44), CallerGone(0)) == [HangUp(1, 44)]


def test_a_callee_who_hangs_up_takes_the_caller_along_with_its_cause() -> None:
    assert last(ONE, *TALKING, Dying(1), Left(1), Gone(1, 44)) == [HangUpCaller(44)]
    assert last(ONE, *TALKING, Gone(1, 0)) == [HangUpCaller(16)]


def test_with_option_g_the_dialplan_goes_on_after_the_callee() -> None:
    request = DialRequest(ONE.targets, go_on=True)
    assert last(request, *TALKING, Gone(1, 16)) == [Continue(DialStatus.ANSWER, 16)]


def test_a_callee_that_a_transfer_took_is_not_hung_up() -> None:
    assert last(ONE, *TALKING, Left(1)) == [HangUpCaller(16)]


def test_a_dying_callee_keeps_its_own_cause() -> None:
    assert last(ONE, *TALKING, Dying(1), CallerDying(16)) == []
    assert last(ONE, *TALKING, Dying(1), CallerGone(16)) == []


@pytest.mark.parametrize("events", [(), (Entered(1),)])
def test_without_a_bridge_the_call_cannot_be(events: Sequence[Event]) -> None:
    assert last(ONE, *events, BridgeFailed()) == [HangUp(1, 16), Continue(DialStatus.CONGESTION, 34)]


def test_a_winner_who_cannot_be_joined_ends_the_call() -> None:
    assert last(TWO, *BOTH_CALLED, Answered(1), BridgeFailed()) == [HangUp(1, 34), HangUpCaller(34)]


def test_the_bridge_goes_when_the_last_channel_has_gone() -> None:
    ending, commands = after(ONE, *TALKING, Gone(1, 16))
    assert not ending.over
    assert DestroyBridge() not in commands
    over, commands = after(ONE, *TALKING, Gone(1, 16), CallerGone(16))
    assert over.over
    assert commands == [DestroyBridge()]
    assert last(ONE, *TALKING, CallerGone(16), Gone(1, 16)) == [DestroyBridge()]


# Races


def test_a_callee_who_answers_while_being_cancelled_is_hung_up_again() -> None:
    assert last(ONE, *CALLED, TimedOut(), Answered(1)) == [HangUp(1, 16)]
    assert last(ONE, *CALLED, CallerDying(0), Answered(1)) == [HangUp(1, 16)]


def test_a_second_answer_changes_nothing_but_that_callee() -> None:
    talking, commands = after(TWO, *BOTH_CALLED, Answered(1), Answered(2))
    assert commands == [HangUp(2, 16)]
    assert talking.winner == 1


def test_a_channel_that_appears_after_its_creation_was_taken_for_failed_is_hung_up() -> None:
    ending, commands = after(ONE, Failed(1, 3), Entered(1))
    assert commands == [HangUp(1, 16)]
    assert not step(ending, CallerGone(0), NOW)[0].over
    assert last(ONE, Failed(1, 3), CallerGone(0), Entered(1)) == [HangUp(1, 16)]


def test_a_caller_who_hangs_up_while_a_channel_is_made_leaves_none_behind() -> None:
    assert last(ONE, CallerDying(0)) == [HangUp(1, 16)]
    assert last(ONE, CallerDying(0), Entered(1)) == [HangUp(1, 16)]


def test_an_event_of_a_target_that_was_never_asked_for_changes_nothing() -> None:
    dialing, _ = after(ONE, *CALLED)
    for event in (Answered(2), Gone(0, 16), Entered(7)):
        assert step(dialing, event, NOW) == (dialing, ())


# Commands and their answers


@pytest.mark.parametrize(
    ("command", "done", "refused"),
    [
        (MakeBridge(), None, BridgeFailed()),
        (Create(2, "PJSIP/1"), None, Failed(2, 3)),
        (Join(2), Joined(2), BridgeFailed()),
        (Dial(2), None, Refused(2, 3)),
        (Answer(), None, BridgeFailed()),
        (Ring(), None, None),
        (HangUp(1, 16), None, None),
        (SetStatus(DialStatus.ANSWER), None, None),
    ],
)
def test_a_command_is_answered_by_the_event_that_it_becomes(
    command: Command, done: Event | None, refused: Event | None
) -> None:
    assert outcome(command, done=True) == done
    assert outcome(command, done=False) == refused


# After Asterisk could not be heard


def test_what_was_missed_is_told_by_what_is_there() -> None:
    dialing, _ = after(TWO, Entered(1))
    assert missed(dialing, caller_here=True, callees={1: False, 2: False}) == (Entered(2),)
    assert missed(dialing, caller_here=True, callees={2: True}) == (Gone(1, 16), Entered(2), Answered(2))
    assert missed(dialing, caller_here=False, callees={}) == (CallerGone(0), Gone(1, 16), Gone(2, 16))


@pytest.mark.parametrize(
    ("request_", "answered", "callees", "commands"),
    [
        (ONE, True, {1: True}, []),
        (ONE, True, {}, [HangUpCaller(16)]),
        (DialRequest(ONE.targets, go_on=True), True, {}, [Continue(DialStatus.ANSWER, 16)]),
        (ONE, False, {1: True}, [SetStatus(DialStatus.ANSWER), Connected(1)]),
        (ONE, False, {1: False}, []),
        (TWO, False, {}, [Continue(DialStatus.NOANSWER, 16)]),
        (TWO, True, {2: True}, []),
    ],
)
def test_a_call_of_an_earlier_process_is_taken_up_where_it_stands(
    request_: DialRequest, *, answered: bool, callees: dict[int, bool], commands: list[Command]
) -> None:
    dialing = resume(request_, answered=answered, callees=callees, now=NOW)
    all_commands: list[Command] = []
    for event in missed(dialing, caller_here=True, callees=callees):
        dialing, more = step(dialing, event, NOW)
        all_commands += more
    assert all_commands == commands
