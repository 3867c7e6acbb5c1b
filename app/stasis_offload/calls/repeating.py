"""Carries out commands, and repeats those that are safe to repeat while Asterisk gives no answer."""

import asyncio
from collections.abc import Awaitable, Callable

from structlog.typing import FilteringBoundLogger

from stasis_offload.errors import AriError, AriUnavailableError
from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import option_commands as opt

# Seconds between two attempts, and between two lines of the log about the same command.
RETRY_INTERVAL = 1.0
LOG_INTERVAL = 60.0

# Safe to repeat, and repeated until Asterisk has carried it out: otherwise a party would stay in an empty bridge, or an
# answered call would end. A Create or a Dial without an answer may have been carried out, and fails instead.
_REPEATED = (
    cmd.SetStatus,
    cmd.SetDuration,
    cmd.CreateBridge,
    cmd.Join,
    opt.SetTimeLimit,
    opt.StopMusic,
    cmd.Answer,
    cmd.StartMedia,
    cmd.HangUp,
    cmd.HangUpCaller,
    cmd.Release,
    cmd.ReleaseCaller,
    cmd.HangUpReplaced,
    cmd.ContinueInDialplan,
    opt.SendCallee,
    cmd.DestroyBridge,
)

# Of these nothing that follows needs the effect. A channel that never answers, as one that Asterisk has locked for good,
# must not keep the rest of its call from its end: they are repeated beside what follows.
_REPEATED_BESIDE = (cmd.HangUp, cmd.Release, cmd.HangUpReplaced)

CarryOut = Callable[[cmd.Command], Awaitable[None]]


async def carried_out(
    command: cmd.Command, carry_out: CarryOut, *, tasks: asyncio.TaskGroup, log: FilteringBoundLogger
) -> bool:
    """Carry out a command, in as many attempts as it takes; return False when Asterisk refused it.

    Also when it gave no answer to a command that must not be repeated. Some are repeated in `tasks`, and count as done.
    """
    try:
        await carry_out(command)
    except AriUnavailableError as error:
        log.warning("ari.unavailable", command=type(command).__name__, error=str(error))
        if not isinstance(command, _REPEATED):
            return False
        repeating = _repeat(command, carry_out, log)
        if isinstance(command, _REPEATED_BESIDE):
            tasks.create_task(_aside(repeating))
            return True
        return await repeating
    except AriError as error:
        log.warning("ari.refused", command=type(command).__name__, error=str(error))
        return False
    return True


async def _aside(repeating: Awaitable[bool]) -> None:
    await repeating


async def _repeat(command: cmd.Command, carry_out: CarryOut, log: FilteringBoundLogger) -> bool:
    loop = asyncio.get_running_loop()
    began = logged = loop.time()
    while True:
        await asyncio.sleep(RETRY_INTERVAL)
        try:
            await carry_out(command)
        except AriUnavailableError as error:
            if loop.time() - logged >= LOG_INTERVAL:
                logged = loop.time()
                since = round(logged - began)
                log.warning("ari.unavailable", command=type(command).__name__, error=str(error), since=since)
        except AriError as error:
            log.warning("ari.refused", command=type(command).__name__, error=str(error))
            return False
        else:
            return True
