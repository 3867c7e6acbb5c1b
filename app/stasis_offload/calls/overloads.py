"""Counts the calls that OffloadDial() has left to Dial() because the application did not keep up: Asterisk knows them alone."""

import asyncio
from contextlib import suppress
from typing import NoReturn

import structlog

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.errors import AriError

# The global variable in which app_offload_dial counts, from its load on (asterisk-module/README.md).
_COUNTER = "OFFLOAD_OVERLOADS"
# Seconds between two looks.
_LOOKED_EVERY = 5.0


class Overloads:
    """`count` is how many there were since Asterisk loaded its module, a few seconds ago; 0 until that is `known`."""

    def __init__(self, *, ari: AriClient, every: float = _LOOKED_EVERY) -> None:
        self.count = 0
        self.known = False
        self._every = every
        self._ari = ari
        self._log = structlog.get_logger(__name__)

    async def run(self) -> NoReturn:
        """Look every few seconds, and log what has come; what was there at the first look is not new."""
        while True:
            with suppress(AriError):  # while the connection is lost the last count stands
                await self._look()
            await asyncio.sleep(self._every)

    async def _look(self) -> None:
        text = await self._ari.get_global(_COUNTER)
        count = int(text) if text.isdecimal() else 0
        new = count - self.count if count >= self.count else count  # it begins anew with Asterisk
        self.count = count
        if new and self.known:
            self._log.warning("calls.overload", left_to_dial=new)
        self.known = True
