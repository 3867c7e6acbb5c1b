"""Play every fault, in an order and at moments that a seed decides, and judge them. `make chaos` runs it.

Usage: python -m tests.chaos [CALLS [SEED]]   (the lab must be up: `make chaos` sees to it)
"""

import json
import sys
from pathlib import Path
from random import Random

from rich.console import Console
from rich.table import Table

from lab import control
from lab.control import LabError
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.playing import Row, hang_up, play
from tests.support.hosts import restore

REPORT = Path("chaos-report.json")
MOST_CALLS = 100

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 140)


def main() -> int:
    """Play the faults; 0 when no call was lost, and no packet that the fault had not hit."""
    rows: list[Row] = []
    try:
        calls, seed = _numbers(sys.argv[1:])
        random = Random(seed)
        faults = random.sample(FAULTS, k=len(FAULTS))
        console.print(f"chaos: {len(faults)} faults against {calls} calls each, seed {seed}")
        try:
            control.lift_blocks()
            hang_up()
            rows.extend(_played(fault, calls, random) for fault in faults)
        finally:
            restore()
            control.hang_up_all()
            written = json.dumps([_as_json(row) for row in rows], indent=2)
            REPORT.write_text(f"{written}\n", encoding="utf-8")
    except LabError as error:
        print(f"chaos: {error}", file=sys.stderr)
        return 1
    return _verdict(rows)


def _numbers(args: list[str]) -> tuple[int, int]:
    calls, seed, *_ = [*args, *("20", "1")[len(args) :]]
    if not (calls.isdecimal() and 1 <= int(calls) <= MOST_CALLS and seed.isdecimal()):
        raise LabError(
            f"CALLS is a number from 1 to {MOST_CALLS} and SEED a number, not {calls!r} and {seed!r}"
        )
    return int(calls), int(seed)


def _played(fault: Fault, calls: int, random: Random) -> Row:
    console.print(f"[bold cyan]==>[/bold cyan] {fault.name}")
    row = play(fault, calls, random)
    console.print(f"    {_told(row)}")
    return row


def _told(row: Row) -> str:
    recovered = "never" if row.recovery_s is None else f"{row.recovery_s:.1f} s"
    return (
        f"{row.calls_lost} of {row.calls} calls lost, {row.packets_lost} packets lost, {row.relayed} streams by "
        f"Asterisk meanwhile, right after: {recovered}, {row.flows_left} flows left"
    )


def _as_json(row: Row) -> dict[str, object]:
    return {
        "fault": row.fault.name,
        "calls": row.calls,
        "calls_lost": row.calls_lost,
        "packets_lost": row.packets_lost,
        "recovery_s": None if row.recovery_s is None else round(row.recovery_s, 2),
        "flows_left": row.flows_left,
    }


def _verdict(rows: list[Row]) -> int:
    numbers = ("calls", "packets lost", "calls lost", "by Asterisk", "s to the right state", "flows left")
    table = Table("fault", *numbers, "verdict")
    for column in table.columns[1:-1]:
        column.justify = "right"
    for row in rows:
        table.add_row(
            row.fault.name,
            str(row.calls),
            str(row.packets_lost),
            str(row.calls_lost),
            str(row.relayed),
            "never" if row.recovery_s is None else f"{row.recovery_s:.1f}",
            str(row.flows_left),
            "; ".join(row.complaints) or (f"well: {row.fault.hits_media}" if row.packets_lost else "well"),
        )
    console.print(table)
    complaints = [(row.fault.name, text) for row in rows for text in row.complaints]
    for name, text in complaints:
        print(f"chaos: {name}: {text}", file=sys.stderr)
    print(f"chaos: {len(rows)} faults, {len(complaints)} complaints, see {REPORT}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
