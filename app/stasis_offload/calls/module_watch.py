"""Asks the Asterisk module every few seconds whether it is there: without calls nobody else does."""

import asyncio
from typing import NoReturn

import structlog

from stasis_offload.asterisk.rtpstreams import RtpStreams
from stasis_offload.calls.offload_gate import OffloadGate
from stasis_offload.errors import ModuleError
from stasis_offload.media.reasons import ReasonKind

# Seconds from one answer to the next question.
_ASKED_EVERY = 5.0
_PROBLEM = "module"


class ModuleWatch:
    """`version` is that of the module while it answers, else None: then `gate.problems` says why not.

    One answer that is late is no news, two are.
    """

    def __init__(self, *, rtpstreams: RtpStreams, gate: OffloadGate, every: float = _ASKED_EVERY) -> None:
        self.version: str | None = None
        self._rtpstreams = rtpstreams
        self._gate = gate
        self._every = every
        self._known = False
        self._log = structlog.get_logger(__name__)
        gate.problems[_PROBLEM] = "not reached yet"

    async def run(self) -> NoReturn:
        """Ask again and again, and log what changes."""
        while True:
            try:
                version = await self._ask()
            except ModuleError as error:
                self._note_down(str(error))
            else:
                self._note_up(version)
            self._known = True
            await asyncio.sleep(self._every)

    async def _ask(self) -> str:
        try:
            return await self._rtpstreams.version()
        except ModuleError:
            return await self._rtpstreams.version()

    def _note_down(self, reason: str) -> None:
        if self.version or not self._known:
            self._log.warning("module.down", error=reason)
        self.version = None
        self._gate.problems[_PROBLEM] = reason

    def _note_up(self, version: str) -> None:
        if version != self.version:
            self._log.info("module.up", version=version)
        if (
            self.version is None and self._known
        ):  # calls that found it missing need not wait until they ask again
            self._gate.unblock(ReasonKind.MODULE_UNREACHABLE)
        self.version = version
        self._gate.problems.pop(_PROBLEM, None)
