"""Asks every few seconds whether Asterisk still has what a call needs of ARI: a module that is unloaded says nothing of it."""

import asyncio
from typing import NoReturn

import structlog

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.calls.offload_gate import OffloadGate
from stasis_offload.errors import AriError, AriUnavailableError

# Seconds from one answer to the next question.
_ASKED_EVERY = 10.0
_PROBLEM = "asterisk"


class AriWatch:
    """Keeps `gate.problems` to what is missing; while there is no connection, what that says stands."""

    def __init__(self, *, ari: AriClient, gate: OffloadGate, every: float = _ASKED_EVERY) -> None:
        self._ari = ari
        self._gate = gate
        self._every = every
        self._missing = ""
        self._log = structlog.get_logger(__name__)

    async def run(self) -> NoReturn:
        """Ask again and again, and log what changes."""
        while True:
            try:
                await self._ari.try_resources()
            except AriUnavailableError:
                pass
            except AriError as error:
                self._note(str(error))
            else:
                self._note("")
            await asyncio.sleep(self._every)

    def _note(self, missing: str) -> None:
        if missing == self._missing:
            return
        self._missing = missing
        if missing:
            self._log.warning("ari.incomplete", error=missing)
            self._gate.problems[_PROBLEM] = missing
        else:
            self._log.info("ari.complete")
            self._gate.problems.pop(_PROBLEM, None)
