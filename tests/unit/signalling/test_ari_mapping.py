"""What Asterisk's answer to a command means to the signalling machine."""

import pytest

from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import events as ev
from stasis_offload.signalling import option_commands as opt
from stasis_offload.signalling.ari_mapping import event_from_result
from stasis_offload.signalling.causes import DialStatus


@pytest.mark.parametrize(
    ("command", "done", "refused"),
    [
        (cmd.CreateBridge(), None, ev.BridgeRefused()),
        (cmd.Create(2, "PJSIP/1"), None, ev.CreateFailed(2, 3)),
        (cmd.Join(2), ev.CalleeBridged(2), ev.BridgeFailed()),
        (cmd.Dial(2), None, ev.CalleeRejected(2, 3)),
        (cmd.Answer(), None, ev.BridgeFailed()),
        (cmd.Ring(), None, None),
        (opt.SendCallee(1, ("a", "s", "1")), None, ev.CalleeNotSent(1)),
        (cmd.HangUp(1, 16), None, None),
        (cmd.SetStatus(DialStatus.ANSWER), None, None),
    ],
)
def test_a_command_is_answered_by_the_event_that_it_becomes(
    command: cmd.Command, done: ev.Event | None, refused: ev.Event | None
) -> None:
    assert event_from_result(command, done=True) == done
    assert event_from_result(command, done=False) == refused
