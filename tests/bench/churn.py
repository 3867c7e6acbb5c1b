"""Calls that come and go, thousands of them: all succeed, and nothing is left. `make churn` runs it.

Usage: python -m tests.bench.churn [CALLS]   (the lab must be up: `make churn` sees to it)
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from lab import control
from lab.control import LabError, wait_until
from tests.support.footprint import Footprint
from tests.support.observed import Cdrs

# So many calls, each of a second, begin at once; the next ones while the last of these still talk. Memory, descriptors and
# channels are looked at when there is no call, after each ROUND; the first round fills caches and pools.
AT_ONCE = 25
ROUND = 1000
# What the application's memory may grow by in 10,000 calls (MiB): how often each of as many callers has called is remembered
# (supervisor.py), and the C library's heap has gaps: it grew by 8 in 6,000, by less each time. A call that goes on is 0.07.
KEPT_MIB = 15.0

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 140)


@dataclass(frozen=True, slots=True)
class Round:
    """What there is after so many calls."""

    calls: int
    failed: int
    flows: int
    channels: int
    application: Footprint
    asterisk: Footprint


def main() -> int:
    """Make the calls; 0 when none failed and nothing grew."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    console.print(f"churn: {calls} calls, {AT_ONCE} at a time")
    began = time.monotonic()
    rounds = []
    try:
        for done in _rounds(calls):
            console.print(f"    {done.calls} calls, {done.application.memory_mib:.1f} MiB")
            rounds.append(done)
    except LabError as error:
        print(f"churn: {error}", file=sys.stderr)
        return 1
    _show(rounds)
    found = list(_problems(rounds))
    console.print(
        f"churn: {calls / (time.monotonic() - began):.0f} calls a second; {'; '.join(found) or 'nothing is left'}"
    )
    return 1 if found else 0


def _rounds(calls: int) -> Iterator[Round]:
    cdrs = Cdrs()
    done = 0
    while done < calls:
        for _ in range(0, ROUND, AT_ONCE):
            control.originate("5501@asterisk2", count=AT_ONCE)
            wait_until(
                lambda: len(control.channels("asterisk1")) < AT_ONCE // 2, within=60, what="calls to end"
            )
        done += ROUND
        yield _look(cdrs, done)


def _look(cdrs: Cdrs, done: int) -> Round:
    wait_until(lambda: not control.channels("asterisk1"), within=60, what="the endpoints' calls to end")
    wait_until(lambda: not control.calls(), within=10, what="every call to end")
    answered = sum(row["disposition"] == "ANSWERED" for row in cdrs.all())
    flows = len(control.flows() + control.withholding())
    channels = len(control.channels("asterisk2"))
    return Round(
        done, done - answered, flows, channels, Footprint.of("application"), Footprint.of("asterisk")
    )


def _problems(rounds: list[Round]) -> Iterator[str]:
    first, last = rounds[0], rounds[-1]
    if last.failed:
        yield f"{last.failed} calls failed"
    if any(each.flows for each in rounds):
        yield "flows were left"
    if any(each.channels for each in rounds):
        yield "channels were left"
    grown = last.application.memory_mib - first.application.memory_mib
    if grown > KEPT_MIB:
        yield f"memory grew by {grown:.1f} MiB"
    if any(each.application.descriptors > first.application.descriptors + AT_ONCE for each in rounds):
        yield "descriptors were left"


def _show(rounds: list[Round]) -> None:
    columns = ("calls", "failed", "flows left", "channels left")
    table = Table(*columns, "application MiB", "descriptors", "Asterisk MiB", "descriptors")
    for each in rounds:
        counts = (each.calls, each.failed, each.flows, each.channels)
        feet = (
            figure
            for foot in (each.application, each.asterisk)
            for figure in (f"{foot.memory_mib:.1f}", foot.descriptors)
        )
        table.add_row(*map(str, (*counts, *feet)))
    for column in table.columns:
        column.justify = "right"
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
