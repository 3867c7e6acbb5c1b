"""How soon the switch carries a new call: from the second leg's first packet to both flows confirmed."""

import json
import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from lab import control
from lab.capture import HEADERS, captured
from lab.control import LabError, container, wait_until
from tests.bench.load import EDGE, Server, set_up, ssrcs_of
from tests.bench.relaying import percentile

# So many calls at so many a second, each so long that it is up for some seconds and never more than 100 are at once.
RATES = {1: (20, 2.0), 10: (120, 2.0), 50: (150, 2.0)}
GONE_WITHIN = 30.0

_first_numbers = count(1000, 1000)


@dataclass(frozen=True, slots=True)
class SetUp:
    """The set-up of calls at one rate, in ms; `missed` calls were never carried by the switch."""

    calls: int
    missed: int
    p50: float
    p99: float

    def __str__(self) -> str:
        return f"median {self.p50:.1f} ms, p99 {self.p99:.1f} ms, {self.missed} of {self.calls} not carried"


def measure(server: Server, rate: int) -> SetUp:
    """Make calls at a rate, and compare their packets with the application's log: both are in the host's time.

    Raises:
        LabError: a call did not come about, or the switch carried none.

    """
    calls, hold = RATES[rate]
    first = next(_first_numbers)
    start = time.time()
    with captured(EDGE, snaplen=HEADERS) as capture:
        set_up(server, count=calls, rate=rate, first=first, hold=hold)
        wait_until(lambda: not control.calls(), within=GONE_WITHIN, what="every call to end")
    began = {stream.ssrc: stream.first for stream in capture.sent}
    installed = installed_at(
        control.docker("logs", f"--since={start:.6f}", container("offload"), stderr=True)
    )
    took = []
    for number in range(first, first + calls):
        if number in installed:
            both_speak = max(began[ssrc] for ssrc in ssrcs_of(number))
            took.append(1000 * (installed[number] - both_speak))
    if not took:
        raise LabError(f"the switch carried none of {calls} calls at {rate}/s")
    return SetUp(calls=calls, missed=calls - len(took), p50=statistics.median(took), p99=percentile(took, 99))


def installed_at(log: str) -> Mapping[int, float]:
    """Read when the first flows of each call were confirmed (Unix time, s), by the call's number."""
    numbers: dict[str, int] = {}
    installed: dict[int, float] = {}
    for line in _lines(log):
        match line:
            case {"event": "call.new", "call": str(call), "number": str(number)}:
                numbers[call] = int(number)
            case {"event": "flows.installed", "call": str(call), "timestamp": str(at)} if call in numbers:
                installed.setdefault(numbers[call], datetime.fromisoformat(at).timestamp())
    return installed


def _lines(log: str) -> Iterable[object]:
    return (json.loads(line) for line in log.splitlines() if line.startswith("{"))
