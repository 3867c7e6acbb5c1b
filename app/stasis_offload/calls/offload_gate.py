"""Whether calls may be offloaded at all: blocks of one call or of all, and their paced release."""

import asyncio
from collections.abc import Collection, Iterable

from stasis_offload.calls.background import Background
from stasis_offload.calls.call import Call
from stasis_offload.calls.registry import Registry
from stasis_offload.media import events as media
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.state import State

# From the release of one call to that of the next (s): 10 calls a second. Each change of a flow makes Open vSwitch
# translate every flow of its datapath again, and Asterisk has to relay on time meanwhile.
RELEASE_INTERVAL = 0.1
# The same for a call that has stayed in the switch meanwhile: it costs one query.
CHECK_INTERVAL = 0.01


class OffloadGate:
    """Blocks calls from being offloaded.

    `blocks` are the blocks of all calls, new ones too; `problems` has a sentence about Asterisk and about each switch
    while something is wrong with it, for /healthz.
    """

    def __init__(self, registry: Registry, *, background: Background) -> None:
        self.blocks = {ReasonKind.ASTERISK_UNREACHABLE, ReasonKind.SWITCH_UNREACHABLE}
        self.problems: dict[str, str] = {"asterisk": "not reached yet"}
        self._registry = registry
        self._background = background
        # What this process has begun with: nothing is in the switch yet, and the queue of those that are learned is enough.
        self._initial = set(self.blocks)
        self._releasing: dict[ReasonKind, dict[Call, None]] = {}
        self._later: dict[ReasonKind, asyncio.TimerHandle] = {}

    def block(self, kind: ReasonKind, calls: Iterable[Call] | None = None) -> tuple[asyncio.Event, ...]:
        """Block some calls, or all of them and those to come (None).

        Each returned event is set when the flows of one call are removed, or their removal has failed.
        """
        if calls is None:
            if kind not in self.blocks:  # a connection that has not been there yet may be reported as lost
                self._initial.discard(kind)
            self.blocks.add(kind)
            self._releasing.pop(kind, None)
            return tuple(call.media.post(media.Blocked(kind)) for call in self._registry)
        handled = []
        for call in calls:
            self._releasing.get(kind, {}).pop(call, None)
            handled.append(call.media.post(media.Blocked(kind)))
        return tuple(handled)

    async def block_and_wait(self, kind: ReasonKind, calls: Iterable[Call] | None = None) -> int:
        """Block calls, wait as `block` describes, and return the number of calls."""
        handled = self.block(kind, calls)
        for event in handled:
            await event.wait()
        return len(handled)

    async def block_for(self, kind: ReasonKind, duration: float) -> int:
        """Block all calls and wait as `block_and_wait` does; `duration` s from now that is lifted, unless it was before."""
        self._cancel(kind)
        self._later[kind] = asyncio.get_running_loop().call_later(duration, self.unblock, kind)
        return await self.block_and_wait(kind)

    def _cancel(self, kind: ReasonKind) -> None:
        if kind in self._later:
            self._later.pop(kind).cancel()

    def unblock(self, kind: ReasonKind, *, also: Collection[Call] = ()) -> None:
        """Lift a block from all calls, one call every 100 ms; first from those that have stayed in the switch.

        One with which this process has begun is lifted at once: whichever of the two connections is there first.

        A cutover is unnoticed only if Asterisk relays what it has received before the next packet arrives. It could
        not if all calls were queried at the same moment. `also` are calls that have just been told of
        the block; others have found its cause by themselves.
        """
        self._cancel(kind)
        concerned = [
            call
            for call in self._registry
            if call in also
            or kind in self.blocks | call.media.placement.blocks
            or call.media.placement.reason == Reason(kind)
        ]
        self.blocks.discard(kind)
        self._releasing[kind] = dict.fromkeys(sorted(concerned, key=lambda call: not _is_offloaded(call)))
        paced = kind not in self._initial
        self._initial.discard(kind)
        self._background.start(self._release(kind, self._releasing[kind], paced=paced))

    async def _release(self, kind: ReasonKind, calls: dict[Call, None], *, paced: bool) -> None:
        while calls and self._releasing.get(kind) is calls:
            call = next(iter(calls))
            del calls[call]
            if self._registry.get(call.id) is call:  # it may have ended meanwhile
                offloaded = _is_offloaded(call)
                call.media.post(media.Unblocked(kind))
                interval = CHECK_INTERVAL if offloaded else RELEASE_INTERVAL
                await asyncio.sleep(interval if paced else 0)


def _is_offloaded(call: Call) -> bool:
    return call.media.placement.state is State.OFFLOADED
