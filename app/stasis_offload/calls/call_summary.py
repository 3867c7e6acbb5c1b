"""What a call was, in the one line that the log has of it at level info."""

from stasis_offload.media.path import Leg
from stasis_offload.media.quality import Quality
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.state import Placement, State

# So many of the last reasons are shown.
_REASONS = 5
# What every call begins and ends with says nothing of this one.
_OF_EVERY_CALL = (ReasonKind.NOT_CONNECTED, ReasonKind.ENDED)


class CallSummary:
    """Follows the media of one call; times in seconds of the loop's clock.

    `moves` counts how often the media has moved into the switch, `offloaded` is how long it was there in all, `reasons` why it
    was not, of late and in order.
    """

    def __init__(self, began: float) -> None:
        self.began = began
        self.moves = 0
        self.offloaded = 0.0
        self.reasons: list[str] = []
        self._answered: float | None = None
        self._since: float | None = None

    def answer(self, now: float) -> None:
        """Note that the two parties can talk, the first time."""
        if self._answered is None:
            self._answered = now

    def note(self, placement: Placement, now: float) -> None:
        """Note where the media is from this moment on, and why."""
        is_offloaded = placement.state is State.OFFLOADED
        if is_offloaded and self._since is None:
            self._since = now
            self.moves += 1
        elif self._since is not None and not is_offloaded:
            self.offloaded += now - self._since
            self._since = None
        reason = placement.reason
        if placement.state is State.RELAYED and reason and reason.kind not in _OF_EVERY_CALL:
            self._note_reason(str(reason))

    def _note_reason(self, reason: str) -> None:
        if self.reasons[-1:] != [reason]:
            self.reasons = [*self.reasons, reason][-_REASONS:]

    def fields(self, placement: Placement, quality: Quality, now: float) -> dict[str, object]:
        """Return what the line says of the whole call, at its end: seconds, packets, and for each leg what it heard."""
        offloaded = self.offloaded + (0 if self._since is None else now - self._since)
        return {
            "duration": round(now - self.began, 1),
            "talked": None if self._answered is None else round(now - self._answered, 1),
            "offloaded": round(offloaded, 1),
            "moves": self.moves,
            "reasons": self.reasons,
            "packets": {str(leg): placement.forwarded(leg).packets for leg in Leg},
            "quality": {str(leg): quality.of(leg).variable() for leg in Leg},
            "partial": placement.partial,
        }
