"""Instructions for each packet, and how many packets a second are relayed before one in a hundred is lost."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from lab.control import LabError, execute
from tests.bench.kernel.guest import MACHINE, Guest

MEASURED_S = 10.0
LOSS = 0.01
# On a busy machine an emulated one loses some packets; instructions for each that arrived still say what they cost.
TOO_MANY = 0.1
# Each step of the ramp has so many times the packets of the one before, for so long (s).
STEP = 1.4
STEP_S = 3.0
HIGHEST = 25_000.0


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
    """What a relay costs: instructions for each packet that arrived, and its highest rate (packets/s, None: not tried)."""

    user: float
    kernel: float
    packets_per_second: float | None = None

    @property
    def instructions(self) -> float:
        """User's and kernel's together."""
        return self.user + self.kernel


def spent(guest: Guest, seconds: float = MEASURED_S) -> Spent:
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


def cost(idle: Spent, busy: Spent, packets_per_second: float | None = None) -> Cost:
    """Return what each packet cost beyond an idle guest.

    Raises:
        LabError: packets were lost, so that a figure for each would say nothing.

    """
    if busy.lost > TOO_MANY:
        raise LabError(f"{busy.lost:.1%} of {busy.sent} packets were lost")
    part = busy.seconds / idle.seconds
    return Cost(
        user=(busy.user - idle.user * part) / busy.received,
        kernel=(busy.kernel - idle.kernel * part) / busy.received,
        packets_per_second=packets_per_second,
    )


def ramp(guest: Guest, set_rate: Callable[[float], None], *, first: float) -> float:
    """Send more and more, and return the highest rate (packets/s) at which fewer than LOSS were lost."""
    rate, best = first, 0.0
    while rate <= HIGHEST:
        set_rate(rate)
        # Once more, where it may have been the machine's fault.
        step = spent(guest, STEP_S)
        if step.lost > LOSS:
            step = spent(guest, STEP_S)
        if step.lost > LOSS:
            break
        best = step.received / step.seconds
        rate *= STEP
    set_rate(first)
    return best


def _packets() -> tuple[int, int]:
    """Count what the endpoints sent and what reached their sockets, which nobody reads and which are full (udp(7))."""
    names, values = (
        line.split()[1:] for line in execute(MACHINE, "grep", "^Udp:", "/proc/net/snmp").splitlines()
    )
    counters = {name: int(value) for name, value in zip(names, values, strict=True)}
    return counters["OutDatagrams"], counters["RcvbufErrors"] + counters["InDatagrams"]
