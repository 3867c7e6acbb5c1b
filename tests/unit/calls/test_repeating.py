"""Commands that Asterisk gives no answer to."""

import asyncio

import pytest
import structlog
from structlog.testing import capture_logs

from stasis_offload.calls import repeating
from stasis_offload.calls.repeating import carried_out
from stasis_offload.errors import AriError, AriUnavailableError
from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import option_commands as opt
from stasis_offload.signalling.causes import Cause

log = structlog.get_logger()


class Asterisk:
    """It answers the command of a name only after so many attempts."""

    def __init__(self, *, fails: int, error: AriError | None = None) -> None:
        self.fails = fails
        self.error = error or AriUnavailableError("no answer")
        self.attempts = 0

    async def carry_out(self, command: cmd.Command) -> None:
        del command
        self.attempts += 1
        if self.attempts <= self.fails:
            raise self.error


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "RETRY_INTERVAL", 0.001)
    monkeypatch.setattr(repeating, "LOG_INTERVAL", 0.05)


async def test_what_is_repeated_for_long_says_so_now_and_then() -> None:
    asterisk = Asterisk(fails=150)
    with capture_logs() as logged:
        async with asyncio.TaskGroup() as tasks:
            assert await carried_out(
                cmd.HangUpCaller(Cause.NORMAL_CLEARING), asterisk.carry_out, tasks=tasks, log=log
            )
    assert asterisk.attempts == 151
    lines = [line["command"] for line in logged if line["event"] == "ari.unavailable"]
    assert lines[:2] == ["HangUpCaller"] * 2
    assert len(lines) < 20


async def test_a_callee_is_sent_on_by_a_second_attempt() -> None:
    asterisk = Asterisk(fails=1)
    async with asyncio.TaskGroup() as tasks:
        command = opt.SendCallee(1, ("after", "s", "1"))
        assert await carried_out(command, asterisk.carry_out, tasks=tasks, log=log)
    assert asterisk.attempts == 2


async def test_a_channel_that_never_answers_does_not_keep_the_rest_of_its_call() -> None:
    asterisk = Asterisk(fails=3)
    async with asyncio.TaskGroup() as tasks:
        assert await carried_out(
            cmd.HangUp(1, Cause.NORMAL_CLEARING), asterisk.carry_out, tasks=tasks, log=log
        )
        assert asterisk.attempts == 1
    assert asterisk.attempts == 4


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (cmd.Dial(1, inherited=False), AriUnavailableError("no answer")),
        (cmd.HangUpCaller(Cause.NORMAL_CLEARING), AriError("refused")),
    ],
)
async def test_what_may_have_been_done_or_was_refused_is_not_repeated(
    command: cmd.Command, error: AriError
) -> None:
    asterisk = Asterisk(fails=1, error=error)
    async with asyncio.TaskGroup() as tasks:
        assert not await carried_out(command, asterisk.carry_out, tasks=tasks, log=log)
    assert asterisk.attempts == 1
