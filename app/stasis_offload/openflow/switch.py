"""The connection to the switch, reconnected whenever it ends. Each connection begins with a sweep of our flows.

The sweep is of every application's flows. When another one's sweep has deleted our gate, the bridge is left to it, until it
has no gate any more: else each would delete the other's flows as soon as it is connected.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import NoReturn

from stasis_offload.errors import OpenFlowError, SwitchUnavailableError
from stasis_offload.openflow import decode, encode
from stasis_offload.openflow.channel import Channel, Timeouts, open_channel
from stasis_offload.openflow.decode import Message, MessageKind
from stasis_offload.openflow.describe import describe
from stasis_offload.openflow.endpoint import Endpoint
from stasis_offload.openflow.events import (
    Event,
    FlowRemoved,
    PacketIn,
    Removal,
    SwitchDown,
    SwitchUp,
)
from stasis_offload.openflow.flow import is_ours
from stasis_offload.openflow.flow_table import FlowTable
from stasis_offload.openflow.gate import OTHER_OPENS_WITHIN, RENEW_EVERY, Gate

FIRST_DELAY = 0.1  # seconds from the start of one attempt to connect to the start of the next
MAX_DELAY = 5.0

# Renewals: 10 s, in which a switch that restarts may restore flows it had saved.
_RESTORED_WITHIN = 5
# Renewals.
_SAMPLED_EVERY = 5

# Whether the lease ended (FlowRemoved).
_GATE_GONE = {
    True: "the flows that lead to ours were not renewed in time",
    False: "the flows that lead to ours were deleted: by another program, or the switch ends",
}


class Switch:
    """One OVS bridge, which `run` keeps connected. `on_event` is called in order, and must not block."""

    def __init__(
        self, endpoint: Endpoint, on_event: Callable[[Event], None], *, timeouts: Timeouts | None = None
    ) -> None:
        self._endpoint = endpoint
        self._on_event = on_event
        self._timeouts = timeouts or Timeouts()
        self._table: FlowTable | None = None
        self._gate: Gate | None = None
        self._gates: set[int] = set()
        self._may_have_other = False
        self._splits = False
        self._down = SwitchDown(f"not connected to {endpoint} yet")

    async def run(self) -> NoReturn:
        """Connect, and reconnect whenever the connection ends, with growing delays while that fails.

        Only cancellation ends it, nothing that a switch does.
        """
        loop = asyncio.get_running_loop()
        delay = FIRST_DELAY
        while True:
            began = loop.time()
            try:
                await self._serve()
            except OpenFlowError as error:
                delay = FIRST_DELAY if self._table is not None else min(2 * delay, MAX_DELAY)
                self._report_down(str(error))
            finally:
                self._table = None
            await asyncio.sleep(began + delay - loop.time())

    @property
    def flow_table(self) -> FlowTable:
        """Our flows in the switch, valid for the present connection.

        Raises:
            SwitchUnavailableError: there is no connection.

        """
        if self._table is None:
            raise SwitchUnavailableError(f"no connection to the switch: {self._down.reason}")
        return self._table

    @property
    def splits(self) -> bool:
        """Whether the switch that was connected last can tell packets apart by their size."""
        return self._splits

    async def _serve(self) -> NoReturn:
        async with open_channel(self._endpoint, on_message=self._receive, timeouts=self._timeouts) as channel:
            description = await describe(channel)
            table = FlowTable(channel)
            gate = Gate(channel)
            if self._may_have_other:
                await asyncio.sleep(OTHER_OPENS_WITHIN)
                await Gate.refuse_other(channel, self._gates)
            self._may_have_other = False
            self._gates.add(gate.cookie)
            await table.sweep()
            await gate.open()
            xid = channel.new_xid()
            await channel.send_and_confirm(xid, encode.subscribe(xid))
            self._table, self._gate, self._splits = table, gate, description.splits
            self._on_event(SwitchUp(description))
            await self._keep(channel, table)

    async def sweep(self) -> None:
        """Remove every flow of ours, and then the gate for good: for the end of this process.

        Raises as `FlowTable.sweep`.
        """
        table, self._gate = self.flow_table, None
        await table.sweep()

    async def probe(self) -> None:
        """Return when the switch has answered; raises as `Channel.send_and_confirm`."""
        channel = self.flow_table.channel
        await channel.send_and_confirm(channel.new_xid(), b"")

    async def _keep(self, channel: Channel, table: FlowTable) -> NoReturn:
        """Renew the gate's lease, keep the gate, and show what is to be sampled, until the connection ends; raises as these do."""
        renewals = count()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RENEW_EVERY):
                    await channel.closed()
            if self._gate:
                renewal = next(renewals)
                if renewal < _RESTORED_WITHIN:
                    await table.remove_unknown(self._gate.cookie)
                if renewal % _SAMPLED_EVERY:
                    await self._gate.renew()
                else:  # sent together, gate and samples cost the switch one translation of its datapath flows
                    await asyncio.gather(self._gate.open(), table.sampler.show())

    def _report_down(self, reason: str) -> None:
        down = SwitchDown(reason)
        if self._table is not None or down != self._down:
            self._down = down
            self._table = None
            self._on_event(down)

    def _receive(self, message: Message) -> None:
        if message.kind == MessageKind.PORT_STATUS:
            down = decode.parse_port_status(message)
            if down and self._table:
                self._on_event(down)
            return
        if message.kind == MessageKind.PACKET_IN:
            event: PacketIn | FlowRemoved = decode.parse_packet_in(message)
        else:
            event = decode.parse_flow_removed(message)
        if self._table is None or not is_ours(event.cookie):
            return
        if self._gate and event.cookie == self._gate.cookie:
            # No packet reaches our flows any more: Asterisk relays all calls, which must begin again from there.
            expired = isinstance(event, FlowRemoved) and event.reason is Removal.HARD
            self._may_have_other = not expired
            self._table.channel.close(_GATE_GONE[expired])
            return
        if isinstance(event, PacketIn) or self._table.note_removed(event):
            self._on_event(event)
