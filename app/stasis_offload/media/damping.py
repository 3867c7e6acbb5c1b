"""A call that cannot settle is asked about less and less often, and one that flaps stays with Asterisk for a while."""

from dataclasses import dataclass, replace

# The first question after a change comes again this soon (s); each fruitless one doubles the wait.
FIRST_WAIT = 0.005
MAX_DOUBLINGS = 18
# What is counted in returns_per_minute (s).
MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Damping:
    """How patient we are with one call. Times are seconds of one monotonic clock.

    `fruitless` counts the questions since the last change that came to nothing, `returns` is when the call went back
    to Asterisk within the last minute, `held_until` is when it may be offloaded again.
    """

    failures: int = 0
    returns: tuple[float, ...] = ()
    suppressed_until: float = 0.0

    def wait(self, most: float) -> float:
        """Return how long to wait before the next question (s), at most `most`."""
        return min(FIRST_WAIT * 2.0 ** min(self.failures, MAX_DOUBLINGS), most)

    def with_failure(self) -> "Damping":
        """Record a query that did not get the call into the switch."""
        return replace(self, failures=self.failures + 1)

    def reset(self) -> "Damping":
        """Restart the series of queries: something has changed."""
        return replace(self, failures=0)

    def with_return(self, now: float, *, most: int, wait: float) -> "Damping":
        """Record a return to Asterisk: after more than `most` times a minute it stays for `wait` (s)."""
        returns = (*(at for at in self.returns if now - at < MINUTE), now)
        if len(returns) <= most:
            return replace(self, returns=returns)
        return replace(self, returns=(), suppressed_until=now + wait)

    def is_suppressed(self, now: float) -> bool:
        """Whether the call has to stay with Asterisk."""
        return now < self.suppressed_until
