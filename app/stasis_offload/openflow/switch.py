"""The connection to the switch, reconnected whenever it ends. Flows that are right stay (docs/decisions/0010).

They do while the gate's lease lasts, which ends 6 s after the last renewal. A connection on which the gate is not found, or the
first one, begins with a sweep.

The sweep is of all flows of our instance (instance.py). If another application is that, or has become it while we were away,
it is left to that one until its lease has ended: else each would delete the other's flows as soon as it is connected.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from itertools import count
from typing import NoReturn

import structlog

from stasis_offload.errors import OpenFlowError, SwitchUnavailableError
from stasis_offload.measures import Requests
from stasis_offload.openflow import decode, encode
from stasis_offload.openflow.channel import Channel, Timeouts, open_channel
from stasis_offload.openflow.decode import Message, MessageKind
from stasis_offload.openflow.describe import describe, read_features, read_flows, read_sizes, read_tables
from stasis_offload.openflow.endpoint import Endpoint
from stasis_offload.openflow.events import (
    Event,
    FlowRemoved,
    PacketIn,
    Port,
    PortDown,
    Refused,
    Removal,
    SeenFlow,
    SwitchDescription,
    SwitchDown,
    SwitchUp,
)
from stasis_offload.openflow.flow_table import FlowTable
from stasis_offload.openflow.flowmod import Cookies
from stasis_offload.openflow.gate import OTHER_OPENS_WITHIN, RENEW_EVERY, Contents, Gates
from stasis_offload.openflow.instance import Instance
from stasis_offload.openflow.room import limits_of
from stasis_offload.openflow.table_miss import add_table_miss

log = structlog.get_logger(__name__)

FIRST_DELAY = 0.1  # seconds from the start of one attempt to connect to the start of the next
MAX_DELAY = 1.0  # much less than the gate's lease

# Turns of what looks after the flows: 10 s, in which a switch that restarts may restore flows it had saved.
_RESTORED_WITHIN = 5
# Turns from one window of samples to the next, and from one comparison to the next.
_SAMPLED_EVERY = 5
# Turns: a minute, after which the tables may take less than they did. Open vSwitch's answer has 1.5 MB.
_MEASURED_EVERY = 30
# Seconds between two looks for the gate, when the switch may be about to restore it.
_LOOK_EVERY = 0.1

# Whether the lease ended (FlowRemoved).
_GATE_GONE = {
    True: "the flows that lead to ours were not renewed in time",
    False: "the flows that lead to ours were deleted: by another program, or the switch ends",
}


class Switch:
    """One OVS bridge, which `run` keeps connected. `on_event` is called in order, and must not block.

    A bridge of another id than `datapath_id`, 16 hexadecimal digits, gets nothing; empty for any. `application` says who we
    are to those who would be the same `instance` there (gate.py). `measured` is of all requests to the switch; `name` is the
    operator's, empty if there is but this one; `adds_table_miss` if nobody else says what becomes of packets that no flow takes
    (table_miss.py).
    """

    def __init__(
        self,
        endpoint: Endpoint,
        on_event: Callable[[Event], None],
        *,
        timeouts: Timeouts | None = None,
        datapath_id: str = "",
        instance: int = 0,
        application: int = 0,
    ) -> None:
        self.measured = Requests()
        self.name = ""
        self.adds_table_miss = False
        self._endpoint = endpoint
        self._datapath_id = datapath_id
        self._on_event = on_event
        self._timeouts = timeouts or Timeouts()
        self._instance = Instance(instance)
        self._table = FlowTable(self._instance)
        self._gates = Gates(self._instance, application)
        self._ports: tuple[Port, ...] = ()
        self._others = Counter[int]()
        self._deleted = False
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
                delay = FIRST_DELAY if self._table.is_attached else min(2 * delay, MAX_DELAY)
                self._report_down(str(error))
            await asyncio.sleep(began + delay - loop.time())

    @property
    def title(self) -> str:
        """What the switch is called where other things are named, too."""
        return f"switch {self.name}" if self.name else "switch"

    @property
    def named(self) -> dict[str, str]:
        """The field of the log by which the switch is known among several."""
        return {"switch": self.name} if self.name else {}

    @property
    def flow_table(self) -> FlowTable:
        """Our flows in the switch."""
        return self._table

    @property
    def splits(self) -> bool:
        """Whether the switch that was connected last can tell packets apart by their size."""
        return self._splits

    async def _serve(self) -> NoReturn:
        async with open_channel(self._endpoint, on_message=self._receive, timeouts=self._timeouts) as channel:
            channel.measured = self.measured
            # No more than this: to whoever asks for more, Open vSwitch leaves what is forwarded (is_admitted_msg in lib/rconn.c).
            features = await read_features(channel)
            found_id = f"{features[0]:016x}"
            if self._datapath_id not in ("", found_id):
                raise SwitchUnavailableError(
                    f"{self._endpoint} is datapath {found_id}, not {self._datapath_id}"
                )
            if self.adds_table_miss:
                await self._add_table_miss(channel)
            description = await describe(channel, self._instance, features)
            if description.missing:
                raise OpenFlowError(f"the switch lacks {'; '.join(map(str, description.missing))}")
            self._gates.bridge = description.bridge
            await subscribe(channel)
            found = await self._find(channel)
            await self._count_others(channel, found)
            self._measure(description.most)
            gate = self._gates.gate
            kept = gate is not None and gate.is_open(found)
            if gate and not kept:
                gate.leased_until = 0.0
            self._gates.refuse_other(found)
            if gate is None or not kept:
                await self._table.sweep(channel)
                gate, found = self._gates.begin(), {}
            self._table.attach(channel)
            ended = await self._table.settle(found, self._gates)
            await gate.open(channel)
            self._splits = description.splits
            self._on_event(SwitchUp(description, kept=kept))
            self._tell(self._ports_gone(description))
            self._tell(ended)
            await self._keep(channel)

    async def _add_table_miss(self, channel: Channel) -> None:
        try:
            if await add_table_miss(channel):
                log.warning("switch.table_miss_added", **self.named, was="table 0 had no flow but ours")
        except SwitchUnavailableError:
            raise
        except OpenFlowError as error:
            log.warning("switch.table_miss_unknown", **self.named, error=str(error))

    async def _find(self, channel: Channel) -> Contents:
        """Return what the switch has of ours, but no earlier gate, once it has our gate, or is not about to get it back.

        Whoever deleted the gate is another application that opens one of its own, or a switch that restarts: it may write
        back what it had saved. No gate but the present one is to lead there to flows that may be outdated.
        """
        deadline = asyncio.get_running_loop().time() + OTHER_OPENS_WITHIN
        while True:
            found = await self._table.read(channel)
            earlier = self._gates.earlier(found)
            await remove(channel, earlier)
            gate = self._gates.gate
            if not self._deleted or (gate and gate.is_open(found)):
                return {cookie: contents for cookie, contents in found.items() if cookie not in earlier}
            await asyncio.sleep(_LOOK_EVERY)
            self._deleted = asyncio.get_running_loop().time() < deadline

    async def _count_others(self, channel: Channel, found: Contents) -> None:
        """Count the flows in each table that are not among ours, which were `found` there; some of those may have ended since."""
        sizes = Counter(await read_sizes(channel))
        self._others = sizes - Counter(content[0] for contents in found.values() for content in contents)

    def _measure(self, most: Mapping[int, int]) -> None:
        """Learn for how many calls there is room in tables that take so many flows."""
        limits = limits_of(most, self._others, self._instance)
        full = [table for table, limit in limits.items() if limit < 0]
        if full:
            text = f"table {full[0]} of the switch has no room for the flows that lead to ours: it takes {most[full[0]]}"
            raise OpenFlowError(text)
        self._table.room.set_limits(limits)

    def _ports_gone(self, description: SwitchDescription) -> list[PortDown]:
        """Return which ports are not there any more since the last connection."""
        now = {port.number for port in description.ports}
        gone = [PortDown(port.number) for port in self._ports if port.number not in now]
        self._ports = description.ports
        return gone

    async def sweep(self) -> None:
        """Remove every flow of ours, and then the gate for good: for the end of this process.

        Raises as `FlowTable.sweep`.
        """
        channel, self._gates.gate = self._table.channel, None
        await self._table.sweep(channel)

    async def probe(self) -> None:
        """Return when the switch has answered; raises as `Channel.send_and_confirm`."""
        channel = self._table.channel
        await channel.send_and_confirm(channel.new_xid(), b"")

    async def describe(self) -> tuple[SwitchDescription, tuple[SeenFlow, ...]]:
        """Query the connected switch, and all its flows; raises as `FlowTable.channel` and `Channel.request`."""
        channel = self._table.channel
        features = await read_features(channel)
        return await describe(channel, self._instance, features), await read_flows(channel)

    async def _keep(self, channel: Channel) -> NoReturn:
        """Renew the gate's lease, and look after what is behind it, until the connection ends; raises as these do.

        No renewal waits for an answer: behind a large one its own comes late, and the renewal itself does not.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_after(channel))
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(loop.time() + RENEW_EVERY):
                        await channel.closed()
                tasks.create_task(self._renew(channel))

    async def _renew(self, channel: Channel) -> None:
        if self._gates.gate:
            await self._gates.gate.renew(channel)

    async def _look_after(self, channel: Channel) -> NoReturn:
        """Keep the gate, show what is to be sampled, compare the flows, measure the tables; raises as these do."""
        turns, loop = count(), asyncio.get_running_loop()
        due = loop.time() + RENEW_EVERY
        while True:
            await asyncio.sleep(due - loop.time())
            due = loop.time() + RENEW_EVERY
            gate, turn = self._gates.gate, next(turns)
            if gate is None:
                continue
            if turn % _SAMPLED_EVERY == 0:
                # Sent together, they cost the switch one translation of its datapath flows.
                await asyncio.gather(gate.open(channel), self._table.sampler.show(channel))
            gone: list[FlowRemoved] = []
            if turn < _RESTORED_WITHIN or turn % _SAMPLED_EVERY == 0:
                gone = await self._table.audit(self._gates)
                self._tell(gone)
            if gone or self._table.room.is_doubtful or turn % _MEASURED_EVERY == _MEASURED_EVERY - 1:
                tables = await read_tables(channel, self._instance)
                self._measure({table: each.most for table, each in tables.items()})

    def _tell(self, events: Iterable[Event]) -> None:
        for event in events:
            self._on_event(event)

    def _report_down(self, reason: str) -> None:
        gate, now = self._gates.gate, asyncio.get_running_loop().time()
        if self._table.is_attached or reason != self._down.reason:
            self._down = SwitchDown(reason, grace=max(0.0, gate.leased_until - now) if gate else 0.0)
            self._table.detach(reason)
            self._on_event(self._down)

    def _receive(self, message: Message) -> None:
        if message.kind == MessageKind.PORT_STATUS:
            down = decode.parse_port_status(message)
            if down and self._table.is_attached:
                self._on_event(down)
            return
        if message.kind == MessageKind.ERROR:
            self._on_event(Refused(decode.parse_error(message)))
            return
        if message.kind == MessageKind.PACKET_IN:
            event: PacketIn | FlowRemoved = decode.parse_packet_in(message)
        else:
            event = decode.parse_flow_removed(message)
        if not self._table.is_attached or not self._instance.owns(event.cookie):
            return
        if event.cookie in self._gates.present:
            # No packet reaches our flows any more: Asterisk relays all calls, which must begin again from there.
            self._deleted = not (isinstance(event, FlowRemoved) and event.reason is Removal.HARD)
            if not self._deleted:
                self._gates.gate = None
            self._table.channel.close(_GATE_GONE[not self._deleted])
            return
        if isinstance(event, PacketIn) or self._table.note_removed(event):
            self._on_event(event)


async def subscribe(channel: Channel) -> None:
    """Have the switch send packet-ins, flow-removed and port-status; raises as `Channel.request`."""
    xid = channel.new_xid()
    (answer,) = await channel.request(xid, encode.config_request(xid), MessageKind.GET_CONFIG_REPLY)
    xid = channel.new_xid()
    await channel.send_and_confirm(xid, encode.subscribe(xid, flags=decode.parse_config(answer)))


async def remove(channel: Channel, cookies: Collection[int]) -> None:
    """Remove the flows with these cookies; raises as `Channel.send_and_confirm`."""
    if cookies:
        xid = channel.new_xid()
        await channel.send_and_confirm(xid, encode.change_flows(xid, remove=map(Cookies, sorted(cookies))))
