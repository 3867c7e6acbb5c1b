"""What parties ask for by digits that ends the call: its end, and the parking of the other one."""

import pytest

from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import events as ev
from stasis_offload.signalling import option_commands as opt
from stasis_offload.signalling.call_ids import CALLER
from stasis_offload.signalling.causes import Cause, DialStatus
from stasis_offload.signalling.dial_args import DialRequest
from stasis_offload.signalling.dial_options import DialOptions
from stasis_offload.signalling.machine import step
from stasis_offload.signalling.state import Phase
from tests.support.dialings import CALLED, NOW, ONE, TALKING, after

GOES_ON = DialRequest(("PJSIP/555@peer",), options=DialOptions(go_on=True))
CLEARED = Cause.NORMAL_CLEARING


@pytest.mark.parametrize(
    ("request_", "end"),
    [(ONE, cmd.HangUpCaller(CLEARED)), (GOES_ON, cmd.ContinueInDialplan(DialStatus.ANSWER, CLEARED, ""))],
    ids=["", "g"],
)
def test_a_party_that_asks_for_the_end_ends_the_call_as_the_callee_does(
    request_: DialRequest, end: cmd.Command
) -> None:
    dialing, commands = after(request_, *TALKING, ev.DisconnectAsked())
    assert dialing.phase is Phase.ENDING
    assert commands == [cmd.EndMedia(), cmd.HangUp(1, CLEARED), end]


def test_a_caller_that_asks_for_the_end_while_it_rings_continues_in_the_dialplan() -> None:
    dialing, commands = after(ONE, *CALLED, ev.DisconnectAsked())
    assert dialing.phase is Phase.ENDING
    assert commands[-1] == cmd.ContinueInDialplan(DialStatus.CANCEL, 0, "")


def test_a_callee_that_parks_the_caller_stays_until_asterisk_takes_it_out_of_the_bridge() -> None:
    waiting, commands = after(ONE, *TALKING, ev.ParkAsked(1), ev.CallerLeft(0))
    assert (waiting.phase, commands) == (Phase.TALKING, [])
    ended, commands_of_end = step(waiting, ev.LeftBridge(1), NOW)
    assert ended.phase is Phase.ENDING
    assert commands_of_end == (cmd.EndMedia(), cmd.Release(1, CLEARED))


def test_a_caller_that_parks_the_callee_stays_until_asterisk_takes_it_out_of_the_bridge() -> None:
    waiting, commands = after(GOES_ON, *TALKING, ev.ParkAsked(CALLER), ev.CalleeLeftStasis(1))
    assert (waiting.phase, commands) == (Phase.TALKING, [])
    ended, commands_of_end = step(waiting, ev.LeftBridge(CALLER), NOW)
    assert ended.phase is Phase.ENDING
    assert commands_of_end == (cmd.EndMedia(), cmd.ContinueInDialplan(DialStatus.ANSWER, CLEARED, ""))


def test_where_option_f_says_a_callee_goes_on_that_ended_the_call_or_parked_the_caller() -> None:
    goes_to = DialRequest(("PJSIP/555@peer",), options=DialOptions(callee_goes_to=("after", "s", "1")))
    send = opt.SendCallee(1, ("after", "s", "1"))
    asked, commands = after(goes_to, *TALKING, ev.DisconnectAsked())
    assert asked.phase is Phase.ENDING
    assert commands == [cmd.EndMedia(), send, cmd.HangUpCaller(CLEARED)]
    _, commands = after(goes_to, *TALKING, ev.ParkAsked(1), ev.CallerLeft(0), ev.LeftBridge(1))
    assert commands == [cmd.EndMedia(), send]


def test_a_caller_that_hangs_up_after_a_parking_that_failed_is_not_parked() -> None:
    dialing, commands = after(ONE, *TALKING, ev.ParkAsked(1), ev.CallerHangingUp(CLEARED), ev.CallerLeft(0))
    assert dialing.phase is Phase.ENDING
    assert commands == [cmd.EndMedia(), cmd.HangUp(1, CLEARED)]


@pytest.mark.parametrize(
    ("asked", "left"),
    [(ev.ParkAsked(1), ev.CallerLeft(0)), (ev.ParkAsked(CALLER), ev.CalleeLeftStasis(1))],
    ids=["callee", "caller"],
)
def test_who_leaves_long_after_a_parking_that_failed_is_not_parked(asked: ev.Event, left: ev.Event) -> None:
    dialing, _ = after(ONE, *TALKING, asked)
    assert step(dialing, left, NOW + 10)[0].phase is Phase.ENDING
    assert step(dialing, left, NOW + 1)[0].phase is Phase.TALKING


@pytest.mark.parametrize(
    "events",
    [(ev.ParkAsked(1), ev.CallerLeft(0)), (ev.ParkAsked(CALLER), ev.CalleeLeftStasis(1))],
    ids=["callee", "caller"],
)
def test_a_parker_that_asterisk_keeps_is_hung_up_after_a_while(events: tuple[ev.Event, ...]) -> None:
    waiting, _ = after(ONE, *TALKING, *events)
    assert waiting.deadline
    ended, commands = step(waiting, ev.DialTimedOut(), waiting.deadline)
    assert ended.phase is Phase.ENDING
    assert commands[0] == cmd.EndMedia()


def test_whoever_leaves_the_bridge_without_having_parked_the_other_is_not_hung_up() -> None:
    for events in ((), (ev.ParkAsked(1),), (ev.ParkAsked(CALLER),)):
        talking, commands = after(ONE, *TALKING, *events, ev.LeftBridge(1))
        assert (talking.phase, commands) == (Phase.TALKING, [])
