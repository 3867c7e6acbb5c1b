"""What became of a call while nobody looked."""

import pytest

from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import events as ev
from stasis_offload.signalling.causes import DialStatus
from stasis_offload.signalling.dial_args import DialRequest
from stasis_offload.signalling.dial_options import DialOptions
from stasis_offload.signalling.machine import step
from stasis_offload.signalling.resuming import missed, resume
from tests.support.dialings import NOW, ONE, TWO, after


def test_what_was_missed_is_told_by_what_is_there() -> None:
    dialing, _ = after(TWO, ev.CalleeEnteredStasis(1))

    def told(
        *, left: bool = False, callees: dict[int, bool], absent: tuple[int, ...] = ()
    ) -> tuple[ev.Event, ...]:
        return missed(dialing, caller_left=left, callees=callees, absent=absent)

    assert told(callees={1: False, 2: False}) == (ev.CalleeEnteredStasis(2),)
    assert told(callees={2: True}) == (ev.CalleeEnteredStasis(2), ev.CalleeAnswered(2))
    assert told(callees={2: True}, absent=(1,)) == (
        ev.CalleeDestroyed(1, 16),
        ev.CalleeEnteredStasis(2),
        ev.CalleeAnswered(2),
    )
    assert told(left=True, callees={}, absent=(1, 2)) == (
        ev.CallerLeft(0),
        ev.CalleeDestroyed(1, 16),
        ev.CalleeDestroyed(2, 16),
    )


def test_with_z_a_call_that_was_forwarded_may_still_ring_without_limit() -> None:
    waits = DialRequest(ONE.targets, timeout=30.0, options=DialOptions(forwards_wait=True))
    assert resume(waits, answered=False, callees={2: False}, now=NOW).deadline is None
    assert resume(waits, answered=False, callees={1: False}, now=NOW).deadline == NOW + 30.0


@pytest.mark.parametrize(
    ("request_", "answered", "callees", "commands"),
    [
        (ONE, True, {1: True}, []),
        (ONE, True, {}, [cmd.EndMedia(), cmd.HangUpCaller(16)]),
        (
            DialRequest(ONE.targets, options=DialOptions(go_on=True)),
            True,
            {},
            [cmd.EndMedia(), cmd.ContinueInDialplan(DialStatus.ANSWER, 16)],
        ),
        (ONE, False, {1: True}, [cmd.SetStatus(DialStatus.ANSWER), cmd.StartMedia(1)]),
        (ONE, False, {1: False}, []),
        (TWO, False, {}, [cmd.EndMedia(), cmd.ContinueInDialplan(DialStatus.NOANSWER, 16)]),
        (TWO, True, {2: True}, []),
    ],
)
def test_a_call_of_an_earlier_process_is_taken_up_where_it_stands(
    request_: DialRequest, *, answered: bool, callees: dict[int, bool], commands: list[cmd.Command]
) -> None:
    dialing = resume(request_, answered=answered, callees=callees, now=NOW)
    all_commands: list[cmd.Command] = []
    absent = {1, 2} - set(callees)
    for event in missed(dialing, caller_left=False, callees=callees, absent=absent):
        dialing, more = step(dialing, event, NOW)
        all_commands += more
    assert all_commands == commands
