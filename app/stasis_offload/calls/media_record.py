"""What is recorded of one call's media: its log, its last moves, how long it was where, and its part in the figures of all calls."""

from collections import deque
from dataclasses import dataclass
from itertools import groupby

from structlog.typing import FilteringBoundLogger

from stasis_offload.calls.statistics import Statistics
from stasis_offload.media.path import Leg
from stasis_offload.media.quality import Quality
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.roles import Role
from stasis_offload.media.state import Placement, State
from stasis_offload.openflow.events import Removal

# Of a call that is tried again and again there is no end of moves.
KEPT_MOVES = 20
# So many of the last reasons are in the one line that the log has of the call at level info.
_REASONS = 5
# What every call begins and ends with says nothing of this one.
_OF_EVERY_CALL = (ReasonKind.NOT_CONNECTED, ReasonKind.ENDED)
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
    """The record of one call; times in seconds of the loop's clock.

    `moves` are the last ones, `stays` is how often the media has moved into the switch, `answered` when the two parties could
    first talk.
    """

    def __init__(self, statistics: Statistics, *, log: FilteringBoundLogger) -> None:
        self.moves: deque[Move] = deque(maxlen=KEPT_MOVES)
        self.stays = 0
        self.answered: float | None = None
        self._offloaded = 0.0
        self._statistics = statistics
        self._log = log
        self._returned_at: float | None = None
        self._deleted_in = 0

    def note_answer(self, now: float) -> None:
        """Record that the two parties can talk; only the first time counts."""
        if self.answered is None:
            self.answered = now

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
        was, is_now = before.state is State.OFFLOADED, after.state is State.OFFLOADED
        if is_now and not was:
            self.stays += 1
        elif was and not is_now:
            self._offloaded += now - before.since
            self._returned_at = now
        unheard = after.reason and after.reason.kind is ReasonKind.NOT_RECEIVED
        log = self._log.warning if unheard else self._log.debug
        log(
            _STATE_LOGS[after.state],
            reason=str(after.reason) if after.reason else None,
            detail=after.reason.detail if after.reason else None,
            was=before.state,
        )

    def note_deleted(self, role: Role, reason: Removal) -> None:
        """Log that another program has deleted a flow; one of a dozen tells enough."""
        if self._deleted_in < self.stays:
            self._deleted_in = self.stays
            self._log.warning("flows.deleted_externally", role=role.name, reason=reason)

    def note_removed(self, now: float) -> None:
        """Record that the flows of the stay that has ended are removed."""
        if self._returned_at is not None:
            self._statistics.returning.observe(now - self._returned_at)
        self._returned_at = None

    def note_end(self, placement: Placement, quality: Quality, now: float) -> None:
        """Add the call, which has ended, to the figures of all."""
        self._statistics.note_end(
            placement,
            quality,
            carried=self.stays > 0,
            talked=self.talked(now),
            offloaded=self.offloaded(placement, now),
        )

    def talked(self, now: float) -> float:
        """Return for how long the two parties have been able to talk, 0 if they never were."""
        return 0.0 if self.answered is None else now - self.answered

    def offloaded(self, placement: Placement, now: float) -> float:
        """Return for how long the media was in the switch in all, the present stay included."""
        return self._offloaded + (now - placement.since if placement.state is State.OFFLOADED else 0.0)

    def summary(self, placement: Placement, quality: Quality, now: float) -> dict[str, object]:
        """Return what the log's one line says of the media: seconds, packets, and for each leg what it heard."""
        return {
            "talked": None if self.answered is None else round(self.talked(now), 1),
            "offloaded": round(self.offloaded(placement, now), 1),
            "moves": self.stays,
            "reasons": self._reasons(),
            "packets": {str(leg): placement.forwarded(leg).packets for leg in Leg},
            "quality": {str(leg): quality.of(leg).variable() for leg in Leg},
            "partial": placement.partial,
        }

    def _reasons(self) -> list[str]:
        """Return why the call was relayed of late, in order; one that was only tried and found again stands once."""
        relayed = (move.reason for move in self.moves if move.state is State.RELAYED)
        told = (str(reason) for reason in relayed if reason and reason.kind not in _OF_EVERY_CALL)
        return [reason for reason, _ in groupby(told)][-_REASONS:]
