"""The operator's view of the calls of this process, and the operations on them."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from stasis_offload.asterisk.process_time import ProcessTime
from stasis_offload.calls.call import Call
from stasis_offload.calls.call_views import details_of, details_of_ended, view_of
from stasis_offload.calls.gateways import Gateways
from stasis_offload.calls.module_watch import ModuleWatch
from stasis_offload.calls.node_drain import NodeDrain
from stasis_offload.calls.offload_gate import OffloadGate
from stasis_offload.calls.registry import Registry
from stasis_offload.calls.views import Block, CallDetails, CallView, Health, Stats, UnknownCallError
from stasis_offload.errors import OffloadError, OpenFlowError
from stasis_offload.media import events as media
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.roles import FORWARDING_ROLES, call_cookie, owner_of
from stasis_offload.media.state import State
from stasis_offload.openflow.flow import FlowCount
from stasis_offload.openflow.switch import Switch

# So many calls are shown at a time, in a few milliseconds.
_SLICE = 100


class Operations:
    """The CallControl of http_api.py; `node` is whether the node is drained."""

    def __init__(
        self,
        registry: Registry,
        *,
        gate: OffloadGate,
        gateways: Gateways,
        module: ModuleWatch,
        process_time: ProcessTime,
        version: str,
    ) -> None:
        self._began = asyncio.get_running_loop().time()
        # Loop time (s), and by whom.
        self._blocked: tuple[float, str] | None = None
        self._process_time = process_time
        self._registry = registry
        self._module = module
        self._version = version
        self._gate = gate
        self.node = NodeDrain(ari=gateways.ari)
        self._switches = gateways.switches
        self._statistics = gateways.statistics

    async def calls(self) -> Sequence[CallView]:
        """Return every call, oldest first, with the switches' current counters as far as they can be read."""
        counts: dict[int, FlowCount] = {}
        for each in await asyncio.gather(*map(_counts_of, self._switches)):
            counts |= each
        now = asyncio.get_running_loop().time()
        views = []
        for number, call in enumerate(sorted(self._registry, key=lambda call: call.began), start=1):
            views.append(view_of(call, counts, now))
            if number % _SLICE == 0:
                await asyncio.sleep(0)  # what moves media has its turn
        return views

    async def call(self, call: str) -> CallDetails:
        """Return one call as `calls` does, for the price of one, or one that has ended within the last hour."""
        found, now = self._registry.get(call), asyncio.get_running_loop().time()
        if found is None:
            ended = self._registry.ended.get(call, now)
            if ended is None:
                raise UnknownCallError(
                    f"there is no call {call!r}, nor did one end within the last hour; what Dial() made is not known here"
                )
            return details_of_ended(ended, now)
        try:
            table = self._switches[found.media.placement.switch].flow_table
            counted = await table.counts(owner_of(call), FORWARDING_ROLES)
        except OpenFlowError:
            counted = {}
        counts = {call_cookie(call) | role: count for role, count in counted.items()}
        return details_of(found, counts, asyncio.get_running_loop().time())

    def health(self) -> Health:
        """Return the current problems."""
        return Health(
            calls=len(self._registry),
            blocked=self._block(),
            drained=self.node.drained,
            passed_by=self._statistics.passed_by,
            problems=tuple(f"{what}: {problem}" for what, problem in self._gate.problems.items()),
            version=self._version,
            module=self._module.version,
        )

    def _block(self) -> Block | None:
        if self._blocked is None:
            return None
        at, by = self._blocked
        return Block(asyncio.get_running_loop().time() - at, by)

    def describe(self) -> str:
        """Return what there is to know at a glance, in one line: how many calls, what holds them all, what is wrong."""
        offloaded = sum(call.media.placement.state is State.OFFLOADED for call in self._registry)
        health = self.health()
        calls = "1 call" if health.calls == 1 else f"{health.calls} calls"
        held = (f"all held by `relay --all` of {health.blocked.by}",) if health.blocked else ()
        drained = ("drained",) if health.drained else ()
        return "; ".join((f"{calls}, {offloaded} offloaded", *held, *drained, *health.problems))

    async def stats(self) -> Stats:
        """Return what has become of all calls, with the switch's current counters if they can be read."""
        views, every = await self.calls(), tuple(self._registry)
        now = asyncio.get_running_loop().time()
        total, records = self._statistics, [(call.media.record, call.media.placement) for call in every]
        return Stats(
            age=now - self._began,
            states=Counter(view.state for view in views),
            calls=sum(total.begun.values()),
            carried=total.ended[True] + sum(record.stays > 0 for record, _ in records),
            talked=total.talked + sum(record.talked(now) for record, _ in records),
            offloaded=total.offloaded
            + sum(record.offloaded(placement, now) for record, placement in records),
            packets=total.forwarded.packets
            + sum(view.from_caller.packets + view.from_callee.packets for view in views),
            asterisk_cpu=self._process_time.used(),
        )

    async def relay(self, call: str | None, *, by: str) -> int:
        """Block one call, or every call; return the number of calls when their flows are removed, if possible."""
        if call is None:
            self._blocked = self._blocked or (asyncio.get_running_loop().time(), by)
        chosen = None if call is None else [self._find(call)]
        return await self._gate.block_and_wait(ReasonKind.OPERATOR, chosen)

    async def measure(self, seconds: float) -> int:
        """Have Asterisk relay all calls for `seconds`, or until this is said again with 0; return the number of calls."""
        if not seconds:
            self._gate.unblock(ReasonKind.MEASUREMENT)
            return len(self._registry)
        if ReasonKind.MEASUREMENT in self._gate.blocks:
            raise OffloadError("somebody measures already; it ends by itself")
        if self._blocked:
            raise OffloadError("all calls are held, until `stasis-offload offload --all`")
        return await self._gate.block_for(ReasonKind.MEASUREMENT, seconds)

    async def offload(self, call: str | None) -> int:
        """Lift the block of `relay`; return the number of calls."""
        if call is None:
            self._blocked = None
            self._gate.unblock(ReasonKind.OPERATOR)
            return len(self._registry)
        self._find(call).media.post(media.Unblocked(ReasonKind.OPERATOR))
        return 1

    async def drain(self, *, drained: bool) -> int:
        """Have the dialplan refuse new calls, or take them again; return the number of calls, which go on."""
        await self.node.set(drained=drained)
        return len(self._registry)

    async def stop(self) -> None:
        """Return the media of every call, because the application is stopping, and write each caller's variables."""
        await self._gate.block_and_wait(ReasonKind.STOPPING)
        # Nothing writes them once the application has stopped.
        async with asyncio.TaskGroup() as tasks:
            for call in self._registry:
                tasks.create_task(call.write_variables())

    def _find(self, call: str) -> Call:
        found = self._registry.get(call)
        if found is None:
            raise UnknownCallError(f"there is no call {call!r}")
        return found


async def _counts_of(switch: Switch) -> dict[int, FlowCount]:
    """Return the counters of the flows that forward, by cookie; none if they cannot be read."""
    try:
        return await switch.flow_table.all_counts(FORWARDING_ROLES)
    except OpenFlowError:
        return {}
