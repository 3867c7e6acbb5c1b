"""What a call leaves behind: variables on the caller, CDR and CEL rows. Ours beside plain Dial(), at the same time.

Two rows or variables are equal but for the numbers of channels and bridges, and for times.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from lab import control
from lab.control import wait_until
from tests.support.observed import CDRS, media_moved

CELS = "/var/log/asterisk/cel-custom/events.json"
OURS, PLAIN = "left-ours", "left-dial"
# What two calls at the same time, or a call and its CDR, may differ by (s).
NEAR = 0.7
TIMES = ("RINGTIME", "PROGRESSTIME", "ANSWEREDTIME", "DIALEDTIME")
ROW = ("channel", "dstchannel", "clid", "src", "dst", "lastapp", "lastdata", "disposition")
EVENT = ("eventtype", "channame", "appname", "appdata")


@dataclass(frozen=True)
class Left:
    """What one of the two calls has left behind: its variables in the h extension, its CDR rows, its CEL events."""

    variables: dict[str, str]
    rows: list[dict[str, Any]]
    events: list[dict[str, Any]]

    def seconds(self, name: str) -> float | None:
        """Return a duration, of which both variables say the same; None if it is not set."""
        whole, ms = self.variables[name], self.variables[f"{name}_MS"]
        if not ms:
            assert whole == ""
            return None
        assert int(whole) == int(ms) // 1000
        return int(ms) / 1000

    @property
    def causes(self) -> list[str]:
        """What HANGUPCAUSE() says of each callee."""
        return sorted(part.partition("=")[2] for part in self.variables["causes"].split("&") if part)

    def other_variables(self) -> dict[str, str]:
        timed = {name for time in TIMES for name in (time, f"{time}_MS")} | {"causes"}
        return {name: endpoint(value) for name, value in self.variables.items() if name not in timed}

    def events_but_of_bridges(self) -> list[tuple[str, ...]]:
        """List the events, without LINKEDID_END: that is of whoever ends last, the callee when the caller cancels."""
        others = ("BRIDGE_ENTER", "BRIDGE_EXIT", "LINKEDID_END")
        events = (event for event in self.events if event["eventtype"] not in others)
        return [(*(endpoint(event[key]) for key in EVENT), outcome(event)) for event in events]

    def count(self, kind: str) -> int:
        return sum(event["eventtype"] == kind for event in self.events)


def endpoint(text: str) -> str:
    """Leave out the number that Asterisk gives to a channel."""
    return re.sub(r"(PJSIP/[\w-]+)-[0-9a-f]{8}", r"\1", text)


def outcome(event: dict[str, Any]) -> str:
    """Return cause and status of a HANGUP event, without `hangupsource`."""
    extra = json.loads(event["eventextra"] or "{}")
    return f"{extra.get('hangupcause')} {extra.get('dialstatus')}"


def rows_of(file: str) -> list[dict[str, Any]]:
    return [json.loads(row) for row in control.execute("asterisk2", "cat", file, check=False).splitlines()]


def variables_of(name: str) -> dict[str, str]:
    found = re.search(rf"LEFT_{name}=(.*)", control.asterisk("asterisk2", "dialplan show globals"))
    assert found
    parts = (part.partition("=") for part in found[1].split("|"))
    return {key: value for key, equals, value in parts if equals}


def left_by(arguments: str, finish: Callable[[], None], names: tuple[str, ...] = (OURS, PLAIN)) -> list[Left]:
    """Make the same call by OffloadDial() and by Dial(); return what each has left behind."""
    seen_rows, seen_events = len(rows_of(CDRS)), len(rows_of(CELS))
    control.asterisk("asterisk2", f"dialplan set global LAB_ARGS {arguments}")
    for name in names:
        control.asterisk("asterisk2", f"dialplan set global LEFT_{name} none")
        control.originate(f"{name}@asterisk2")
    finish()
    wait_until(lambda: all(map(variables_of, names)), within=20, what="every h extension")
    callers = tuple(variables_of(name)["caller"] for name in names)
    wait_until(
        lambda: not any(caller in control.asterisk("asterisk2", "cdr show active") for caller in callers),
        within=5,
        what="every CDR to be written",
    )
    rows, events = rows_of(CDRS)[seen_rows:], rows_of(CELS)[seen_events:]
    return [
        Left(
            variables_of(name),
            [row for row in rows if row["dcontext"] == name],
            [event for event in events if event["context"] == name],
        )
        for name in names
    ]


def by_itself() -> None:
    """Nobody does anything: the call ends by itself."""


def hang_up_callers() -> None:
    """Hang up the two channels of asterisk1 that called."""
    for row in control.asterisk("asterisk1", "core show channels concise").splitlines():
        if row.count("!") > 2 and not row.split("!")[2].isdigit():
            control.asterisk("asterisk1", f"channel request hangup {row.partition('!')[0]}")


def are(count: int, state: str) -> None:
    def reached() -> bool:
        return control.asterisk("asterisk2", "core show channels concise").count(f"!{state}!") == count

    wait_until(reached, within=10, what=f"{count} channels to be {state}")


def caller_cancels() -> None:
    are(2, "Ringing")
    hang_up_callers()


def caller_hangs_up() -> None:
    are(4, "Up")
    media_moved()
    hang_up_callers()


@pytest.mark.parametrize(
    ("arguments", "finish", "status", "rows"),
    [
        ("PJSIP/5502@asterisk1", by_itself, "ANSWER", ["ANSWERED"]),
        ("PJSIP/555@asterisk1", caller_hangs_up, "ANSWER", ["ANSWERED"]),
        ("PJSIP/486@asterisk1", by_itself, "BUSY", ["BUSY", "BUSY"]),
        ("PJSIP/404@asterisk1", by_itself, "CHANUNAVAIL", ["NO ANSWER", "NO ANSWER"]),
        ("PJSIP/503@asterisk1", by_itself, "CONGESTION", ["FAILED", "FAILED"]),
        ("PJSIP/nobody", by_itself, "CHANUNAVAIL", ["FAILED"]),
        ("PJSIP/1830@asterisk1,1", by_itself, "NOANSWER", ["NO ANSWER", "FAILED"]),
        ("PJSIP/180@asterisk1,20", caller_cancels, "CANCEL", ["NO ANSWER"]),
        # The winner rings for two seconds: by then Dial() has read the other's ringing.
        ("PJSIP/180@asterisk1&PJSIP/200@asterisk1", caller_hangs_up, "ANSWER", ["NO ANSWER", "ANSWERED"]),
        (
            "PJSIP/486@asterisk1&PJSIP/180@asterisk1,1",
            by_itself,
            "NOANSWER",
            ["BUSY", "NO ANSWER", "BUSY"],
        ),
        ("PJSIP/5501@asterisk1,,g", by_itself, "ANSWER", ["ANSWERED", "ANSWERED"]),
    ],
)
def test_a_call_leaves_behind_what_dial_leaves(
    arguments: str, finish: Callable[[], None], status: str, rows: list[str]
) -> None:
    ours, plain = left_by(arguments, finish)
    assert ours.variables["DIALSTATUS"] == status
    assert ours.other_variables() == plain.other_variables()
    assert ours.causes == plain.causes
    for name in TIMES:
        mine, theirs = ours.seconds(name), plain.seconds(name)
        assert (mine is None) == (theirs is None), name
        assert abs((mine or 0.0) - (theirs or 0.0)) < NEAR, name
    assert [row["disposition"] for row in ours.rows] == rows
    kept = [[{key: endpoint(row[key]) for key in ROW} for row in left.rows] for left in (ours, plain)]
    assert kept[0] == kept[1]
    for our_row, plain_row in zip(ours.rows, plain.rows, strict=True):
        assert abs(lasted(our_row, "start") - lasted(plain_row, "start")) < NEAR
        assert abs(lasted(our_row, "answer") - lasted(plain_row, "answer")) < NEAR
    assert ours.events_but_of_bridges() == plain.events_but_of_bridges()
    # A single PJSIP target is called within the bridge, so the caller is in it from the beginning.
    answered = int(status == "ANSWER")
    in_bridge = int("&" not in arguments and arguments != "PJSIP/nobody")
    for kind in ("BRIDGE_ENTER", "BRIDGE_EXIT"):
        assert (ours.count(kind), plain.count(kind)) == (max(in_bridge, answered), answered)


def test_a_forwarded_call_leaves_the_name_of_where_it_went_and_no_number() -> None:
    ours, plain = left_by("PJSIP/302-5501@asterisk1", by_itself)
    for left in (ours, plain):
        assert left.variables["DIALSTATUS"] == "ANSWER"
        assert left.variables["DIALEDPEERNAME"].startswith("Local/5501@from-asterisk1-")
        assert left.variables["DIALEDPEERNUMBER"] == ""
        assert 1 <= (left.seconds("ANSWEREDTIME") or 0) <= (left.seconds("DIALEDTIME") or 0)
        assert [row["disposition"] for row in left.rows[:2]] == ["NO ANSWER", "ANSWERED"]
    # Ours has one more for each bridge into which the joined call moves (docs/dial.md).
    assert len(plain.rows) == 2


def lasted(row: dict[str, Any], since: str) -> float:
    """Return duration or billsec of a CDR (s)."""
    return float(row["end"]) - float(row[since]) if row[since] else 0.0


def test_a_call_leaves_all_of_it_even_if_the_application_died_before_the_answer() -> None:
    """A callee within the bridge answers its caller all the same."""

    def die_first() -> None:
        are(1, "Ringing")
        wait_until(lambda: "RINGTIME_MS" in variables_of_channels(), within=5, what="the application to know")
        control.stop("offload", kill=True)
        are(2, "Up")
        hang_up_callers()

    try:
        [left] = left_by("PJSIP/200@asterisk1", die_first, (OURS,))
    finally:
        control.start("offload")
    assert left.variables["DIALSTATUS"] == "ANSWER"
    assert endpoint(left.variables["DIALEDPEERNAME"]) == "PJSIP/asterisk1"
    assert left.variables["DIALEDPEERNUMBER"] == "200@asterisk1"
    assert left.causes == ["SIP 200 OK/Normal Clearing"]
    [row] = left.rows
    for name, since in (("ANSWEREDTIME", "answer"), ("DIALEDTIME", "start")):
        seconds = left.seconds(name)
        assert seconds is not None
        assert abs(seconds - lasted(row, since)) < NEAR


def variables_of_channels() -> str:
    """Return what node 2 shows of its channels."""
    return "".join(
        control.asterisk("asterisk2", f"core show channel {name}") for name in control.channels("asterisk2")
    )
