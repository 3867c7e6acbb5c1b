"""What relaying costs: how long a packet is under way, and how much of the processors it takes."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from os import sysconf
from pathlib import Path

from lab.capture import Capture
from lab.control import Cpu, LabError
from tests.bench.load import PACKETS_PER_SECOND

MEASURED_S = 10.0
# On a machine that is too busy packets are late or lost, which the figures say; with fewer than this part of them,
# the relay does not work.
ENOUGH = 0.5
SOFTIRQ = "softirq"

_JITTER_GAIN = 1 / 16


@dataclass(frozen=True, slots=True)
class Watched:
    """A stretch of time (Unix time, s), and the processor time that was used in it, by who used it."""

    start: float
    end: float
    cpu_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Relayed:
    """What one relay did with the load.

    Latency and jitter are in microseconds, from the generator's interface and back to it. `cpu` is ms of processor
    time by who used it, per 1,000 packets relayed. What runs in a soft interrupt is counted for the whole machine:
    the generator's and the capture's are in it, the same for every relay.
    """

    packets: int
    latency_us_p50: float
    latency_us_p99: float
    jitter_us: float
    cpu: Mapping[str, float]

    @property
    def cpu_total(self) -> float:
        """All processor time per 1,000 packets (ms)."""
        return sum(self.cpu.values())

    def __str__(self) -> str:
        return (
            f"median {self.latency_us_p50:.0f} us, p99 {self.latency_us_p99:.0f} us, "
            f"{self.cpu_total:.1f} ms of processor time per 1,000 packets"
        )


def watch(processes: Mapping[str, int]) -> Watched:
    """Watch a load that is up for MEASURED_S; `processes` are the host's process ids of the relay, by name."""
    softirq, start = _softirq_ms(), time.time()
    used = Cpu(dict(processes)).measure(MEASURED_S)
    softirq, end = _softirq_ms() - softirq, time.time()
    of_process = {name: percent / 100 * (end - start) * 1000 for name, percent in used.items()}
    return Watched(start=start, end=end, cpu_ms=of_process | {SOFTIRQ: softirq})


def judge(capture: Capture, watched: Watched, *, streams: int) -> Relayed:
    """Say what became of the packets that arrived while the load was watched.

    Raises:
        LabError: too little of the load was relayed to say anything about it.

    """
    sent = {stream.ssrc: {p.sequence: p.at for p in stream.packets} for stream in capture.sent}
    arrived = {
        stream.ssrc: [
            (sent[stream.ssrc][p.sequence], p.at)
            for p in stream.packets
            if watched.start <= p.at < watched.end
        ]
        for stream in capture.end_to_end
    }
    latencies = [1e6 * (there - here) for packets in arrived.values() for here, there in packets]
    expected = streams * PACKETS_PER_SECOND * (watched.end - watched.start)
    if len(latencies) < ENOUGH * expected:
        raise LabError(f"only {len(latencies)} of {expected:.0f} packets were relayed")
    return Relayed(
        packets=len(latencies),
        latency_us_p50=statistics.median(latencies),
        latency_us_p99=percentile(latencies, 99),
        jitter_us=statistics.mean(_jitter_us(packets) for packets in arrived.values()),
        cpu={name: ms * 1000 / len(latencies) for name, ms in watched.cpu_ms.items()},
    )


def percentile(values: list[float], rank: int) -> float:
    """Return a percentile, interpolated; of few values, one between the two largest."""
    return statistics.quantiles(values, n=100, method="inclusive")[rank - 1]


def _jitter_us(packets: list[tuple[float, float]]) -> float:
    """Estimate the jitter that the relay adds (RFC 3550, 6.4.1): the mean over the stream of its running value.

    Of the packets' times of sending on the wire, and not of their timestamps, so that the unevenness of the generator
    is not in it.
    """
    jitter, seen = 0.0, []
    for (sent, arrived), (sent_next, arrived_next) in pairwise(packets):
        difference = abs((arrived_next - arrived) - (sent_next - sent))
        jitter += (difference - jitter) * _JITTER_GAIN
        seen.append(jitter)
    return 1e6 * statistics.mean(seen)


def _softirq_ms() -> float:
    """Return the machine's time in soft interrupts (proc(5), stat, the 7th number of the first line)."""
    first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
    return int(first.split()[7]) * 1000 / sysconf("SC_CLK_TCK")
