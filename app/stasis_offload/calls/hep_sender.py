"""Sends captures to a Homer collector by UDP. No call waits for it: what cannot be sent at once is lost."""

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

import structlog

from stasis_offload.packets.hep import Agent, Capture, encode

# Seconds until the collector's name is looked up again after that has failed.
_LOOKED_UP_AGAIN_AFTER = 30.0


@dataclass(frozen=True, slots=True)
class Collector:
    """Where captures go, who sends them, and whether the legs' RTCP is among them."""

    host: str
    port: int
    agent: Agent
    rtcp: bool = False


class HepSender:
    """Sends to the collector that was given last; to nobody while there is none, or its name is not known.

    `sent` counts the captures that were sent, `lost` those that were not; whether one arrives nobody tells.
    """

    def __init__(self, collector: Collector | None = None) -> None:
        self.sent = 0
        self.lost = 0
        self._collector = collector
        self._changed = asyncio.Event()
        self._socket: socket.socket | None = None
        self._refused = False
        self._log = structlog.get_logger(__name__)

    def use(self, collector: Collector | None) -> None:
        """Send to another collector from now on, or to none."""
        if collector != self._collector:
            self._collector = collector
            self._changed.set()

    @property
    def wants_reports(self) -> bool:
        """Whether there is a collector."""
        return self._collector is not None

    @property
    def wants_rtcp(self) -> bool:
        """Whether a collector is to have the legs' RTCP, too."""
        return self._collector is not None and self._collector.rtcp

    def send(self, capture: Capture) -> None:
        """Send a capture, or lose it."""
        if self._collector is None:
            return
        if self._socket is None:
            self.lost += 1
            return
        try:
            self._socket.send(encode(capture, self._collector.agent))
        except OSError as error:  # also of an earlier one: that nobody listens (ICMP), or no way leads there
            self.lost += 1
            if not self._refused and not isinstance(error, BlockingIOError):
                self._log.warning("hep.refused", host=self._collector.host, error=str(error))
                self._refused = True
            return
        self.sent += 1

    async def run(self) -> NoReturn:
        """Have a socket for the present collector."""
        try:
            while True:
                self._changed.clear()
                await self._open()
                again = _LOOKED_UP_AGAIN_AFTER if self._collector and self._socket is None else None
                with suppress(TimeoutError):
                    async with asyncio.timeout(again):
                        await self._changed.wait()
        finally:
            self._close()

    async def _open(self) -> None:
        self._close()
        collector = self._collector
        if collector is None:
            return
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                collector.host, collector.port, type=socket.SOCK_DGRAM
            )
            family, kind, protocol, _, address = found[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.setblocking(False)  # noqa: FBT003 - positional only
            self._socket.connect(address)
        except (OSError, UnicodeError) as error:  # the latter of a name that can be none (`is_host`)
            self._close()
            if not self._refused:
                self._log.warning("hep.not_found", host=collector.host, error=str(error))
            self._refused = True
        else:
            self._refused = False
            self._log.info("hep.up", host=collector.host, address=address[0], port=collector.port)

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
