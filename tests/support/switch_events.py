"""A Switch of ours, connected while a block runs, and what it tells, in order."""

import asyncio
import math
import tempfile
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import IntEnum
from pathlib import Path
from typing import TypeVar

from stasis_offload.openflow.channel import Timeouts
from stasis_offload.openflow.decode import Framer
from stasis_offload.openflow.endpoint import Endpoint, Unix
from stasis_offload.openflow.events import Event, SwitchUp
from stasis_offload.openflow.switch import Switch

SECONDS = 60.0  # until an event that has to come counts as missing

Told = TypeVar("Told")


class Events:
    """Events in the order in which they were told."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event] = asyncio.Queue()

    def tell(self, event: Event) -> None:
        self._queue.put_nowait(event)

    async def next(self, kind: type[Told]) -> Told:
        """Return the next event of a kind, within the deadline, and forget those before it."""
        async with asyncio.timeout(SECONDS):
            while True:
                event = await self._queue.get()
                if isinstance(event, kind):
                    return event

    def rest(self) -> list[Event]:
        """Return the events that nobody has waited for."""
        return [self._queue.get_nowait() for _ in range(self._queue.qsize())]


class Kind(IntEnum):
    """What we send that tests count (ofp_type, OpenFlow 1.3.5, 7.1.1)."""

    EXPERIMENTER = 4
    PACKET_OUT = 13
    FLOW_MOD = 14
    MULTIPART_REQUEST = 18


@asynccontextmanager
async def tapped(endpoint: Unix, *, rate: float = math.inf) -> AsyncIterator[tuple[Unix, Counter[int]]]:
    """Stand between us and a switch, and count what we send it, by kind; it sends us `rate` bytes a second."""
    sent: Counter[int] = Counter()

    meetings: dict[asyncio.Task[None] | None, tuple[StreamWriter, ...]] = {}

    async def relay(reader: StreamReader, writer: StreamWriter, framer: Framer | None = None) -> None:
        while data := await reader.read(1 << 16):
            if framer:
                sent.update(message.kind for message in framer.feed(data))
            else:
                await asyncio.sleep(len(data) / rate)
            writer.write(data)
        writer.close()

    async def meet(reader: StreamReader, writer: StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(endpoint.path)
        meetings[asyncio.current_task()] = (writer, back)
        with suppress(ConnectionError):
            await asyncio.gather(relay(reader, back, Framer()), relay(there, writer))

    with tempfile.TemporaryDirectory(prefix="ovs-test-") as directory:
        path = Path(directory) / "tap.sock"
        server = await asyncio.start_unix_server(meet, path)
        try:
            yield Unix(str(path)), sent
        finally:
            server.close()
            for meeting, writers in meetings.items():
                for writer in writers:
                    writer.transport.abort()
                if meeting:
                    await meeting


@asynccontextmanager
async def running(
    endpoint: Endpoint,
    *,
    timeouts: Timeouts | None = None,
    datapath_id: str = "",
    instance: int = 0,
    application: int = 0,
    adds_table_miss: bool = False,
) -> AsyncIterator[tuple[Switch, Events]]:
    """Keep a switch connected until the block ends."""
    events = Events()
    switch = Switch(
        endpoint,
        events.tell,
        timeouts=timeouts,
        datapath_id=datapath_id,
        instance=instance,
        application=application,
    )
    switch.adds_table_miss = adds_table_miss
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(switch.run())
        try:
            yield switch, events
        finally:
            run.cancel()


@asynccontextmanager
async def connected(
    endpoint: Endpoint, *, timeouts: Timeouts | None = None, instance: int = 0, application: int = 0
) -> AsyncIterator[tuple[Switch, Events]]:
    """Keep a switch connected until the block ends, which begins when it is up."""
    async with running(endpoint, timeouts=timeouts, instance=instance, application=application) as (
        switch,
        events,
    ):
        await events.next(SwitchUp)
        yield switch, events
