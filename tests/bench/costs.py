"""What a call costs the processes of node 2: to set it up and end it, and each second that it lasts, beside plain Dial().

Usage: python -m tests.bench.costs [TIMES]   (the lab must be up)
"""

import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from lab import control
from lab.control import LabError, cpu_seconds, pid_of, wait_until
from tests.bench.load import Server, bring_generator, rush
from tests.bench.relays import BEHIND_OVS
from tests.bench.setups import GONE_WITHIN

# Calls of a round, calls a second, and how long the calls of a round are (s).
CALLS, RATE, HOLDS = 40, 5.0, (1.0, 6.0)
TIMES = 3
ASTERISK, OURS, SWITCH = "asterisk", "application", "ovs-vswitchd"
PREFIXES = {"dial": "dial-load-", "ours": "load-"}


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor time by process, in ms: of a call's set-up and end together, and of each second between."""

    setup: Mapping[str, float]
    second: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Costs:
    """What a call by plain Dial() and one by ours costs, at RATE calls a second."""

    dial: Cost
    ours: Cost

    @property
    def by_name(self) -> Mapping[str, Cost]:
        """Both, by what makes the call."""
        return {"Dial()": self.dial, "ours": self.ours}

    def pays_back_after(self, *processes: str) -> float:
        """Return the seconds after which a call by ours has cost these processes as much as one by Dial(); infinite if never."""
        more = sum(self.ours.setup[process] - self.dial.setup[process] for process in processes)
        saved = sum(self.dial.second[process] - self.ours.second[process] for process in processes)
        return more / saved if saved > 0 else float("inf")

    def __str__(self) -> str:
        parts = [
            f"{name} " + ", ".join(f"{process} {ms:.1f} ms" for process, ms in cost.setup.items())
            for name, cost in self.by_name.items()
        ]
        return f"{'; '.join(parts)}; pays back after {self.pays_back_after(ASTERISK, OURS):.1f} s"


def measure(server: Server, *, times: int = TIMES) -> Costs:
    """Make calls of two lengths, by Dial() and by ours in turn, and take the medians.

    Raises:
        LabError: a call did not come about.

    """
    processes = {
        ASTERISK: pid_of("asterisk2", "asterisk"),
        OURS: pid_of("offload", "stasis-offload"),
        SWITCH: pid_of("ovs", "ovs-vswitchd"),
    }
    rounds: dict[tuple[str, float], list[dict[str, float]]] = {}
    for _ in range(times):
        for hold in HOLDS:
            for name, prefix in PREFIXES.items():
                used = _round(server, prefix, hold, processes)
                rounds.setdefault((name, hold), []).append(used)
    return Costs(**{name: _cost(*(_medians(rounds[name, hold]) for hold in HOLDS)) for name in PREFIXES})


def _round(server: Server, prefix: str, hold: float, processes: Mapping[str, int]) -> dict[str, float]:
    """Return the processor time that a call of this length took, by process (ms)."""
    before = {name: cpu_seconds(pid) for name, pid in processes.items()}
    answers = rush(server, prefix, count=CALLS, rate=RATE, hold=hold, when_up=lambda: None)
    if answers.failed:
        raise LabError(f"{len(answers.failed)} of {CALLS} calls failed: {answers.failed[0]}")
    wait_until(
        lambda: not control.channels("asterisk2"), within=GONE_WITHIN, what="every call to end", every=0.5
    )
    return {name: 1000 * (cpu_seconds(pid) - before[name]) / CALLS for name, pid in processes.items()}


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {process: statistics.median(each[process] for each in rounds) for process in rounds[0]}


def _cost(short: Mapping[str, float], long: Mapping[str, float]) -> Cost:
    second = {process: (long[process] - short[process]) / (HOLDS[1] - HOLDS[0]) for process in short}
    return Cost(
        setup={process: short[process] - HOLDS[0] * second[process] for process in short}, second=second
    )


def main() -> None:
    """Measure alone."""
    bring_generator()
    costs = measure(BEHIND_OVS, times=int(sys.argv[1]) if len(sys.argv) > 1 else TIMES)
    for name, cost in costs.by_name.items():
        for process, ms in cost.setup.items():
            print(f"{name:6} {process:13} set-up {ms:6.2f} ms, a second {cost.second[process]:5.2f} ms")
    print(costs)


if __name__ == "__main__":
    main()
