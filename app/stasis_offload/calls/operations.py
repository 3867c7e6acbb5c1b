"""The operator's view of the calls of this process, and the operations on them."""

import asyncio
from collections.abc import Mapping, Sequence

from stasis_offload.calls.call import Call
from stasis_offload.calls.offload_gate import OffloadGate
from stasis_offload.calls.overloads import Overloads
from stasis_offload.calls.registry import Registry
from stasis_offload.calls.views import CallView, Health, UnknownCallError
from stasis_offload.errors import OpenFlowError
from stasis_offload.media import events as media
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.roles import FORWARDING_ROLES, Duty, Role, call_cookie, owner_of
from stasis_offload.media.state import State
from stasis_offload.openflow.flow import FlowCount
from stasis_offload.openflow.switch import Switch
from stasis_offload.signalling.call_ids import CALLER
from stasis_offload.signalling.state import WANTED, Phase

# So many calls are shown at a time, in a few milliseconds.
_SLICE = 100


class Operations:
    """The CallControl of http_api.py."""

    def __init__(
        self, registry: Registry, *, gate: OffloadGate, switch: Switch, overloads: Overloads
    ) -> None:
        self._registry = registry
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
            views.append(_view(call, counts, now))
            if number % _SLICE == 0:
                await asyncio.sleep(0)  # what moves media has its turn
        return views

    async def call(self, call: str) -> CallView:
        """Return one call as `calls` does, for the price of one; raises as `relay`."""
        found = self._find(call)
        try:
            counted = await self._switch.flow_table.counts(owner_of(call), FORWARDING_ROLES)
        except OpenFlowError:
            counted = {}
        counts = {call_cookie(call) | role: count for role, count in counted.items()}
        return _view(found, counts, asyncio.get_running_loop().time())

    def health(self) -> Health:
        """Return the current problems."""
        return Health(
            calls=len(self._registry),
            blocked=ReasonKind.OPERATOR in self._gate.blocks,
            overloads=self._overloads.count,
            problems=tuple(f"{what}: {problem}" for what, problem in self._gate.problems.items()),
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


def _view(call: Call, counts: Mapping[int, FlowCount], now: float) -> CallView:
    placement = call.media.placement
    dialing = call.dialing.phase in (Phase.NEW, Phase.DIALING)

    def forwarded(leg: Leg) -> FlowCount:
        return placement.forwarded(leg, counts.get(call_cookie(call.id) | Role.of(Duty.FORWARD, leg)))

    return CallView(
        call=call.id,
        caller=call.legs.name(CALLER) or call.legs.channel(CALLER),
        callee=_callee(call),
        state=str(Phase.DIALING) if dialing else str(placement.state),
        reason=str(placement.reason) if placement.reason else None,
        detail=placement.reason.detail if placement.reason else None,
        age=now - call.began,
        state_age=now - max(placement.since, call.began),
        from_caller=forwarded(Leg.CALLER),
        from_callee=forwarded(Leg.CALLEE),
        caller_quality=call.media.quality.of(Leg.CALLER),
        callee_quality=call.media.quality.of(Leg.CALLEE),
        partial=placement.partial,
        strangers_at_caller=call.media.strangers(Leg.CALLER),
        strangers_at_callee=call.media.strangers(Leg.CALLEE),
    )


def _callee(call: Call) -> str | None:
    """Return the name of the channel that answered, or of the only one that is being dialled."""
    dialing, legs = call.dialing, call.legs
    if dialing.winner:
        return legs.name(dialing.winner)
    wanted = [n for n, callee in enumerate(dialing.callees, start=1) if callee in WANTED]
    names = [name for n in wanted if (name := legs.name(n))]
    return names[0] if len(names) == 1 else None
