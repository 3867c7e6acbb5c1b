"""Keeps OFFLOAD_STATUS, OFFLOAD_REASON and OFFLOAD_PACKETS true on the caller's channel, for dialplan and CDRs."""

import asyncio
from collections.abc import Mapping

from structlog.typing import FilteringBoundLogger

from stasis_offload.ari import Ari
from stasis_offload.eligibility import Kind, Reason
from stasis_offload.errors import AriError
from stasis_offload.media import Leg
from stasis_offload.moves import State
from stasis_offload.placement import Placement


def variables_of(placement: Placement, before: Mapping[str, str]) -> dict[str, str]:
    """Return the three variables; the first moments of learning and the end of the call are not told.

    OFFLOAD_STATUS is `offloaded` or `relayed`: what carries the media. OFFLOAD_REASON says why it is relayed,
    empty otherwise. OFFLOAD_PACKETS counts what the switch carried, both directions together.
    """
    packets = sum(placement.forwarded(leg).packets for leg in Leg)
    variables = {**before, "OFFLOAD_PACKETS": str(packets)}
    passing = placement.state is State.LEARNING and placement.reason == Reason(Kind.NO_MEDIA)
    if not passing and placement.reason != Reason(Kind.ENDED):
        offloaded = placement.state is State.OFFLOADED
        variables["OFFLOAD_STATUS"] = "offloaded" if offloaded else "relayed"
        variables["OFFLOAD_REASON"] = "" if offloaded else str(placement.reason)
    return variables


class Variables:
    """The three variables of one caller, whose id is `channel`, written when they change."""

    def __init__(self, channel: str, *, ari: Ari, log: FilteringBoundLogger) -> None:
        self.channel = channel
        self._ari = ari
        self._log = log
        self._written: dict[str, str] = {}
        self._wanted: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()

    def note(self, placement: Placement, *, leaving: bool = False) -> None:
        """Take the placement of this moment; a reason that lasts for milliseconds only may never be written.

        `leaving` is whether a newcomer is taking the caller's place: of what that does to the media the caller,
        whose part is over, is told no more than the packets.
        """
        now = variables_of(placement, self._wanted)
        self._wanted = {**now, **self._wanted, "OFFLOAD_PACKETS": now["OFFLOAD_PACKETS"]} if leaving else now
        self._changed.set()

    def follow(self, channel: str) -> None:
        """Write all of it to another channel from now on: a newcomer stands for the caller."""
        self.channel = channel
        self._written = {}
        self._changed.set()

    async def run(self) -> None:
        """Write what changed, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self.write()

    async def write(self) -> None:
        """Write what is not written yet; a caller that is gone already is no error."""
        async with self._turn:
            for name, value in list(self._wanted.items()):
                if self._written.get(name) == value:
                    continue
                try:
                    await self._ari.set_variable(self.channel, name=name, value=value)
                except AriError as error:
                    self._log.debug("variable.not_set", name=name, error=str(error))
                    return
                self._written[name] = value
