"""A Switch of ours, connected while a block runs, and what it tells, in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from stasis_offload.openflow.channel import Patience
from stasis_offload.openflow.endpoint import Endpoint
from stasis_offload.openflow.events import Event, SwitchUp
from stasis_offload.openflow.switch import Switch

SECONDS = 15.0  # until an event that has to come counts as missing

Kind = TypeVar("Kind")


class Events:
    """Events in the order in which they were told."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event] = asyncio.Queue()

    def tell(self, event: Event) -> None:
        self._queue.put_nowait(event)

    async def next(self, kind: type[Kind]) -> Kind:
        """Return the next event of a kind, within the deadline, and forget those before it."""
        async with asyncio.timeout(SECONDS):
            while True:
                event = await self._queue.get()
                if isinstance(event, kind):
                    return event

    def rest(self) -> list[Event]:
        """Return the events that nobody has waited for."""
        return [self._queue.get_nowait() for _ in range(self._queue.qsize())]


@asynccontextmanager
async def running(
    endpoint: Endpoint, *, patience: Patience | None = None
) -> AsyncIterator[tuple[Switch, Events]]:
    """Keep a switch connected until the block ends."""
    events = Events()
    switch = Switch(endpoint, events.tell, patience=patience)
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(switch.run())
        try:
            yield switch, events
        finally:
            run.cancel()


@asynccontextmanager
async def connected(
    endpoint: Endpoint, *, patience: Patience | None = None
) -> AsyncIterator[tuple[Switch, Events]]:
    """Keep a switch connected until the block ends, which begins when it is up."""
    async with running(endpoint, patience=patience) as (switch, events):
        await events.next(SwitchUp)
        yield switch, events
