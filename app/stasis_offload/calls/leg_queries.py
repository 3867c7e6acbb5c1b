"""Queries of one call's legs: asks the Asterisk module, and ends the query when something cannot wait for it."""

import asyncio
from collections.abc import Sequence

from structlog.typing import FilteringBoundLogger

from stasis_offload.calls.gateways import Gateways
from stasis_offload.errors import ModuleError
from stasis_offload.media import events as ev
from stasis_offload.media.machine import interrupts_query
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.rechecking import CHECK_WITHIN
from stasis_offload.media.state import Placement


class LegQueries:
    """The queries of one call, one at a time.

    `channels` has the legs by the ids of their channels; `interrupted` is whether an event has ended the last query.
    """

    def __init__(self, call: str, *, gateways: Gateways, log: FilteringBoundLogger) -> None:
        self.channels: dict[str, Leg] = {}
        self.interrupted = False
        self._call = call
        self._gateways = gateways
        self._log = log
        self._ending = False
        self._answered = True
        self._query: asyncio.Timeout | None = None

    async def query(self, within: float | None = None) -> Sequence[ev.LegsReported | ev.CommandFailed]:
        """Query the module, at most for seconds `within`; () if an event interrupts that, or it takes too long."""
        self.interrupted = False
        if self._ending:
            return ()  # while a call is hung up, Asterisk's reports give reasons that no longer matter
        try:
            async with asyncio.timeout(within) as self._query:
                reports = await self._gateways.rtpstreams.report(self._gateways.ids.bridge(self._call))
        except TimeoutError:
            return ()
        except ModuleError as error:
            if self._answered:
                self._log.info("module.unreachable", error=str(error))
            self._answered = False
            return (ev.CommandFailed(ReasonKind.MODULE_UNREACHABLE),)
        finally:
            self._query = None
        self._answered = True
        by_leg = {self.channels.get(report.channel_id): report for report in reports}
        caller, callee = by_leg.get(Leg.CALLER), by_leg.get(Leg.CALLEE)
        switches = {
            number: switch.splits
            for number, switch in enumerate(self._gateways.switches)
            if switch.flow_table.is_attached
        }
        return (ev.LegsReported(caller, callee, switches),)

    async def check(self, within: float) -> Sequence[ev.Event]:
        """Query the module after something may have changed; no answer is one: that it may have."""
        answers = await self.query(within)
        if self.interrupted or self._ending:
            return ()  # the interrupting event is processed next
        match answers:
            case (ev.LegsReported() as report,):
                return (ev.LegsChecked(report),)
            case _:
                return (ev.LegsChecked(None),)

    def interrupt(self, event: ev.Event, *, placement: Placement, queued: Sequence[ev.Event]) -> None:
        """End a running query if it would delay the event: the removal of flows, or a hang-up; limit it before a check."""
        self._ending = self._ending or isinstance(event, ev.CallEnded)
        if self._query is None:
            return
        # One whose time is up ends by itself, and its time can no longer be changed.
        runs = not self._query.expired()
        if interrupts_query(placement, event, queued=queued):
            if runs:
                self._query.reschedule(0)
            self._query, self.interrupted = None, True
        elif runs and isinstance(event, ev.BridgeRebuilt):
            limit = asyncio.get_running_loop().time() + CHECK_WITHIN
            self._query.reschedule(min(limit, self._query.when() or limit))
