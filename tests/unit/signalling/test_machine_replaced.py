"""The signalling machine when a replacement takes a leg's place: a transfer, an INVITE with Replaces, a pickup."""

import pytest

from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import events as ev
from stasis_offload.signalling.causes import DialStatus
from stasis_offload.signalling.dial_args import DialRequest
from stasis_offload.signalling.dial_options import DialOptions
from stasis_offload.signalling.machine import step
from stasis_offload.signalling.state import Phase
from tests.support.dialings import CALLED, ONE, TALKING, after

GOES_ON = DialRequest(("PJSIP/555@peer",), options=DialOptions(go_on=True))
NEW_CALLEE = ev.CalleeReplaced(1, "old", joined=True)
PICKED_UP = ev.CalleePickedUp(1, "old")
NEW_CALLER = ev.CallerReplaced("old", joined=True)


@pytest.mark.parametrize("replacement", [NEW_CALLEE, NEW_CALLER])
def test_who_transfers_is_hung_up_and_the_others_talk_on(replacement: ev.Event) -> None:
    dialing, commands = after(ONE, *TALKING, replacement)
    assert dialing.phase is Phase.TALKING
    assert commands == [cmd.ReturnMedia(), cmd.HangUpReplaced("old"), cmd.StartMedia(1)]


@pytest.mark.parametrize(
    "replacement", [ev.CalleeReplaced(1, "old", joined=False), ev.CallerReplaced("old", joined=False)]
)
def test_a_replacement_that_asterisk_did_not_get_into_the_bridge_is_put_there(replacement: ev.Event) -> None:
    assert after(ONE, *TALKING, replacement)[1] == [
        cmd.ReturnMedia(),
        cmd.HangUpReplaced("old"),
        cmd.Join(1, silent=False),
    ]


@pytest.mark.parametrize(
    ("hanging_up", "replacement"), [(ev.CalleeHangingUp(1), NEW_CALLEE), (ev.CallerHangingUp(16), NEW_CALLER)]
)
def test_a_replacement_stands_for_a_leg_that_was_hanging_up_already(
    hanging_up: ev.Event, replacement: ev.Event
) -> None:
    dialing, commands = after(ONE, *TALKING, hanging_up)
    assert (dialing.phase, commands) == (Phase.TALKING, [])
    dialing, commands = after(ONE, *TALKING, hanging_up, replacement)
    assert dialing.phase is Phase.TALKING
    assert commands == [cmd.ReturnMedia(), cmd.HangUpReplaced("old"), cmd.StartMedia(1)]


def test_the_end_of_a_replacement_is_the_end_of_the_call() -> None:
    assert after(ONE, *TALKING, NEW_CALLEE, ev.CalleeDestroyed(1, 17))[1] == [
        cmd.EndMedia(),
        cmd.HangUpCaller(17),
    ]
    assert after(ONE, *TALKING, NEW_CALLER, ev.CallerLeft(16))[1] == [cmd.EndMedia(), cmd.HangUp(1, 16)]


@pytest.mark.parametrize("end", [ev.CalleeDestroyed(1, 16), ev.CalleeLeftStasis(1), ev.BridgeFailed()])
def test_a_replacement_has_no_dialplan_to_go_on_with(end: ev.Event) -> None:
    _, commands = after(GOES_ON, *TALKING, NEW_CALLER, end)
    assert isinstance(commands[-1], cmd.HangUpCaller | cmd.ReleaseCaller)


def test_what_becomes_of_a_transfer_while_it_rings_changes_nothing() -> None:
    for event in (ev.CalleeRejected(1, 17), ev.CalleeAnswered(1)):
        dialing, commands = after(ONE, *TALKING, NEW_CALLEE, event)
        assert (dialing.phase, commands) == (Phase.TALKING, [])


def test_a_callee_replaced_while_it_rings_may_answer() -> None:
    dialing, commands = after(ONE, *CALLED, NEW_CALLEE)
    assert (dialing.phase, commands) == (Phase.DIALING, [cmd.ReturnMedia(), cmd.HangUpReplaced("old")])
    assert step(dialing, ev.CalleeAnswered(1), 100.0)[0].phase is Phase.TALKING


@pytest.mark.parametrize("hanging_up", [(), (ev.CalleeHangingUp(1),)])
def test_whoever_picks_up_a_single_target_has_the_call_at_once(hanging_up: tuple[ev.Event, ...]) -> None:
    ringing = (*CALLED, ev.CalleeRinging(1), *hanging_up)
    dialing, commands = after(ONE, *ringing, PICKED_UP)
    assert (dialing.phase, dialing.winner, dialing.deadline) == (Phase.TALKING, 1, None)
    assert commands == [
        cmd.ReturnMedia(),
        cmd.HangUpReplaced("old", cause=26),
        cmd.TellCaller(1),
        cmd.StopRing(),
        cmd.Answer(bridged=True),
        cmd.SetStatus(DialStatus.ANSWER),
        cmd.StartMedia(1),
    ]


def test_whoever_picks_up_in_a_fork_has_the_others_cancelled() -> None:
    fork = DialRequest(("PJSIP/555@peer", "PJSIP/556@peer"))
    called = (ev.CalleeEnteredStasis(1), ev.CalleeEnteredStasis(2))
    assert after(fork, *called, PICKED_UP)[1] == [
        cmd.HangUp(2, 26),
        cmd.ReturnMedia(),
        cmd.HangUpReplaced("old", cause=26),
        cmd.TellCaller(1),
        cmd.Answer(),
        cmd.Join(1),
    ]


def test_the_answer_of_whoever_picked_up_changes_nothing_more() -> None:
    assert after(ONE, *CALLED, PICKED_UP, ev.CalleeAnswered(1))[1] == []


def test_a_callee_that_is_replaced_before_we_know_of_its_answer_talks_on() -> None:
    dialing, commands = after(ONE, *TALKING, PICKED_UP)
    assert (dialing.phase, commands[-1]) == (Phase.TALKING, cmd.Join(1, silent=False))


def test_a_caller_may_be_replaced_while_it_rings() -> None:
    dialing, commands = after(ONE, *CALLED, NEW_CALLER)
    assert (dialing.phase, dialing.caller_replaced) == (Phase.DIALING, True)
    assert commands == [cmd.ReturnMedia(), cmd.HangUpReplaced("old")]
    assert after(GOES_ON, *CALLED, NEW_CALLER, ev.CalleeDestroyed(1, 17))[1][-1] == cmd.HangUpCaller(17)


def test_a_replacement_to_a_call_that_is_ending_must_go_as_well() -> None:
    ending = (*TALKING, ev.CallerLeft(16))
    for replacement in (NEW_CALLEE, PICKED_UP):
        assert after(ONE, *ending, replacement)[1] == [cmd.EndMedia(), cmd.HangUp(1, 16)]
    dialing, commands = after(ONE, *ending, NEW_CALLER)
    assert (dialing.caller_here, commands) == (True, [cmd.EndMedia(), cmd.HangUpCaller(16)])
