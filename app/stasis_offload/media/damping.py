"""Damping in the terms of RFC 2439: growing waits between queries of a call, and suppression while it flaps."""

from dataclasses import dataclass, replace

# Seconds until the first query after a change is repeated; each failure doubles the wait.
FIRST_WAIT = 0.005
MAX_DOUBLINGS = 18
# The seconds in which returns_per_minute counts.
MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Damping:
    """The damping of one call, as an immutable value. Times are seconds of one monotonic clock.

    `failures` counts the queries since the last change after which the call was not offloaded. `returns` are the times
    of its returns to Asterisk within the last minute. The call is suppressed until `suppressed_until`.
    """

    failures: int = 0
    returns: tuple[float, ...] = ()
    suppressed_until: float = 0.0

    def wait(self, most: float) -> float:
        """Return the seconds to wait before the next query, at most `most`."""
        return min(FIRST_WAIT * 2.0 ** min(self.failures, MAX_DOUBLINGS), most)

    def with_failure(self) -> "Damping":
        """Record a query after which the call was not offloaded."""
        return replace(self, failures=self.failures + 1)

    def reset(self) -> "Damping":
        """Restart the series of waits: the call has changed."""
        return replace(self, failures=0)

    def with_return(self, now: float, *, most: int, wait: float) -> "Damping":
        """Record a return to Asterisk; suppress the call for `wait` seconds after more than `most` within a minute."""
        returns = (*(at for at in self.returns if now - at < MINUTE), now)
        if len(returns) <= most:
            return replace(self, returns=returns)
        return replace(self, returns=(), suppressed_until=now + wait)

    def is_suppressed(self, now: float) -> bool:
        """Return whether the call is suppressed, so that it must stay relayed."""
        return now < self.suppressed_until
