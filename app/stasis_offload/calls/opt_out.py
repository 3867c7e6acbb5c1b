"""Reads the channel variable OFFLOAD, by which a dialplan keeps a call with Asterisk."""

import asyncio
from contextlib import suppress

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.errors import AriError
from stasis_offload.media.exclusion import opts_out


class OptOut:
    """Whether a caller's variable keeps the call with Asterisk: `value`, which once True stays so."""

    def __init__(self, *, ari: AriClient) -> None:
        self.value = False
        self._ari = ari
        self._channel: str | None = None
        self._turn = asyncio.Lock()

    async def read(self, channel: str) -> None:
        """Read the variable of the channel that is the caller, unless that has been done.

        Raises as `AriClient.get_variable`.
        """
        async with self._turn:
            if not self.value and channel != self._channel:
                self.value = opts_out(await self._ari.get_variable(channel, "OFFLOAD"))
                self._channel = channel

    async def read_early(self, channel: str) -> None:
        """Read the variable while the call is dialled, so that `read` need not wait; an error is left to `read`."""
        with suppress(AriError):
            await self.read(channel)
