"""What is recorded of one call's media: its log, its last moves, and its part in the figures of all calls."""

from collections import deque
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from stasis_offload.calls.statistics import Statistics
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.roles import Role
from stasis_offload.media.state import Placement, State

# Of a call that is tried again and again there is no end of moves.
KEPT_MOVES = 20
_STATE_LOGS = {
    State.RELAYED: "media.relayed",
    State.LEARNING: "media.learning",
    State.OFFLOADED: "media.offloaded",
}


@dataclass(frozen=True, slots=True)
class Move:
    """A change of what carries a call's media, or of the reason, at a moment (loop time, s)."""

    at: float
    state: State
    reason: Reason | None


class MediaRecord:
    """The record of one call: `moves` are the last ones, `carried` is whether the switch ever carried it."""

    def __init__(self, statistics: Statistics, *, log: FilteringBoundLogger) -> None:
        self.moves: deque[Move] = deque(maxlen=KEPT_MOVES)
        self.carried = False
        self._statistics = statistics
        self._log = log
        self._returned_at: float | None = None

    def note_packet_in(self, role: Role) -> None:
        """Count a packet that the switch has shown."""
        self._statistics.packet_ins[role] += 1

    def note_step(self, before: Placement, after: Placement, now: float) -> None:
        """Record what a step of the media machine has changed."""
        if (after.state, after.reason) != (before.state, before.reason):
            self._note_move(before, after, now)
        for leg in after.strangers.keys() - before.strangers.keys():
            self._log.info("media.strangers", leg=leg, source=str(after.strangers[leg].source))
        if after.is_verified and not before.is_verified:
            self._log.debug("media.verified", ms=round((now - after.since) * 1000))

    def _note_move(self, before: Placement, after: Placement, now: float) -> None:
        self.moves.append(Move(now, after.state, after.reason))
        self._statistics.note_move(before, after, now)
        self.carried = self.carried or after.state is State.OFFLOADED
        if before.state is State.OFFLOADED and after.state is not State.OFFLOADED:
            self._returned_at = now
        unheard = after.reason and after.reason.kind is ReasonKind.NOT_RECEIVED
        log = self._log.warning if unheard else self._log.debug
        log(
            _STATE_LOGS[after.state],
            reason=str(after.reason) if after.reason else None,
            detail=after.reason.detail if after.reason else None,
            was=before.state,
        )

    def note_removed(self, now: float) -> None:
        """Record that the flows of the stay that has ended are removed."""
        if self._returned_at is not None:
            self._statistics.returning.observe(now - self._returned_at)
        self._returned_at = None
