"""What a call leaves behind: variables on the caller, CDR and CEL rows. Ours beside plain Dial(), at the same time."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from lab import control
from lab.control import wait_until
from tests.support.observed import CDRS

CELS = "/var/log/asterisk/cel-custom/events.json"
OURS, PLAIN = "left-ours", "left-dial"
# What two calls at the same time, or a call and its CDR, may differ by (ms).
NEAR = 500


@dataclass(frozen=True)
class Left:
    """What one of the two calls has left behind."""

    variables: dict[str, str]
    rows: list[dict[str, Any]]
    events: list[dict[str, Any]]


def rows_of(file: str) -> list[dict[str, Any]]:
    return [json.loads(row) for row in control.execute("asterisk2", "cat", file, check=False).splitlines()]


def left_by(arguments: str, finish: Callable[[], None]) -> tuple[Left, Left]:
    """Make the same call by OffloadDial() and by Dial(); return what each has left behind, in this order."""
    seen_rows, seen_events = len(rows_of(CDRS)), len(rows_of(CELS))
    for name in (OURS, PLAIN):
        control.asterisk("asterisk2", f"dialplan set global LEFT_{name} none")
    control.asterisk("asterisk2", f"dialplan set global LAB_ARGS {arguments}")
    for name in (OURS, PLAIN):
        control.originate(f"{name}@asterisk2")
    finish()
    wait_until(lambda: not control.channels("asterisk2"), within=10, what="both calls to end")
    wait_until(
        lambda: not re.search("PJSIP/", control.asterisk("asterisk2", "cdr show active")),
        within=5,
        what="every CDR to be written",
    )
    rows, events = rows_of(CDRS)[seen_rows:], rows_of(CELS)[seen_events:]
    ours, plain = (
        Left(
            variables_of(name),
            [row for row in rows if row["dcontext"] == name],
            [event for event in events if event["context"] == name],
        )
        for name in (OURS, PLAIN)
    )
    return ours, plain


def variables_of(name: str) -> dict[str, str]:
    shown = control.asterisk("asterisk2", "dialplan show globals")
    found = re.search(rf"LEFT_{name}=(.*)", shown)
    assert found
    return dict(part.split("=", 1) for part in found[1].split("|"))  # type: ignore[misc]


def until_ended() -> None:
    """Nobody does anything: the call ends by itself."""


def caller_hangs_up(*, states: int, having: str, then: float = 0.0) -> Callable[[], None]:
    """Have both callers hang up once so many channels of node 2 are in a state, and some seconds after."""

    def finish() -> None:
        wait_until(
            lambda: control.asterisk("asterisk2", "core show channels concise").count(f"!{having}!") >= states,
            within=10,
            what=f"{states} channels {having}",
        )
        if then:
            wait_until(oldest_older_than(then), within=20, what="the calls to last")
        for row in control.asterisk("asterisk1", "core show channels concise").splitlines():
            if row.count("!") > 2 and not re.match(r"\d+$", row.split("!")[2]):
                control.asterisk("asterisk1", f"channel request hangup {row.partition('!')[0]}")

    return finish


def test_x() -> None:
    for args, finish in (
        ("PJSIP/486@asterisk1", until_ended),
        ("PJSIP/404@asterisk1", until_ended),
        ("PJSIP/1830@asterisk1,1", until_ended),
        ("PJSIP/180@asterisk1,1", until_ended),
        ("PJSIP/5502@asterisk1", until_ended),
        ("PJSIP/180@asterisk1&PJSIP/5501@asterisk1,20", until_ended),
        ("PJSIP/486@asterisk1&PJSIP/180@asterisk1,1", until_ended),
    ):
        print("=====", args)
        for left in left_by(args, finish):
            print(left.variables)
            for row in left.rows:
                print("   CDR", {k: v for k, v in row.items() if "offload" not in k})
            for row in left.events:
                print("   CEL", row)
