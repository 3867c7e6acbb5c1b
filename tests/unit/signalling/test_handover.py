"""A call that Asterisk takes into a bridge of its own, for an attended transfer by digits: it ends for us, and for nobody else."""

import pytest

from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import events as ev
from stasis_offload.signalling.causes import Cause
from stasis_offload.signalling.dial_args import DialRequest, parse_dial
from stasis_offload.signalling.state import Phase
from tests.support.dialings import ONE, TALKING, after

BEGUN, FAILED = ev.HandOver(begun=True), ev.HandOver(begun=False)
GOES_ON = parse_dial(["PJSIP/555@peer", "", "gF(room^1^1)"])
ENDED = [cmd.EndMedia(), cmd.DestroyBridge()]


@pytest.mark.parametrize("request_", [ONE, GOES_ON], ids=["", "g and F"])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (ev.CallerLeft(0), ev.CalleeLeftStasis(1)),
        (ev.CalleeLeftStasis(1), ev.CallerLeft(0)),
        (ev.CallerLeft(0), ev.CalleeDestroyed(1, 16)),
        (ev.CalleeLeftStasis(1), ev.CallerLeft(16)),
    ],
    ids=["caller first", "callee first", "callee hangs up", "caller hangs up"],
)
def test_nobody_is_hung_up_and_nobody_sent_on(
    request_: DialRequest, first: ev.Event, second: ev.Event
) -> None:
    one, commands = after(request_, *TALKING, BEGUN, first)
    assert (one.phase, commands) == (Phase.ENDING, [])
    over, commands = after(request_, *TALKING, BEGUN, first, second)
    assert (over.phase, commands) == (Phase.OVER, ENDED)


def test_a_call_that_is_not_handed_over_after_all_is_ended_as_ever() -> None:
    talking, commands = after(ONE, *TALKING, BEGUN, FAILED)
    assert (talking.phase, commands) == (Phase.TALKING, [])
    _, commands = after(ONE, *TALKING, BEGUN, FAILED, ev.CallerLeft(0))
    assert commands == [cmd.EndMedia(), cmd.Release(1, Cause.NORMAL_CLEARING)]


def test_a_party_that_hangs_up_before_it_is_moved_ends_the_call() -> None:
    _, commands = after(ONE, *TALKING, BEGUN, ev.CalleeDestroyed(1, 16))
    assert commands == [cmd.EndMedia(), cmd.HangUpCaller(Cause.NORMAL_CLEARING)]
