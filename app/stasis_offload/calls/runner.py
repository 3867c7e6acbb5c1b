"""Runs a pure machine: one event at a time, its commands in order, an event at its deadline."""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    """The state of a pure machine: its deadline (loop time, s), and whether it has ended."""

    @property
    def deadline(self) -> float | None:
        """When the expiry event is due; None for never."""
        ...

    @property
    def over(self) -> bool:
        """Whether the machine has ended."""
        ...


# Seconds.
_MAX_DELAY = 0.05

S = TypeVar("S", bound=Timed)
E = TypeVar("E")
C = TypeVar("C")
T = TypeVar("T")


class MachineRunner(Generic[S, E, C]):
    """One running machine.

    `step` decides; `execute` carries out the commands of one step in their order and returns the events that answer
    them, which are processed before any that arrived meanwhile, but for those that pass (`beside`). `execute` must turn the errors it expects into events;
    any other exception ends `run`. `on_transition` receives each step (the state before, the event, the state after,
    the time of the step) once the state is stored, before the commands are carried out.

    The time of a step is that of its event's arrival. A deadline has expired only once all that had arrived is processed;
    but what arrives later delays that by _MAX_DELAY at most. A posted event takes the place of queued ones that it
    `supersedes` (newer, older): however slow the steps are, there is never more to do than the latest news.
    """

    def __init__(
        self,
        state: S,
        *,
        step: Callable[[S, E, float], tuple[S, tuple[C, ...]]],
        execute: Callable[[tuple[C, ...]], Awaitable[Iterable[E]]],
        expired: E,
        on_transition: Callable[[S, E, S, float], None] = lambda _before, _event, _after, _now: None,
        supersedes: Callable[[E, E], bool] = lambda _newer, _older: False,
    ) -> None:
        self.state = state
        self._step = step
        self._execute = execute
        self._expired = expired
        self._on_transition = on_transition
        self._supersedes = supersedes
        self._inbox: deque[tuple[E, float, asyncio.Event]] = deque()
        self._arrived = asyncio.Event()
        self._due: asyncio.TimerHandle | None = None
        self._ended = asyncio.Event()

    @property
    def queued(self) -> tuple[E, ...]:
        """The posted events that have yet to be processed, in their order."""
        return tuple(event for event, _, _ in self._inbox)

    def post(self, event: E) -> asyncio.Event:
        """Return an event that is set once the posted event and its commands are done, or `run` has ended."""
        handled = asyncio.Event()
        if self._ended.is_set():
            handled.set()
        else:
            for posted in tuple(self._inbox) if self._inbox else ():
                if self._supersedes(event, posted[0]):
                    self._inbox.remove(posted)
                    posted[2].set()
            self._inbox.append((event, _now(), handled))
            self._arrived.set()
        return handled

    async def beside(self, work: Awaitable[T], passes: Callable[[S, E], bool]) -> T:
        """Do work that `execute` waits for, and process meanwhile those posted events that pass, in their order."""
        passing = asyncio.create_task(self._pass(passes))
        try:
            return await work
        finally:
            passing.cancel()
            await asyncio.wait([passing])
            if not passing.cancelled():
                passing.result()  # a defect

    async def _pass(self, passes: Callable[[S, E], bool]) -> None:
        while True:
            passing = next((posted for posted in self._inbox if passes(self.state, posted[0])), None)
            if passing is None:
                self._arrived.clear()
                await self._arrived.wait()
            else:
                self._inbox.remove(passing)
                await self._process(*passing)

    async def run(self) -> None:
        """Process events until the machine has ended."""
        try:
            while not self.state.over:
                await self._process(*await self._next())
        finally:
            self._ended.set()
            if self._due:
                self._due.cancel()
            for _, _, waiting in self._inbox:
                waiting.set()
            self._inbox.clear()
            # Of whoever owns this runner: without the circle its memory is free at once, and needs no collector.
            del self._step, self._execute, self._on_transition

    async def _next(self) -> tuple[E, float, asyncio.Event]:
        deadline = math.inf if self.state.deadline is None else self.state.deadline
        if not self._inbox and deadline <= _now():
            await asyncio.sleep(0)
        while not self._inbox and _now() < deadline:
            self._wake_at(deadline)
            self._arrived.clear()
            await self._arrived.wait()
        # What arrived in the moment of the expiry comes before it.
        if self._inbox and (self._inbox[0][1] <= deadline or _now() - deadline <= _MAX_DELAY):
            return self._inbox.popleft()
        return self._expired, _now(), asyncio.Event()

    async def _process(self, event: E, arrived: float, handled: asyncio.Event) -> None:
        try:
            await self._handle(event, arrived)
        finally:
            handled.set()

    def _wake_at(self, deadline: float) -> None:
        """Have a timer of this deadline, which most events do not change."""
        if self._due and self._due.when() == deadline:
            return
        if self._due:
            self._due.cancel()
        loop = asyncio.get_running_loop()
        self._due = None if deadline == math.inf else loop.call_at(deadline, self._wake)

    def _wake(self) -> None:
        self._due = None
        self._arrived.set()

    async def _handle(self, event: E, now: float) -> None:
        events = deque([(event, now)])
        while events:
            before, (event, now) = self.state, events.popleft()
            self.state, commands = self._step(before, event, now)
            self._on_transition(before, event, self.state, now)
            if commands:
                answers = await self._execute(commands)
                events.extend((answer, _now()) for answer in answers)


def _now() -> float:
    return asyncio.get_running_loop().time()
