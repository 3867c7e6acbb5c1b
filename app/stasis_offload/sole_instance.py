"""The lock that the running application has, so that a second one for the same Asterisk does not take its calls.

A name in the kernel's abstract namespace of UNIX sockets (unix(7)): it needs no directory, and ends with the process. Its
reach is the network namespace; of instances on two hosts the later still takes the calls.
"""

import asyncio
import errno
import os
import pwd
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from stasis_offload.config import Config
from stasis_offload.errors import OffloadError
from stasis_offload.identity import application_number

log = structlog.get_logger(__name__)

# Seconds between two attempts while another one still has the lock.
_EVERY = 0.5
_BACKLOG = 16
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


class AlreadyRunningError(OffloadError):
    """Another process is the same application."""


@dataclass(frozen=True, slots=True)
class _Holder:
    pid: int
    uid: int

    def __str__(self) -> str:
        try:
            name = pwd.getpwuid(self.uid).pw_name
        except KeyError:
            name = str(self.uid)
        return f"process {self.pid} of user {name}"


@asynccontextmanager
async def sole_instance(config: Config, *, take_over: bool = False) -> AsyncIterator[None]:
    """Have the lock of this application until the block ends; with `take_over` as soon as whoever has it ends.

    Any user may have taken the name: only ours and root are believed to be the application.

    Raises:
        AlreadyRunningError: another process has it, which is named.

    """
    address = f"\0stasis-offload/{application_number(config):x}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as lock:
        waiting = None
        if not _bind(lock, address):
            holder = _holder(address)
            if take_over:
                log.warning("run.takes_over", holder=str(holder or "unknown"))
                waiting = asyncio.create_task(_bind_when_free(lock, address))
            elif holder is None or holder.uid in (0, os.geteuid()) or os.geteuid() == 0:
                raise AlreadyRunningError(
                    f"it runs already, for Stasis({config.app}) of the same Asterisk: {holder or 'another process'}; stop that one,"
                    " or let this one take its calls (`run --take-over`, with another [http])"
                )
            else:
                log.warning("run.lock_taken", holder=str(holder))
        try:
            yield
        finally:
            if waiting is not None:
                waiting.cancel()
                await asyncio.wait([waiting])


def _bind(lock: socket.socket, address: str) -> bool:
    try:
        lock.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    lock.listen(_BACKLOG)
    return True


async def _bind_when_free(lock: socket.socket, address: str) -> None:
    while True:
        if _bind(lock, address):
            log.info("run.took_over")
            return
        await asyncio.sleep(_EVERY)  # nothing tells when a name becomes free


def _holder(address: str) -> _Holder | None:
    """Return who listens; None if it has just ended, or too many have asked."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)  # noqa: FBT003 - positional only
        try:
            asking.connect(address)
        except OSError:
            return None
        packed = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(packed)
    return _Holder(pid, uid)
