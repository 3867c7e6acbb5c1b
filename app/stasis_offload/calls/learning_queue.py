"""Which calls are learned, and which wait for their turn: many at once are more than a busy machine can do.

A call that is learned costs some 200 mirrored packets a second. When they are processed late, no moment for a cutover is
found, calls are learned for longer, and there are more of them. How long calls are learned therefore says how many may be
learned at once: one more after each that was learned quickly, the least after one that was not.
"""

import asyncio
from collections.abc import Callable

# How many calls are learned at once, at least and at most.
LEAST = 4
MOST = 16
# Seconds. Usually a call is learned for less than 50 ms; one of which a leg is silent, for a second.
QUICK = 0.1


class LearningQueue:
    """The calls that are learned, and those that wait for that, in their order.

    From `least` to `most` are learned at once.
    """

    def __init__(self, *, least: int = LEAST, most: int = MOST) -> None:
        self._least = least
        self._most = most
        self._room = least
        self._learned: dict[str, float] = {}
        self._waiting: dict[str, Callable[[], object]] = {}

    def has_room(self, call: str) -> bool:
        """Return whether a call may be learned."""
        return call in self._learned or len(self._learned) < self._room

    def add(self, call: str) -> None:
        """Record that a call is learned."""
        self._waiting.pop(call, None)
        self._learned.setdefault(call, _now())

    def wait(self, call: str, admit: Callable[[], object]) -> None:
        """Let a call wait; `admit` is called when it is its turn, and room is kept for it until `add` or `remove`."""
        self._waiting[call] = admit

    def remove(self, call: str) -> None:
        """Record that a call is not learned any more, or not yet, and does not wait, and let the next ones in."""
        self._waiting.pop(call, None)
        began = self._learned.pop(call, None)
        if began is not None:
            quick = _now() - began < QUICK
            self._room = min(self._room + 1, self._most) if quick else self._least
        while self._waiting and len(self._learned) < self._room:
            admitted = next(iter(self._waiting))
            admit = self._waiting.pop(admitted)
            self._learned[admitted] = _now()
            admit()


def _now() -> float:
    return asyncio.get_running_loop().time()
