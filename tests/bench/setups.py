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
    """The set-up of calls at one rate, in ms; `missed` calls were never carried by the switch.

    `learning_p50` is when the application began to learn the legs from their packets, from the same moment on: what
    comes after it is the wait for the next packet of each leg, and the flows.
    """

    calls: int
    missed: int
    p50: float
    p99: float
    learning_p50: float

    def __str__(self) -> str:
        return (
            f"median {self.p50:.1f} ms ({self.learning_p50:.1f} until learning), p99 {self.p99:.1f} ms, "
            f"{self.missed} of {self.calls} not carried"
        )


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
    log = control.docker("logs", f"--since={start:.6f}", container("offload"), stderr=True)
    installed, learning = first_times(log, "flows.installed"), first_times(log, "media.learning")
    both_speak = {n: max(began[ssrc] for ssrc in ssrcs_of(n)) for n in range(first, first + calls)}
    took = [1000 * (installed[number] - both_speak[number]) for number in installed]
    if not took:
        raise LabError(f"the switch carried none of {calls} calls at {rate}/s")
    return SetUp(
        calls=calls,
        missed=calls - len(took),
        p50=statistics.median(took),
        p99=percentile(took, 99),
        learning_p50=statistics.median(1000 * (learning[n] - both_speak[n]) for n in installed),
    )


def first_times(log: str, event: str) -> Mapping[int, float]:
    """Read when something first happened to each call that began in this log (Unix time, s), by its number."""
    numbers: dict[str, int] = {}
    times: dict[int, float] = {}
    for line in _lines(log):
        match line:
            case {"event": "call.new", "call": str(call), "number": str(number)}:
                numbers[call] = int(number)
            case {"event": str(name), "call": str(call), "timestamp": str(at)} if call in numbers:
                if name == event:
                    times.setdefault(numbers[call], datetime.fromisoformat(at).timestamp())
    return times


def _lines(log: str) -> Iterable[object]:
    return (json.loads(line) for line in log.splitlines() if line.startswith("{"))
