"""The flows of one call in the switches: in the call's own, and while the call is learned in the others.

Only its own switch is waited for. What the others are to have they get as soon as they can: one that answers late, or never,
holds up no call that it does not carry.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from stasis_offload.errors import OpenFlowError
from stasis_offload.media.path import SwitchPort
from stasis_offload.media.roles import FORWARDING_ROLES, Role, owner_of
from stasis_offload.openflow.flow import Flow, FlowCount
from stasis_offload.openflow.flow_table import FlowTable
from stasis_offload.openflow.room import Room
from stasis_offload.openflow.switch import Switch

# Seconds for which the end of a call waits for switches that do not carry it.
_SETTLED_WITHIN = 1.0


class CallFlows:
    """The flows of one call, by the number of the switch, which is its place in `switches`."""

    def __init__(self, call: str, switches: Sequence[Switch]) -> None:
        self.owner = owner_of(call)
        self._switches = switches
        self._placed: set[int] = set()
        self._wanted: dict[int, Sequence[Flow]] = {}
        self._changing: dict[int, asyncio.Task[None]] = {}

    def name(self, switch: int) -> str:
        """Return the operator's name of a switch."""
        return self._switches[switch].name

    def room(self, switch: int) -> Room:
        """Return the room in the tables of a switch."""
        return self._table(switch).room

    def connected(self) -> frozenset[int]:
        """Return which switches are connected."""
        return frozenset(n for n, switch in enumerate(self._switches) if switch.flow_table.is_attached)

    def full(self) -> frozenset[int]:
        """Return which of those have no room for the call's flows."""
        return frozenset(n for n in self.connected() if not self.room(n).has_room(self.owner))

    def need_no_room(self) -> None:
        """Wait for room in no switch."""
        for switch in self._switches:
            switch.flow_table.room.forget(self.owner)

    async def set(self, switch: int, flows: Sequence[Flow], *, elsewhere: Sequence[Flow] = ()) -> None:
        """Replace the flows in a switch, then in each other that is connected; raises as `FlowTable.set_flows` for the first."""
        async with self._own(switch, flows, elsewhere) as table:
            await table.set_flows(self.owner, flows)

    async def remove(self, switch: int, *, but: Sequence[Flow]) -> dict[Role, FlowCount]:
        """Leave a switch no flows but some, and the others none; return as `FlowTable.remove_flows`, and raise as it."""
        async with self._own(switch, but, ()) as table:
            return _by_role(await table.remove_flows(self.owner, FORWARDING_ROLES, but=but))

    async def counts(self, switch: int) -> dict[Role, FlowCount]:
        """Return the counters of the flows that forward; raises as `FlowTable.counts`."""
        return _by_role(await self._table(switch).counts(self.owner, FORWARDING_ROLES))

    async def probe(self, switch: int) -> None:
        """Return when a switch has answered; raises as `Switch.probe`."""
        await self._switches[switch].probe()

    def sample(self, switch: int, flows: Sequence[Flow]) -> None:
        """Have a switch show packets by these flows soon; raises as `Sampler.request`."""
        self._table(switch).sampler.request(flows)

    def inject(self, port: SwitchPort, frame: bytes) -> None:
        """Have a switch treat a frame as one that came in by a port; raises as `FlowTable.inject`."""
        self._table(port.switch).inject(port.number, frame)

    async def clear(self, switch: int) -> None:
        """Remove all flows: from the call's own switch, and from the others soon; send nothing if there are none."""
        with suppress(OpenFlowError):
            await self.set(switch, ())

    async def settled(self) -> None:
        """Return when the other switches have what they should, or after a moment."""
        if self._changing:
            await asyncio.wait(self._changing.values(), timeout=_SETTLED_WITHIN)

    def abandon(self) -> None:
        """Leave what flows are left to the next comparison with each switch."""
        for task in self._changing.values():
            task.cancel()
        for switch in self._switches:
            switch.flow_table.doubt(self.owner)

    def _table(self, switch: int) -> FlowTable:
        return self._switches[switch].flow_table

    def _note(self, switch: int, flows: Sequence[Flow]) -> None:
        (self._placed.add if flows else self._placed.discard)(switch)

    @asynccontextmanager
    async def _own(
        self, switch: int, flows: Sequence[Flow], elsewhere: Sequence[Flow]
    ) -> AsyncIterator[FlowTable]:
        """Change the call's own switch in the block, once no earlier change of it is under way, and begin with the others then."""
        self._note(switch, flows)
        self._wanted.pop(switch, None)
        if switch in self._changing:
            await asyncio.wait([self._changing[switch]])
        try:
            yield self._table(switch)
        finally:
            for number, each in enumerate(self._switches):
                wanted = elsewhere if each.flow_table.is_attached else ()
                if number != switch and (wanted or number in self._placed):
                    self._note(number, wanted)
                    self._wanted[number] = wanted
                    if number not in self._changing:
                        self._changing[number] = asyncio.create_task(self._change(number))

    async def _change(self, switch: int) -> None:
        """Carry out what is wanted of a switch that is not the call's own, the latest of it."""
        try:
            while switch in self._wanted:
                with suppress(OpenFlowError):  # the call does without what this one would show
                    await self._table(switch).set_flows(self.owner, self._wanted.pop(switch))
        finally:
            del self._changing[switch]


def _by_role(counts: Mapping[int, FlowCount]) -> dict[Role, FlowCount]:
    return {Role(role): count for role, count in counts.items()}
