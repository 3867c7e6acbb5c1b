"""Which calls are learned, and which wait for their turn: many at once are more than a busy machine can do.

A call that is learned costs some 200 mirrored packets a second. When they are processed late, no moment for a cutover is
found, calls are learned for longer, and there are more of them. And no caller must wait for that: a call that is being set up
takes the place of one that is learned.
"""

from collections.abc import Callable

# Usually a call is learned for less than 50 ms; one of which a leg is silent, for a second.
MOST = 4
# Seconds for which a call is taken for being set up: until its target is dialled, if no subroutine keeps it waiting.
SET_UP_WITHIN = 1.0


class LearningQueue:
    """The calls that are learned, with those that are being set up `most` at once, and those that wait for that, in their order.

    One that waits costs nothing: nothing is asked about it, and none of its packets is mirrored.
    """

    def __init__(self, *, most: int = MOST) -> None:
        self._most = most
        self._learned: set[str] = set()
        self._waiting: dict[str, Callable[[], object]] = {}
        self._set_up: set[str] = set()

    def has_room(self, call: str) -> bool:
        """Return whether a call may be learned."""
        return call in self._learned or self._has_room()

    def _has_room(self) -> bool:
        return len(self._learned) + len(self._set_up) < self._most

    def begin_set_up(self, call: str) -> None:
        """Record that a caller has come, and waits to be dialled for."""
        self._set_up.add(call)

    def end_set_up(self, call: str) -> None:
        """Record that a caller's target is dialled, or that there is nothing to dial; let calls in that waited for it."""
        self._set_up.discard(call)
        self._admit()

    def add(self, call: str) -> None:
        """Record that a call is learned."""
        self._waiting.pop(call, None)
        self._learned.add(call)

    def wait(self, call: str, admit: Callable[[], object]) -> None:
        """Let a call wait; `admit` is called when it is its turn, and room is kept for it until `add` or `remove`."""
        self._waiting[call] = admit
        self._admit()

    def remove(self, call: str) -> None:
        """Record that a call is not learned, and does not wait, and let the next ones in."""
        self._waiting.pop(call, None)
        self._learned.discard(call)
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._has_room():
            admitted = next(iter(self._waiting))
            admit = self._waiting.pop(admitted)
            self._learned.add(admitted)
            admit()
