"""What a call leaves behind: variables on the caller, CDR and CEL rows. Ours beside plain Dial(), at the same time.

Two rows or variables are equal but for the numbers of channels and bridges, and for times.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab import control
from lab.control import wait_until
from tests.support.ami import ami_events
from tests.support.observed import CDRS, written_rows

CELS = "/var/log/asterisk/cel-custom/events.json"
OURS, PLAIN = "left-ours", "left-dial"
TIMES = ("RINGTIME", "PROGRESSTIME", "ANSWEREDTIME", "DIALEDTIME")
ROW = ("channel", "dstchannel", "clid", "src", "dst", "lastapp", "lastdata", "disposition")
EVENT = ("eventtype", "channame", "appname", "appdata")


@dataclass(frozen=True)
class Left:
    """What one of the two calls has left behind: its variables in the h extension, its CDR rows, its CEL events.

    `dials` are AMI's DialBegin and DialEnd, each with the channel that was dialled, the string and the status.
    """

    variables: dict[str, str]
    rows: list[dict[str, Any]]
    events: list[dict[str, Any]]
    dials: list[tuple[str, ...]]

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

    @property
    def dispositions(self) -> list[str]:
        """What became of the caller, row by row."""
        return [row["disposition"] for row in self.rows]

    def kept(self, *names: str) -> list[dict[str, str]]:
        """Return what the rows say under these names, whatever the numbers of channels."""
        return [{name: endpoint(row[name]) for name in names} for row in self.rows]

    def other_variables(self) -> dict[str, str]:
        """Return the variables that are neither times nor causes."""
        timed = {name for time in TIMES for name in (time, f"{time}_MS")} | {"causes"}
        return {name: endpoint(value) for name, value in self.variables.items() if name not in timed}

    def events_but_of_bridges(self) -> list[tuple[str, ...]]:
        """List the events, without LINKEDID_END: that is of whoever ends last, the callee when the caller cancels."""
        others = ("BRIDGE_ENTER", "BRIDGE_EXIT", "LINKEDID_END")
        events = (event for event in self.events if event["eventtype"] not in others)
        return [(*(endpoint(event[key]) for key in EVENT), outcome(event)) for event in events]

    def count(self, kind: str) -> int:
        """Count the events of a type."""
        return sum(event["eventtype"] == kind for event in self.events)


def endpoint(text: str) -> str:
    """Leave out the number that Asterisk gives to a channel."""
    return re.sub(r"(PJSIP/[\w-]+)-[0-9a-f]{8}", r"\1", text)


def outcome(event: dict[str, Any]) -> str:
    """Return cause and status of a HANGUP event, without `hangupsource`."""
    extra = json.loads(event["eventextra"] or "{}")
    return f"{extra.get('hangupcause')} {extra.get('dialstatus')}"


def lasted(row: dict[str, Any], since: str) -> float:
    """Return duration or billsec of a CDR (s)."""
    return float(row["end"]) - float(row[since]) if row[since] else 0.0


def left_by(
    arguments: str, finish: Callable[[], None], names: tuple[str, ...] = (OURS, PLAIN), *, up: bool = False
) -> list[Left]:
    """Make the same call by OffloadDial() and by Dial(); return what each has left behind.

    `up`: the dialplan answers the caller before.
    """
    seen_rows, seen_events = len(_rows_of(CDRS)), len(_rows_of(CELS))

    def events() -> list[dict[str, Any]]:
        return _rows_of(CELS)[seen_events:]

    def callers() -> list[str]:
        dialled = [event for event in events() if event["eventtype"] == "APP_START"]
        return [event["channame"] for name in names for event in dialled if event["context"] == name]

    def told_of_all() -> bool:
        # AMI's thread is another than that of CEL; of a channel it tells in order.
        hung_up = {event.get("Channel") for event in of_ami() if event.get("Event") == "Hangup"}
        return hung_up >= set(callers())

    def ended() -> bool:
        ends = {event["channame"] for event in events() if event["eventtype"] == "CHAN_END"}
        active = control.asterisk("asterisk2", "cdr show active")
        return len(callers()) == len(names) and ends >= set(callers()) and "PJSIP/" not in active

    control.asterisk("asterisk2", f"dialplan set global LAB_ARGS {arguments}")
    with ami_events() as of_ami:
        for name in names:
            control.asterisk("asterisk2", f"dialplan set global LEFT_{name} none")
            control.originate(f"{'up-' if up else ''}{name}@asterisk2")
        finish()
        wait_until(ended, within=20, what="both calls to end, and every CDR to be written")
        wait_until(told_of_all, within=5, what="AMI to tell of both ends")
        dials = [event for event in of_ami() if event.get("Event") in ("DialBegin", "DialEnd")]
    rows = _rows_of(CDRS)[seen_rows:]
    return [
        Left(
            _variables_of(name),
            [row for row in rows if row["channel"] == caller],
            [event for event in events() if event["channame"] == caller],
            [_dial(event) for event in dials if event.get("Channel") == caller],
        )
        for name, caller in zip(names, callers(), strict=True)
    ]


@dataclass(frozen=True)
class Leg:
    """A channel of node 2."""

    channel: str
    exten: str
    state: str
    bridge: str


def legs() -> list[Leg]:
    """List the channels of node 2, oldest first."""
    rows = (
        row.split("!") for row in control.asterisk("asterisk2", "core show channels concise").splitlines()
    )
    return [Leg(row[0], row[2], row[4], row[12]) for row in sorted(rows) if len(row) > 12]


def hang_up_callers() -> None:
    """Hang up the channels of asterisk1 that called."""
    for row in control.asterisk("asterisk1", "core show channels concise").splitlines():
        if row.count("!") > 2 and not row.split("!")[2].isdigit():
            control.asterisk("asterisk1", f"channel request hangup {row.partition('!')[0]}")


def are(count: int, state: str) -> None:
    """Wait until so many channels of node 2 are in a state."""

    def reached() -> bool:
        return control.asterisk("asterisk2", "core show channels concise").count(f"!{state}!") == count

    wait_until(reached, within=10, what=f"{count} channels to be {state}")


def _dial(event: dict[str, str]) -> tuple[str, ...]:
    said = (event.get(name, "") for name in ("DestChannel", "DialString", "DialStatus"))
    return (event["Event"], *map(endpoint, said))


def _rows_of(file: str) -> list[dict[str, Any]]:
    return [json.loads(row) for row in written_rows(file)]


def _variables_of(name: str) -> dict[str, str]:
    found = re.search(rf"LEFT_{name}=(.*)", control.asterisk("asterisk2", "dialplan show globals"))
    assert found
    parts = (part.partition("=") for part in found[1].split("|"))
    return {key: value for key, equals, value in parts if equals}
