"""Runs an Asterisk CLI command over asterisk.ctl, one per connection: the whole output or an error."""

import asyncio
import errno
import re
import socket
from collections.abc import Mapping
from pathlib import Path

from stasis_offload.errors import ModuleError

# main/asterisk.c, netconsole(): a single read of this size must hold the prefix, the command and the final NUL.
_MAX_COMMAND = 512
_PREFIX = b"cli quit after "
# More than the output for a thousand legs; anything longer is not from our module.
_MAX_ANSWER = 16 * 1024 * 1024  # bytes: the rows of 8,000 calls
# Seconds between two attempts to connect while the backlog is full: Asterisk accepts at once unless it is stopped.
_FIRST_RETRY, _LAST_RETRY = 0.001, 0.05
# main/term.c colours what built-in commands print.
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

# Why a connection fails, in the operator's terms.
_CAUSES: Mapping[int | None, str] = {
    errno.ENOENT: "no such socket; Asterisk is not running, or its astctl is elsewhere (asterisk.conf)",
    errno.EACCES: "no permission; `stasis-offload check` says what to type",
    errno.ECONNREFUSED: "no process listens; Asterisk is not running",
    errno.EAGAIN: "too many connections wait for Asterisk to accept them",
}

# What main/cli.c prints instead of running a command, and its meaning.
_REFUSALS = {
    "You don't have permissions to run": "cli_permissions.conf does not let our user run it",
    "Command '": "Asterisk could not run it or is shutting down",
}


class UnknownCommandError(ModuleError):
    """Asterisk has no such command, or not yet."""


async def ask(path: Path, command: str, *, connect_within: float) -> str:
    r"""Run one CLI command and return its output, without colours.

    Asterisk must accept the connection within so many seconds; the output is waited for as long as it takes. The protocol
    (main/asterisk.c, netconsole()): Asterisk greets with `HOST/PID/VERSION\n`, we send `cli quit after COMMAND\0`, it prints
    the output and closes.

    Raises:
        ModuleError: naming the socket and the cause.

    """
    line = _PREFIX + command.encode(errors="replace") + b"\0"
    if len(line) > _MAX_COMMAND or "\0" in command:
        raise ModuleError(f"{path}: not a command Asterisk can read: {command[:40]!r}")
    try:
        received = await _exchange(path, line, connect_within)
    except OSError as error:
        raise ModuleError(f"{path}: {_CAUSES.get(error.errno, error.strerror) or error}") from error
    if len(received) > _MAX_ANSWER:
        raise ModuleError(f"{path}: the answer to {command!r} is longer than {_MAX_ANSWER} bytes")
    greeting, newline, answer = received.decode(errors="replace").partition("\n")
    if not newline or greeting.count("/") < 2:  # noqa: PLR2004 - HOST/PID/VERSION
        raise ModuleError(f"{path}: not Asterisk's CLI; it greets with {greeting[:60]!r}")
    plain = _COLOUR.sub("", answer)
    if plain.startswith("No such command"):
        raise UnknownCommandError(f"{path}: Asterisk has no command {command!r}")
    for start, cause in _REFUSALS.items():
        if plain.startswith(start):
            raise ModuleError(f"{path}: {command!r} was refused: {cause}")
    return plain


async def _exchange(path: Path, line: bytes, connect_within: float) -> bytes:
    """Send the command and read until Asterisk closes."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)  # noqa: FBT003 - positional only
        await _connect(connection, path, loop.time() + connect_within)
        await loop.sock_sendall(connection, line)
        received = bytearray()
        while len(received) <= _MAX_ANSWER and (more := await loop.sock_recv(connection, 65536)):
            received += more
        return bytes(received)


async def _connect(connection: socket.socket, path: Path, until: float) -> None:
    """Connect, as soon as Asterisk's backlog has room: it is of 2 connections (main/asterisk.c, ast_makesocket()).

    asyncio's connect treats EAGAIN as "in progress", but a local socket returns it when the backlog is full.
    """
    loop = asyncio.get_running_loop()
    wait = _FIRST_RETRY
    while True:
        try:
            connection.connect(str(path))
        except BlockingIOError:
            if loop.time() + wait > until:
                raise
        else:
            return
        await asyncio.sleep(wait)
        wait = min(2 * wait, _LAST_RETRY)
