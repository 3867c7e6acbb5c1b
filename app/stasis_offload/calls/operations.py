"""What an operator sees and may do, on the calls of this process."""

import asyncio
from collections.abc import Mapping, Sequence

from stasis_offload.calls.call import Call
from stasis_offload.calls.calls import Calls
from stasis_offload.calls.views import CallView, Health, UnknownCallError
from stasis_offload.errors import OpenFlowError
from stasis_offload.media import events as media
from stasis_offload.media.flows import FORWARDING_ROLES, Duty, Role, call_cookie
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.state import State
from stasis_offload.openflow.flow import FlowCount
from stasis_offload.signalling.state import Phase


class Operations:
    """The Operations of view.py."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def calls(self) -> Sequence[CallView]:
        """Return every call, oldest first, with the switch's counters of this moment where they can be read."""
        try:
            counts = await self._calls.switch.flow_table.all_counts(FORWARDING_ROLES)
        except OpenFlowError:
            counts = {}
        now = asyncio.get_running_loop().time()
        return [_view(call, counts, now) for call in sorted(self._calls, key=lambda call: call.began)]

    def health(self) -> Health:
        """Return what is wrong at this moment."""
        return Health(
            calls=len(self._calls),
            held=ReasonKind.OPERATOR in self._calls.blocks,
            problems=tuple(f"{what}: {problem}" for what, problem in self._calls.problems.items()),
        )

    async def relay(self, call: str | None) -> int:
        """Hold one call's media in Asterisk, or every call's; its flows are out by then, if the switch is there."""
        if call is None:
            self._calls.blocks.add(ReasonKind.OPERATOR)
        return await self._block(self._chosen(call), ReasonKind.OPERATOR)

    async def offload(self, call: str | None) -> int:
        """End what `relay` holds."""
        chosen = self._chosen(call)
        if call is None:
            self._calls.unblock(ReasonKind.OPERATOR)
        else:
            chosen[0].media.post(media.Unblocked(ReasonKind.OPERATOR))
        return len(chosen)

    async def drain(self) -> None:
        """Give the media of every call back for good, because the application is about to stop."""
        self._calls.blocks.add(ReasonKind.DRAIN)
        await self._block(self._chosen(None), ReasonKind.DRAIN)

    async def _block(self, chosen: Sequence[Call], kind: ReasonKind) -> int:
        async with asyncio.TaskGroup() as tasks:
            for call in chosen:
                tasks.create_task(self._calls.block(call, kind))
        return len(chosen)

    def _chosen(self, call: str | None) -> Sequence[Call]:
        if call is None:
            return list(self._calls)
        found = self._calls.get(call)
        if found is None:
            raise UnknownCallError(f"there is no call {call!r}")
        return [found]


def _view(call: Call, counts: Mapping[int, FlowCount], now: float) -> CallView:
    placement = call.media.placement
    dialing = call.dialing.phase in (Phase.NEW, Phase.DIALING)

    def forwarded(leg: Leg) -> FlowCount:
        live = counts.get(call_cookie(call.id) | Role.of(Duty.FORWARD, leg))
        if live is None or placement.state is not State.OFFLOADED:
            return placement.forwarded(leg)
        return placement.earlier_counts.get(leg, FlowCount()) + live

    return CallView(
        call=call.id,
        caller=call.caller,
        callee=call.callee,
        state=str(Phase.DIALING) if dialing else str(placement.state),
        reason=str(placement.reason) if placement.reason else None,
        age=now - call.began,
        state_age=now - max(placement.since, call.began),
        from_caller=forwarded(Leg.CALLER),
        from_callee=forwarded(Leg.CALLEE),
        caller_quality=call.media.quality.of(Leg.CALLER),
        callee_quality=call.media.quality.of(Leg.CALLEE),
    )
