"""Whether the node is drained: its dialplan refuses new calls. Asterisk keeps it, and tells its dialplan and us."""

import asyncio
from contextlib import suppress
from typing import NoReturn

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.errors import AriError

# What the dialplan reads before it takes a new call (dialplan/extensions.conf, offload-fleet). Asterisk has it in its
# database (res_stasis_device_state.c): it outlasts a restart of the application and of Asterisk.
_DEVICE = "offload-node"
_DRAINED, _IN_SERVICE = "UNAVAILABLE", "NOT_INUSE"
# Seconds between two looks.
_LOOKED_EVERY = 5.0


class NodeDrain:
    """`drained` is whether the node is, a few seconds ago."""

    def __init__(self, *, ari: AriClient, every: float = _LOOKED_EVERY) -> None:
        self.drained = False
        self._ari = ari
        self._every = every
        self._turn = asyncio.Lock()

    async def run(self) -> NoReturn:
        """Look every few seconds: others may drain the node, too."""
        while True:
            with suppress(
                AriError
            ):  # while the connection is lost, or without the module, what was seen last stands
                async with self._turn:  # an answer of before a change would undo it here
                    self.drained = await self._ari.device_state(_DEVICE) == _DRAINED
            await asyncio.sleep(self._every)

    async def set(self, *, drained: bool) -> None:
        """Drain the node, or put it in service again.

        Raises:
            AriError: Asterisk did not.

        """
        async with self._turn:
            await self._ari.set_device_state(_DEVICE, _DRAINED if drained else _IN_SERVICE)
            self.drained = drained
