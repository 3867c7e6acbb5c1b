"""Instructions for each packet, and how many packets a second are relayed before one in a hundred is lost."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from lab.control import LabError, execute
from tests.bench.kernel.guest import MACHINE, Guest

LOSS = 0.01
# What a guest does beside relaying costs it up to a million instructions a second more or less than the second before. So
# few packets (QUIET) and many (BUSY, packets a second of a stream) take turns, and what tells the two apart is the packets'.
QUIET, BUSY = 5.0, 200.0
# Half of it is enough where a busy machine lets a relay lose packets, and half of that.
HALVED = 2
PAIRS = 3
WINDOW_S = 2.5
SETTLED_S = 0.4
# Each step of the ramp has so many times the packets of the one before, for so long (s).
STEP = 1.4
STEP_S = 1.5
# How often a stretch is watched again that lost packets: it may have been the machine's fault.
AGAIN = 3

Send = Callable[[float], None]
"""Sets how many packets a second each stream sends."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Instructions and packets of a stretch of time (s): `sent` by the endpoints, `received` by them."""

    seconds: float
    user: int
    kernel: int
    sent: int
    received: int

    @property
    def lost(self) -> float:
        """The part of the packets that did not arrive."""
        return 1 - self.received / self.sent if self.sent else 1.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What a relay costs: instructions for each packet that arrived when so many did a second, and its highest rate.

    That is in packets a second, too, or None where it was not tried.
    """

    user: float
    kernel: float
    measured_at: float
    packets_per_second: float | None = None

    @property
    def instructions(self) -> float:
        """User's and kernel's together."""
        return self.user + self.kernel


def spent(guest: Guest, seconds: float = WINDOW_S) -> Spent:
    """Watch the guest, and what the endpoints send and receive, for so long."""
    began, before, packets = time.monotonic(), guest.instructions(), _packets()
    time.sleep(seconds)
    ended, after, packets_then = time.monotonic(), guest.instructions(), _packets()
    return Spent(
        seconds=ended - began,
        user=after.user - before.user,
        kernel=after.kernel - before.kernel,
        sent=packets_then[0] - packets[0],
        received=packets_then[1] - packets[1],
    )


def measured(guest: Guest, send: Send, *, quiet: float = QUIET, busy: float = BUSY) -> Cost:
    """Send few packets and many by turns, and return what one more costs.

    Raises:
        LabError: packets were lost, so that a figure for each would say nothing.

    """
    for halved in range(HALVED + 1):
        pairs = _pairs(guest, send, quiet=quiet, busy=busy / 2**halved)
        if all(many.lost <= LOSS for _, many in pairs):
            return cost(pairs)
    raise LabError(
        f"of {pairs[-1][1].sent} packets {pairs[-1][1].lost:.1%} were lost: is the machine too busy?"
    )


def _pairs(guest: Guest, send: Send, *, quiet: float, busy: float) -> list[tuple[Spent, Spent]]:
    """Watch PAIRS pairs, or fewer up to one that lost packets."""
    pairs = []
    for _ in range(PAIRS):
        send(quiet)
        time.sleep(SETTLED_S)
        few = spent(guest)
        send(busy)
        time.sleep(SETTLED_S)
        pairs.append((few, _kept(guest, WINDOW_S)))
        if pairs[-1][1].lost > LOSS:
            break
    send(quiet)
    return pairs


def cost(pairs: Sequence[tuple[Spent, Spent]]) -> Cost:
    """Return what each packet costs that the second of a pair has more than the first, in the pair in the middle."""
    found = [
        Cost(
            user=(many.user / many.seconds - few.user / few.seconds) / more,
            kernel=(many.kernel / many.seconds - few.kernel / few.seconds) / more,
            measured_at=many.received / many.seconds,
        )
        for few, many in pairs
        for more in (many.received / many.seconds - few.received / few.seconds,)
    ]
    middle = median(each.instructions for each in found)
    return min(found, key=lambda each: abs(each.instructions - middle))


def ramp(guest: Guest, send: Send, streams: int, *, kept: float) -> float:
    """Send more and more, and return the highest rate (packets/s) at which fewer than LOSS were lost; `kept` is one.

    The generator's own highest rate ends it, too.
    """
    rate, best = kept * STEP, kept
    while True:
        send(rate / streams)
        time.sleep(SETTLED_S)
        step = _kept(guest, STEP_S)
        received = step.received / step.seconds
        if step.lost > LOSS:
            break
        best = max(best, received)
        if received < rate / STEP:
            break
        rate *= STEP
    send(QUIET)
    return best


def _kept(guest: Guest, seconds: float) -> Spent:
    """Watch until hardly a packet is lost, AGAIN times at most."""
    for _ in range(AGAIN):
        found = spent(guest, seconds)
        if found.lost <= LOSS:
            break
    return found


def _packets() -> tuple[int, int]:
    """Count what the endpoints sent and what reached their sockets, which nobody reads and which are full (udp(7))."""
    return datagrams(execute(MACHINE, "cat", "/proc/net/snmp"), execute(MACHINE, "cat", "/proc/net/snmp6"))


def datagrams(snmp: str, snmp6: str) -> tuple[int, int]:
    """Read how many datagrams were sent and how many arrived, by /proc/net/snmp and /proc/net/snmp6."""
    names, values = (line.split()[1:] for line in snmp.splitlines() if line.startswith("Udp:"))
    counters = dict(zip(names, values, strict=True)) | dict(line.split() for line in snmp6.splitlines())
    sent, *arrived = (
        sum(int(counters[family + name]) for family in ("", "Udp6"))
        for name in ("OutDatagrams", "RcvbufErrors", "InDatagrams")
    )
    return sent, sum(arrived)
