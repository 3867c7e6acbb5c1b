"""The operator's view of the calls of this process, and the operations on them."""

import asyncio
from collections.abc import Sequence

from stasis_offload.calls.call import Call
from stasis_offload.calls.call_views import details_of, details_of_ended, view_of
from stasis_offload.calls.module_watch import ModuleWatch
from stasis_offload.calls.offload_gate import OffloadGate
from stasis_offload.calls.overloads import Overloads
from stasis_offload.calls.registry import Registry
from stasis_offload.calls.views import CallDetails, CallView, Health, UnknownCallError
from stasis_offload.errors import OpenFlowError
from stasis_offload.media import events as media
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.roles import FORWARDING_ROLES, call_cookie, owner_of
from stasis_offload.media.state import State
from stasis_offload.openflow.switch import Switch

# So many calls are shown at a time, in a few milliseconds.
_SLICE = 100


class Operations:
    """The CallControl of http_api.py."""

    def __init__(
        self,
        registry: Registry,
        *,
        gate: OffloadGate,
        switch: Switch,
        overloads: Overloads,
        module: ModuleWatch,
        version: str,
    ) -> None:
        self._registry = registry
        self._module = module
        self._version = version
        self._overloads = overloads
        self._gate = gate
        self._switch = switch

    async def calls(self) -> Sequence[CallView]:
        """Return every call, oldest first, with the switch's current counters if they can be read."""
        try:
            counts = await self._switch.flow_table.all_counts(FORWARDING_ROLES)
        except OpenFlowError:
            counts = {}
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
                raise UnknownCallError(f"there is no call {call!r}, nor did one end within the last hour")
            return details_of_ended(ended, now)
        try:
            counted = await self._switch.flow_table.counts(owner_of(call), FORWARDING_ROLES)
        except OpenFlowError:
            counted = {}
        counts = {call_cookie(call) | role: count for role, count in counted.items()}
        return details_of(found, counts, asyncio.get_running_loop().time())

    def health(self) -> Health:
        """Return the current problems."""
        return Health(
            calls=len(self._registry),
            blocked=ReasonKind.OPERATOR in self._gate.blocks,
            overloads=self._overloads.count,
            problems=tuple(f"{what}: {problem}" for what, problem in self._gate.problems.items()),
            version=self._version,
            module=self._module.version,
        )

    def describe(self) -> str:
        """Return what there is to know at a glance, in one line: how many calls, what holds them all, what is wrong."""
        offloaded = sum(call.media.placement.state is State.OFFLOADED for call in self._registry)
        health = self.health()
        calls = "1 call" if health.calls == 1 else f"{health.calls} calls"
        held = ("all held by `relay --all`",) if health.blocked else ()
        return "; ".join((f"{calls}, {offloaded} offloaded", *held, *health.problems))

    async def relay(self, call: str | None) -> int:
        """Block one call, or every call; return the number of calls when their flows are removed, if possible."""
        chosen = None if call is None else [self._find(call)]
        return await self._gate.block_and_wait(ReasonKind.OPERATOR, chosen)

    async def offload(self, call: str | None) -> int:
        """Lift the block of `relay`; return the number of calls."""
        if call is None:
            self._gate.unblock(ReasonKind.OPERATOR)
            return len(self._registry)
        self._find(call).media.post(media.Unblocked(ReasonKind.OPERATOR))
        return 1

    async def drain(self) -> None:
        """Return the media of every call, because the application is stopping, and write each caller's variables."""
        await self._gate.block_and_wait(ReasonKind.DRAIN)
        # Nothing writes them once the application has stopped.
        async with asyncio.TaskGroup() as tasks:
            for call in self._registry:
                tasks.create_task(call.write_variables())

    def _find(self, call: str) -> Call:
        found = self._registry.get(call)
        if found is None:
            raise UnknownCallError(f"there is no call {call!r}")
        return found
