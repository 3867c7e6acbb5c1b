"""What is measured while the application runs: plain numbers, which cost next to nothing to add to (metrics.py reads them)."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

# Seconds. Asterisk and the switch answer within a millisecond or a few; after 10 s nobody waits any more.
ANSWER_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Histogram:
    """How many values there were up to each bound, and their sum.

    `counts` has one number for each bound, and one for what is above the last.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Add a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Requests:
    """Requests to one peer: `seconds` until their answers, be it a refusal, and `errors` by what became of the others.

    An error is `refused` or `unanswered`.
    """

    def __init__(self) -> None:
        self.seconds = Histogram(ANSWER_BOUNDS)
        self.errors: Counter[str] = Counter()

    def answered(self, seconds: float) -> None:
        """Record an answer."""
        self.seconds.observe(seconds)

    def refused(self, seconds: float) -> None:
        """Record a refusal, which is an answer."""
        self.seconds.observe(seconds)
        self.errors["refused"] += 1

    def unanswered(self) -> None:
        """Record that there was no answer, or none that could be read."""
        self.errors["unanswered"] += 1
