"""What systemd is told of the service: ready, its state in a sentence, a sign of life, reloading, stopping.

The protocol of sd_notify(3): a datagram a message, a line a variable, to the socket that NOTIFY_SOCKET names.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import NoReturn

import structlog

# Seconds between two looks at the state; a sign of life goes out as often.
INTERVAL = 1.0

log = structlog.get_logger(__name__)


class ServiceManager:
    """Whoever started this process and wants to be told; without NOTIFY_SOCKET nobody, and nothing is sent.

    Signs of life are sent only if they are asked of this very process (WATCHDOG_USEC, WATCHDOG_PID; sd_watchdog_enabled(3)),
    one each `interval` seconds, which is twice at least in the time that systemd waits.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._watchdog = _watchdog(environment)
        self.interval = min(INTERVAL, self._watchdog / 2) if self._watchdog else INTERVAL
        self._ready = False
        self._told_ready = False
        self._deaf = False

    def ready(self) -> None:
        """Report, once, that the service can do its work."""
        self._ready = True
        if not self._told_ready:
            self._told_ready = self._send("READY=1")

    def reloading(self) -> None:
        """Report that the configuration is being read again; `reloaded` must follow."""
        # The time tells this reload from another one (systemd.service(5), Type=notify-reload).
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def reloaded(self) -> None:
        """Report that the configuration has been read, and that the service is as ready as it was."""
        if self._ready:
            self._told_ready = self._send("READY=1")

    def stopping(self) -> None:
        """Report that the service ends."""
        self._send("STOPPING=1")

    async def run(self, state: Callable[[], str]) -> NoReturn:
        """Report the state whenever it has changed, and that the event loop lives: while that stands still nothing is sent."""
        reported = ""
        while True:
            if self._ready:
                self.ready()
            now = " ".join(state().split())
            changed = (f"STATUS={now}",) if now != reported else ()
            if self._send(*changed, *(("WATCHDOG=1",) if self._watchdog else ())):
                reported = now
            await asyncio.sleep(self.interval)

    def _send(self, *lines: str) -> bool:
        """Send a message if there is anything in it; return False if it could not be sent, which is logged once."""
        if not self._address or not lines:
            return True
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unbound:
                unbound.settimeout(0)
                unbound.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:  # systemd is starting anew, or has not read yet
            if not self._deaf:
                log.warning("systemd.not_told", socket=self._address, error=error.strerror)
            self._deaf = True
            return False
        self._deaf = False
        return True


def _address(name: str) -> str:
    """Return the address of a socket by its path, or by its abstract name after an @; empty if it is neither."""
    if name.startswith("@"):
        return "\0" + name[1:]
    if name and not name.startswith("/"):
        log.warning(
            "systemd.not_told", error=f"NOTIFY_SOCKET is {name!r}: neither a path nor an abstract name"
        )
        return ""
    return name


def _watchdog(environment: Mapping[str, str]) -> float | None:
    """Return within how many seconds the next sign of life must come; None if none is wanted of this process."""
    of, microseconds = environment.get("WATCHDOG_PID"), environment.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or int(microseconds) == 0 or of not in (None, str(os.getpid())):
        return None
    return int(microseconds) / 1_000_000
