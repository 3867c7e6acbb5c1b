"""The calls that ended within the last hour, as far as memory is set aside for them. No I/O."""

from dataclasses import dataclass

from stasis_offload.calls.media_record import Move
from stasis_offload.calls.views import CallView

# Seconds.
KEPT_FOR = 3600.0
# So many take some 5 MB. Of more, those that ended last.
MOST = 2000


@dataclass(frozen=True, slots=True)
class EndedCall:
    """A call as it was when it ended, its last moves, and when that was (loop time, s)."""

    view: CallView
    moves: tuple[Move, ...]
    at: float


class EndedCalls:
    """By the id of the call; one that the same caller makes again takes the place of the earlier one."""

    def __init__(self, *, most: int = MOST) -> None:
        self._most = most
        self._calls: dict[str, EndedCall] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, ended: EndedCall) -> None:
        """Add a call that has just ended."""
        self._calls.pop(ended.view.call, None)
        self._calls[ended.view.call] = ended
        self._forget(ended.at)

    def get(self, call: str, now: float) -> EndedCall | None:
        """Find a call."""
        self._forget(now)
        return self._calls.get(call)

    def _forget(self, now: float) -> None:
        while self._calls:
            oldest = next(iter(self._calls.values()))
            if len(self._calls) <= self._most and now - oldest.at <= KEPT_FOR:
                return
            del self._calls[oldest.view.call]
