"""Keeps the OFFLOAD_ variables of the caller's channel up to date, for dialplan and CDRs."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from structlog.typing import FilteringBoundLogger

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.errors import AriError, AriUnavailableError
from stasis_offload.media.path import Leg
from stasis_offload.media.quality import Quality
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.state import Placement, State

# Seconds for which a call must have been relayed for a reason before that is written: a hang-up or a transfer is several
# changes to Asterisk, and takes less.
SETTLED_AFTER = 0.5
# Seconds after which the quality, which each RTCP report changes, is written for the first time, and then at twice that; in a
# call that goes on, the audits are more frequent, at which the packets are counted and both are written.
QUALITY_AFTER = 5.0
QUALITY_AT_LEAST_EVERY = 60.0
# Seconds after which a variable is written again that got no answer, and how many calls write theirs at a time.
REPEATED_AFTER = 5.0
WRITERS = 4


@dataclass(frozen=True, slots=True)
class Settling:
    """How long a call has been relayed for its present reason, and whether any reason, or `offloaded`, has been settled.

    Times are seconds of one monotonic clock.
    """

    reason: Reason | None = None
    since: float = 0.0
    known: bool = False

    def then(self, placement: Placement, now: float) -> "Settling":
        """Return the same for the next placement."""
        since = self.since if placement.reason == self.reason else now
        after = replace(self, reason=placement.reason, since=since)
        connected = placement.reason != Reason(ReasonKind.NOT_CONNECTED)
        return replace(after, known=self.known or (connected and after.settled(now)))

    def settled(self, now: float) -> bool:
        """Return whether the present reason counts: at once if there is none, or a process that stops must write it."""
        if self.reason in (None, Reason(ReasonKind.STOPPING)):
            return True
        return now - self.since >= SETTLED_AFTER

    def wait(self, now: float) -> float | None:
        """Return the seconds until the present reason is settled; None if it is."""
        return None if self.settled(now) else self.since + SETTLED_AFTER - now


def variables_of(
    placement: Placement, quality: Quality, before: Mapping[str, str], *, keep: bool = False
) -> dict[str, str]:
    """Return the variables; at the beginning of learning and the end of the call, status and reason stay as `before`.

    They also stay if `keep`: the caller is leaving because a replacement takes its place, or the reason is too new.

    OFFLOAD_STATUS is `offloaded` or `relayed`: what carries the media. OFFLOAD_REASON is why it is relayed, empty
    otherwise. They are written one after the other, in the order of the result, and a CDR may be cut in between: a call
    that is `relayed` has its reason even then. OFFLOAD_PACKETS is the number of packets that the switch forwarded, of both
    legs together and in an earlier process too, or less if the placement is partial.
    OFFLOAD_CALLER_QUALITY and OFFLOAD_CALLEE_QUALITY are set once something is known (media/quality.py).
    """
    packets = placement.earlier_packets + sum(placement.forwarded(leg).packets for leg in Leg)
    variables = {**before, "OFFLOAD_PACKETS": str(packets)}
    for leg in Leg:
        known = quality.of(leg).variable()
        if known:
            variables[f"OFFLOAD_{leg.upper()}_QUALITY"] = known
    transient = placement.state is State.LEARNING and placement.reason == Reason(ReasonKind.NO_MEDIA)
    if not (transient or keep) and placement.reason != Reason(ReasonKind.ENDED):
        offloaded = placement.state is State.OFFLOADED
        status = ("OFFLOAD_STATUS", "offloaded" if offloaded else "relayed")
        reason = ("OFFLOAD_REASON", "" if offloaded else str(placement.reason))
        for name, value in (status, reason) if offloaded else (reason, status):
            variables.pop(name, None)
            variables[name] = value
    return variables


@dataclass(frozen=True, slots=True)
class _Latest:
    """What the variables are made of, beside the quality; `leaving` as for `variables_of`'s `keep`."""

    placement: Placement
    leaving: bool

    @property
    def status(self) -> tuple[State, Reason | None, bool]:
        """What is written at once."""
        return self.placement.state, self.placement.reason, self.leaving

    def is_counted_after(self, earlier: "_Latest") -> bool:
        """Whether an audit has counted the packets since; when all is sampled it does once more, for the quality."""
        return self.placement.counts is not earlier.placement.counts and bool(self.placement.unsampled)


class ChannelVariables:
    """The variables of one caller, whose id is `channel`, written when they change; `quality` returns the present one.

    `turns` limits how many calls write at a time: what sets up and ends calls goes by the same connections. `write` needs
    none, as a call waits for it.
    """

    def __init__(
        self,
        channel: str,
        *,
        ari: AriClient,
        quality: Callable[[], Quality],
        turns: asyncio.Semaphore,
        log: FilteringBoundLogger,
    ) -> None:
        self.channel = channel
        self._quality = quality
        self._ari = ari
        self._turns = turns
        self._log = log
        self._written: dict[str, str] = {}
        self._wanted: dict[str, str] = {}
        self._settling = Settling()
        self._latest: _Latest | None = None
        self._settled: tuple[_Latest, Quality] | None = None
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()
        self._stopped = False
        self._left = False

    def update(self, placement: Placement, *, leaving: bool = False) -> None:
        """Have the variables written: status, reason and the packets at once, the quality now and then.

        After a settled reason only another one that settles is written.
        """
        before, self._latest = self._latest, _Latest(placement, leaving)
        if before is None or before.status != self._latest.status or self._latest.is_counted_after(before):
            self._refresh()
            self._changed.set()

    def move_to(self, channel: str) -> None:
        """Write all variables to another channel from now on: a replacement is the caller."""
        self.channel = channel
        self._written = {}
        self._changed.set()

    def keep_offload(self, value: str) -> None:
        """Write OFFLOAD too, if it has a value, for a later process to read (exclusion.py)."""
        if value:
            self._wanted["OFFLOAD"] = value
            self._changed.set()

    async def run(self) -> None:
        """Write changes until `stop`, and again what got no answer."""
        retry: float | None = None
        every = QUALITY_AFTER
        while not self._stopped:
            waits = [wait for wait in (self._settling.wait(_now()), retry) if wait is not None]
            with suppress(TimeoutError):
                async with asyncio.timeout(min([every, *waits])):
                    await self._changed.wait()
            every = min(2 * every, QUALITY_AT_LEAST_EVERY)
            self._changed.clear()
            async with self._turns:
                retry = None if await self.write() else REPEATED_AFTER

    def _refresh(self) -> None:
        """Compute what is wanted, unless that was done with the same values, and they had settled."""
        latest, quality = self._latest, self._quality()
        if latest is None or (self._settled and self._settled[0] is latest and self._settled[1] is quality):
            return
        before, now = self._settling, _now()
        self._settling = before.then(latest.placement, now)
        settled = self._settling.settled(now)
        keep = latest.leaving or (before.known and not settled)
        self._wanted = variables_of(latest.placement, quality, self._wanted, keep=keep)
        self._settled = (latest, quality) if settled else None

    def stop(self) -> None:
        """End `run` after its current write.

        A cancellation could be lost if it coincided with the end of a request's own timeout.
        """
        self._stopped = True
        self._changed.set()

    def leave(self) -> None:
        """Write nothing more: the caller has left the application, and Asterisk would refuse it (find_control in resource_channels.c)."""
        self._left = True

    async def write(self) -> bool:
        """Write what is not written yet; a caller that no longer exists is no error. Return False if there was no answer."""
        async with self._turn:
            if self._left:
                return True
            self._refresh()
            new = {name: value for name, value in self._wanted.items() if self._written.get(name) != value}
            try:
                if new:
                    await self._ari.set_variables(self.channel, new)
            except AriError as error:
                self._log.debug("variables.not_set", names=list(new), error=str(error))
                return not isinstance(error, AriUnavailableError)
            self._written |= new
            return True


def _now() -> float:
    return asyncio.get_running_loop().time()
