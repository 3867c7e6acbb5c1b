"""More calls a second than the machine can put into the switch: how long callers wait, beside plain Dial(), and what becomes of the media.

Usage: python -m tests.bench.rush [RATE...]   (the lab must be up)
"""

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab import control
from lab.control import LabError, container, wait_until
from tests.bench.load import Answers, Server, bring_generator, rush
from tests.bench.relaying import percentile
from tests.bench.relays import BEHIND_OVS
from tests.bench.setups import GONE_WITHIN, first_times
from tests.support.observed import left_to_dial

RATES = (10, 30, 50)
# Seconds: of the rush, of a call, and until all that are up when it ends are in the switch.
LASTS, HOLD, CALM_WITHIN = 12.0, 1.0, 30.0
# What callers wait for the application if nothing else is set; the lab's tests have more (lab/asterisk2/extensions.conf).
PATIENCE_MS = 1000
OURS, DIAL = "load-", "dial-load-"


@dataclass(frozen=True, slots=True)
class Waited:
    """How long callers waited for an answer, in ms, and how many calls failed."""

    p50: float
    p95: float
    failed: int

    @classmethod
    def of(cls, answers: Sequence[Answers]) -> "Waited":
        """Take the answers of several rushes together."""
        waits = [wait for each in answers for wait in each.answered_ms]
        if not waits:
            raise LabError("no call was answered")
        return cls(statistics.median(waits), percentile(waits, 95), sum(len(each.failed) for each in answers))


@dataclass(frozen=True, slots=True)
class Rush:
    """A rush of so many calls a second: callers' waits with plain Dial() and with ours, and the media of ours.

    `carried` is the share of our calls that the switch carried, `handed_over` of those that Dial() made, and
    `calm_s` how long it took until all were carried that were up at the end of the rush.
    """

    rate: int
    dial: Waited
    ours: Waited
    carried: float
    handed_over: float
    calm_s: float

    @property
    def ratio(self) -> float:
        """How much longer the slowest twentieth of our callers waited than that of Dial()'s."""
        return self.ours.p95 / self.dial.p95

    def __str__(self) -> str:
        return (
            f"answered after p50 {self.ours.p50:.0f} ms, p95 {self.ours.p95:.0f} ms, Dial() {self.dial.p50:.0f} and {self.dial.p95:.0f} "
            f"(p95: {self.ratio:.2f}); failed {self.ours.failed}, Dial() {self.dial.failed}; {100 * self.carried:.0f}% carried, "
            f"{100 * self.handed_over:.0f}% by Dial(), all carried after {self.calm_s:.1f} s"
        )


def measure(server: Server, rate: int, *, times: int = 1) -> Rush:
    """Let calls rush in at a rate, by plain Dial() and by ours in turn.

    Raises:
        LabError: calls do not end, or those that are up at the end are not carried when it is calm.

    """
    control.asterisk("asterisk2", f"dialplan set global OFFLOAD_PATIENCE {PATIENCE_MS}")
    by_dial, by_us, carried, handed_over, calm = [], [], 0, 0, 0.0
    for _ in range(times):
        by_dial.append(_rush(server, DIAL, rate, lambda: None))
        start, overloads = time.time(), left_to_dial("overload")

        def settle() -> None:
            nonlocal calm
            began = time.monotonic()
            wait_until(_all_carried, within=CALM_WITHIN, what="every call to be carried", every=0.5)
            calm = max(calm, time.monotonic() - began)

        by_us.append(_rush(server, OURS, rate, settle))
        log = control.docker("logs", f"--since={start:.6f}", container("offload"), stderr=True)
        handed_over += left_to_dial("overload") - overloads
        carried += len(first_times(log, "flows.installed"))
    control.asterisk("asterisk2", "dialplan reload")
    made = sum(len(each.answered_ms) for each in by_us)
    return Rush(rate, Waited.of(by_dial), Waited.of(by_us), carried / made, handed_over / made, calm)


def _rush(server: Server, prefix: str, rate: int, when_up: Callable[[], object]) -> Answers:
    answers = rush(server, prefix, count=int(rate * LASTS), rate=rate, hold=HOLD, when_up=when_up)
    wait_until(
        lambda: not control.channels("asterisk2"), within=GONE_WITHIN, what="every call to end", every=0.5
    )
    wait_until(lambda: not control.calls(), within=GONE_WITHIN, what="every call to be over", every=0.5)
    return answers


def _all_carried() -> bool:
    return all(call["state"] == "offloaded" for call in control.calls())


def main() -> int:
    """Measure at the rates that are given."""
    bring_generator()
    for rate in map(int, sys.argv[1:] or RATES):
        print(f"{rate}/s: {measure(BEHIND_OVS, rate)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
