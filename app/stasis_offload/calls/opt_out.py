"""Reads the channel variable OFFLOAD, by which a dialplan keeps a call with Asterisk, and notes all that excludes a call."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.errors import AriError
from stasis_offload.media import events as media
from stasis_offload.media.exclusion import opts_out, why_excluded
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.state import Policy


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


class Exclusion:
    """What excludes a call from the switch now: the caller's variable, an endpoint of a leg, or the percentage."""

    def __init__(self, call: str, *, policy: Policy, opt_out: OptOut) -> None:
        self._call = call
        self._policy = policy
        self._opt_out = opt_out
        self._kind: ReasonKind | None = None

    def changed(self, channels: Sequence[str]) -> tuple[media.Event, ...]:
        """Return what the media machine is to be told for legs of these channel names."""
        before, opted_out = self._kind, self._opt_out.value
        self._kind = why_excluded(self._call, list(channels), self._policy, opted_out=opted_out)
        if self._kind is before:
            return ()
        lifted = (media.Unblocked(before),) if before else ()
        return (*lifted, media.Blocked(self._kind)) if self._kind else lifted
