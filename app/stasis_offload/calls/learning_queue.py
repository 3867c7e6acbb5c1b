"""Which calls are learned, and which wait for their turn: many at once are more than a busy machine can do.

A call that is learned costs some 200 mirrored packets a second. When they are processed late, no moment for a cutover is
found, calls are learned for longer, and there are more of them.
"""

from collections.abc import Callable

# Usually a call is learned for less than 50 ms; one of which a leg is silent, for a second.
MOST = 4


class LearningQueue:
    """The calls that are learned, MOST at most, and those that wait for that, in their order."""

    def __init__(self, *, most: int = MOST) -> None:
        self._most = most
        self._learned: set[str] = set()
        self._waiting: dict[str, Callable[[], object]] = {}

    def has_room(self, call: str) -> bool:
        """Return whether a call may be learned."""
        return call in self._learned or len(self._learned) < self._most

    def add(self, call: str) -> None:
        """Record that a call is learned."""
        self._waiting.pop(call, None)
        self._learned.add(call)

    def wait(self, call: str, admit: Callable[[], object]) -> None:
        """Let a call wait; `admit` is called when it is its turn, and room is kept for it until `add` or `remove`."""
        self._waiting[call] = admit

    def remove(self, call: str) -> None:
        """Record that a call is not learned, and does not wait, and let the next ones in."""
        self._waiting.pop(call, None)
        self._learned.discard(call)
        while self._waiting and len(self._learned) < self._most:
            admitted = next(iter(self._waiting))
            admit = self._waiting.pop(admitted)
            self._learned.add(admitted)
            admit()
