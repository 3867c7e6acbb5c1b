"""How many mirrored packets of one call are processed: nobody who sends to its ports can keep the application busy."""

from collections import Counter
from collections.abc import Mapping

from stasis_offload.media.roles import Duty, Role

# Packets a second, and at once, of each leg. A phone sends a report every few seconds, and some a dozen STUN requests at once;
# each of them is answered. A leg that is learned sends 100 a second at most.
_LIMITS: Mapping[Duty, tuple[float, float]] = {
    Duty.GUARD_IN: (20.0, 50.0),
    Duty.RTCP: (10.0, 50.0),
    Duty.RTCP_DROP: (10.0, 50.0),
    Duty.RTCP_OUT: (10.0, 50.0),
    Duty.LEARN_IN: (1000.0, 500.0),
}


class PacketBudget:
    """A token bucket for each role. `refused` counts the packets that were beyond it, by role."""

    def __init__(self) -> None:
        self.refused: Counter[Role] = Counter()
        self._left: dict[Role, tuple[float, float]] = {}

    def admits(self, role: Role, now: float) -> bool:
        """Return whether a packet that a flow of this role mirrored is processed; one that is not is as lost on the way."""
        limit = _LIMITS.get(role.duty)
        if limit is None:
            return True
        rate, most = limit
        left, at = self._left.get(role, (most, now))
        left = min(most, left + rate * (now - at))
        admitted = left >= 1
        self._left[role] = (left - 1 if admitted else left, now)
        if not admitted:
            self.refused[role] += 1
        return admitted
