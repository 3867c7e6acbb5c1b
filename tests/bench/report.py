"""What was measured, as bench-report.json and as tables, and which goals it meets. A goal missed is no failure."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.costs import ASTERISK, OURS, Costs
from tests.bench.incoming import Incoming
from tests.bench.moves import Moved
from tests.bench.programming import Programmed
from tests.bench.quiet import Quiet
from tests.bench.relaying import Relayed
from tests.bench.rounds import AFXDP, Rounds
from tests.bench.rush import Rush
from tests.bench.scale import Scale
from tests.bench.setups import SetUp

REPORT = Path("bench-report.json")
# The rate of calls a second whose set-up the goals are about, and the number of calls that go on.
RATE = 10
QUIET_CALLS = 300
FEW_CALLS, MOST_CALLS = 25, 1000
SCALE_CALLS = 1000
RUSH_RATE = 50


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure of the report is to be: at most, or at least, so much."""

    key: str
    limit: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        """Whether a value is good enough."""
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'at least' if self.at_least else 'at most'} {self.limit:g}"


GOALS = (
    Goal("moves", 1000, at_least=True),
    Goal("lost", 0),
    Goal("duplicated", 0),
    Goal("reordered", 0),
    Goal("ssrc_changes", 0),
    Goal("setup_ms_p50", 5),
    Goal("setup_ms_p99", 25),
    Goal("flows_per_s", 4000, at_least=True),
    Goal("flows_ratio", 80, at_least=True),
    # A tenth of what leases of each flow's own cost (32,557).
    Goal("quiet_translations_per_s", 3255),
    Goal("quiet_setup_growth", 2),
    Goal("pays_back_after_s", 4),
    Goal("setup_asterisk_ratio", 1.15),
    Goal("rush_p95_ratio", 1.3),
    Goal("rush_failed", 0),
    Goal("incoming_ms_p95", 200),
    Goal("scale_cpu_percent", 3),
    Goal("scale_memory_mib", 150),
    Goal("scale_adoption_s", 2),
    Goal("afxdp_to_rtpengine", 0.75),
    Goal("afxdp_to_asterisk", 1),
)


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that one run measured; `set_up` and `rush` by calls a second, `quiet` and `scale` by calls.

    `load_average` is the machine's when it began: what else ran is in every figure.
    """

    moved: Moved
    set_up: Mapping[int, SetUp]
    programmed: Programmed
    rounds: Rounds
    quiet: Mapping[int, Quiet]
    scale: Mapping[int, Scale]
    costs: Costs
    rush: Mapping[int, Rush]
    incoming: Incoming
    load_average: float

    @property
    def relayed(self) -> dict[str, Relayed]:
        """What each relay did with the load."""
        return self.rounds.middle

    @property
    def figures(self) -> dict[str, float]:
        """The figures that stand alone, by their keys in the report."""
        moved, at_rate, programmed = self.moved, self.set_up[RATE], self.programmed
        return {
            "moves": moved.moves,
            "lost": moved.lost,
            "duplicated": moved.duplicated,
            "reordered": moved.reordered,
            "reordered_at_cutover": moved.reordered_at_cutover,
            "ssrc_changes": moved.ssrc_changes,
            "largest_gap_ms": _rounded(moved.largest_gap_ms),
            "largest_gap_sent_ms": _rounded(moved.largest_gap_sent_ms),
            "setup_ms_p50": _rounded(at_rate.p50),
            "setup_ms_p99": _rounded(at_rate.p99),
            "flows_per_s": round(programmed.installed),
            "flows_per_s_seed": _rounded(programmed.seed_installed),
            "flows_removed_per_s": round(programmed.removed),
            "flows_removed_per_s_seed": _rounded(programmed.seed_removed),
            "flows_ratio": _rounded(programmed.ratio),
            "quiet_translations_per_s": round(self.quiet[QUIET_CALLS].translations_per_s),
            "quiet_setup_growth": _rounded(self.quiet[MOST_CALLS].setup_ms / self.quiet[FEW_CALLS].setup_ms),
            "pays_back_after_s": _rounded(self.costs.pays_back_after(ASTERISK, OURS)),
            "setup_asterisk_ratio": _rounded(
                self.costs.ours.setup[ASTERISK] / self.costs.dial.setup[ASTERISK]
            ),
            "setup_application_ms": _rounded(self.costs.ours.setup[OURS]),
            "rush_p95_ratio": _rounded(self.rush[RUSH_RATE].ratio),
            "rush_failed": self.rush[RUSH_RATE].ours.failed,
            "incoming_ms_p95": _rounded(self.incoming.second_half_ms),
            "incoming_cpu_percent": _rounded(self.incoming.cpu_percent),
            "scale_cpu_percent": _rounded(self.scale[SCALE_CALLS].cpu_percent),
            "scale_memory_mib": _rounded(self.scale[SCALE_CALLS].memory_mib),
            "scale_adoption_s": _rounded(self.scale[SCALE_CALLS].adoption_s),
            **{
                f"afxdp_to_{relay}": _rounded(self.rounds.ratio(AFXDP, relay))
                for relay in ("rtpengine", "asterisk")
                if AFXDP not in self.rounds.lacking
            },
        }

    @property
    def tables(self) -> dict[str, object]:
        """The figures that come by rate or by relay."""
        by_relay = self.relayed.items()
        return {
            "machine": {"processors": os.cpu_count(), "load_average": _rounded(self.load_average)},
            "setup_ms": {
                str(rate): {
                    "calls": it.calls,
                    "missed": it.missed,
                    "p50": _rounded(it.p50),
                    "p99": _rounded(it.p99),
                    "learning_p50": _rounded(it.learning_p50),
                }
                for rate, it in self.set_up.items()
            },
            "quiet": {
                str(calls): {
                    "cpu_ms_per_s": _rounded(it.cpu_ms_per_s),
                    "translations_per_s": round(it.translations_per_s),
                    "setup_ms": _rounded(it.setup_ms),
                    "setup_translations": round(it.setup_translations),
                }
                for calls, it in self.quiet.items()
            },
            "scale": {
                str(calls): {
                    "cpu_percent": _rounded(it.cpu_percent),
                    "memory_mib": _rounded(it.memory_mib),
                    "adoption_s": _rounded(it.adoption_s),
                    "adoption_cpu_s": _rounded(it.adoption_cpu_s),
                    "loop_delay_ms": _rounded(it.delay_ms),
                    "variables_per_s": _rounded(it.variables_per_s),
                }
                for calls, it in self.scale.items()
            },
            "call_ms": {
                name: {
                    "setup": {process: _rounded(ms) for process, ms in it.setup.items()},
                    "second": {process: _rounded(ms) for process, ms in it.second.items()},
                }
                for name, it in self.costs.by_name.items()
            },
            "rush": {
                str(rate): {
                    "answered_ms_p50": _rounded(it.ours.p50),
                    "answered_ms_p95": _rounded(it.ours.p95),
                    "dial_ms_p50": _rounded(it.dial.p50),
                    "dial_ms_p95": _rounded(it.dial.p95),
                    "failed": it.ours.failed,
                    "dial_failed": it.dial.failed,
                    "carried": _rounded(it.carried),
                    "handed_over": _rounded(it.handed_over),
                    "calm_s": _rounded(it.calm_s),
                }
                for rate, it in self.rush.items()
            },
            "lacking": self.rounds.lacking,
            "latency_us": {relay: _rounded(it.latency_us_p50) for relay, it in by_relay},
            "latency_us_p99": {relay: _rounded(it.latency_us_p99) for relay, it in by_relay},
            "jitter_us": {relay: _rounded(it.jitter_us) for relay, it in by_relay},
            "cpu_ms_per_1000_packets": {relay: _rounded(it.cpu_total) for relay, it in by_relay},
            "cpu_ms_per_1000_packets_of": {
                relay: {name: _rounded(ms) for name, ms in it.cpu.items()} for relay, it in by_relay
            },
        }


def as_json(results: Results) -> dict[str, Any]:
    """Return the report as it is written; `goals` has those that this machine let be measured."""
    figures = results.figures
    goals = {
        goal.key: {"goal": str(goal), "met": goal.met(figures[goal.key])}
        for goal in GOALS
        if goal.key in figures
    }
    return {**figures, **results.tables, "goals": goals}


def write(results: Results) -> None:
    """Write the report."""
    REPORT.write_text(json.dumps(as_json(results), indent=2) + "\n", encoding="utf-8")


def show(results: Results, console: Console) -> None:
    """Print it."""
    goals = {goal.key: goal for goal in GOALS}
    table = Table("figure", "measured", "goal", "")
    for key, value in results.figures.items():
        goal = goals.get(key)
        verdict = "" if goal is None else "[green]met[/green]" if goal.met(value) else "[red]missed[/red]"
        table.add_row(key, f"{value:g}", str(goal or ""), verdict)
    _print(console, table, numbers=(1,))
    table = Table("set-up, calls/s", "calls", "missed", "median ms", "p99 ms", "median ms until learning")
    for rate, it in results.set_up.items():
        table.add_row(
            str(rate),
            str(it.calls),
            str(it.missed),
            f"{it.p50:.1f}",
            f"{it.p99:.1f}",
            f"{it.learning_p50:.1f}",
        )
    _print(console, table, numbers=range(6))
    new = ("ms of a new call", "its translations")
    table = Table("calls that go on", "ovs-vswitchd ms / s", "translations / s", *new)
    for calls, quiet in results.quiet.items():
        table.add_row(
            str(calls),
            f"{quiet.cpu_ms_per_s:.1f}",
            f"{quiet.translations_per_s:.0f}",
            f"{quiet.setup_ms:.1f}",
            f"{quiet.setup_translations:.0f}",
        )
    _print(console, table, numbers=range(5))
    costs = ("% of a core", "MiB", "s to adopt", "of processor time", "loop late by ms", "variables/s")
    table = Table("calls, control side alone", *costs)
    for calls, cost in results.scale.items():
        adoption = (cost.adoption_s, cost.adoption_cpu_s)
        figures = (cost.cpu_percent, cost.memory_mib, *adoption, cost.delay_ms, cost.variables_per_s)
        table.add_row(str(calls), *(f"{figure:.1f}" for figure in figures))
    _print(console, table, numbers=range(7))
    table = Table(
        "CPU ms of a call", *results.costs.dial.setup, *(f"{name} / s" for name in results.costs.dial.setup)
    )
    for name, of_call in results.costs.by_name.items():
        table.add_row(name, *(f"{ms:.1f}" for ms in (*of_call.setup.values(), *of_call.second.values())))
    _print(console, table, numbers=range(1, 7))
    waits = ("median ms", "p95 ms", "by Dial(): median ms", "p95 ms")
    table = Table("rush, calls/s", *waits, "failed", "carried %", "left to Dial() %", "all carried after s")
    for rate, rush in results.rush.items():
        waited = (rush.ours.p50, rush.ours.p95, rush.dial.p50, rush.dial.p95)
        shares = (100 * rush.carried, 100 * rush.handed_over)
        table.add_row(
            str(rate),
            *(f"{ms:.0f}" for ms in waited),
            str(rush.ours.failed),
            *(f"{share:.0f}" for share in shares),
            f"{rush.calm_s:.1f}",
        )
    _print(console, table, numbers=range(9))
    table = Table(
        "relay", "packets", "median us", "p99 us", "jitter us", "CPU ms / 1,000 packets", "of which (ms)"
    )
    for relay, got in results.relayed.items():
        parts = ", ".join(f"{name} {ms:.1f}" for name, ms in got.cpu.items())
        latency = (f"{us:.0f}" for us in (got.latency_us_p50, got.latency_us_p99, got.jitter_us))
        table.add_row(relay, str(got.packets), *latency, f"{got.cpu_total:.1f}", parts)
    for relay, reason in results.rounds.lacking.items():
        table.add_row(relay, *[""] * 5, reason)
    _print(console, table, numbers=range(1, 6))


def _print(console: Console, table: Table, *, numbers: Iterable[int]) -> None:
    for column in numbers:
        table.columns[column].justify = "right"
    console.print(table)


def _rounded(value: float) -> float:
    return round(value, 2)
