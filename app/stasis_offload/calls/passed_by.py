"""Reads how many calls OffloadDial() has left to Dial(): Asterisk alone knows of them."""

import asyncio
import re
from contextlib import suppress
from typing import NoReturn

import structlog

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.calls.statistics import Statistics
from stasis_offload.errors import AriError
from stasis_offload.media.reasons import ReasonKind

# The global variable in which app_offload_dial counts, from its load on (asterisk-module/README.md).
_COUNTERS = "OFFLOAD_PASSED_BY"
_COUNTER = re.compile(r"([a-z-]+)=([0-9]+)")
# Seconds between two looks.
_LOOKED_EVERY = 5.0


class PassedBy:
    """Keeps `statistics.passed_by` as Asterisk has counted, a few seconds ago."""

    def __init__(self, *, ari: AriClient, statistics: Statistics, every: float = _LOOKED_EVERY) -> None:
        self._every = every
        self._ari = ari
        self._counts = statistics.passed_by
        self._log = structlog.get_logger(__name__)

    async def run(self) -> NoReturn:
        """Look every few seconds, and log what has come; what was there at the first look is not new."""
        while True:
            with suppress(AriError):  # while the connection is lost the last counts stand
                self._note(await self._ari.get_global(_COUNTERS))
            await asyncio.sleep(self._every)

    def _note(self, text: str) -> None:
        for reason, digits in _COUNTER.findall(text):
            count = int(digits)
            before = self._counts.get(reason, count)
            new = count - before if count >= before else count  # it begins anew with Asterisk
            if new:
                log = self._log.warning if reason == ReasonKind.OVERLOAD else self._log.info
                log("calls.passed_by", reason=reason, left_to_dial=new)
            self._counts[reason] = count
