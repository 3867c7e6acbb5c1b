"""What Asterisk's processor time says of offloading: the calls in the switch and relayed by turns. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from stasis_offload.calls.views import CallState, Stats
from stasis_offload.errors import OffloadError

# For so many seconds may a measurement have Asterisk relay all calls.
MOST_SECONDS = 300
# In a stretch with the calls in the switch. Asterisk takes some 35 ms to relay 1,000 packets, and the kernel tells a process's
# time in steps of 10 ms.
ENOUGH_PACKETS = 5000
# By how much the packets a second before and after a stretch may differ, as part of the larger, if they are to say how many
# Asterisk relayed meanwhile. Open vSwitch counts up to half a second late.
_SAME_LOAD = 0.15
# Of the calls that were in the switch, so many must be there again, if it is to be the same.
_COME_BACK = 0.9


class NoComparisonError(OffloadError):
    """Nothing can be said; the text says why."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some seconds with every call where it belongs (`relayed` or not): Asterisk's CPU and the switch's packets, a second."""

    relayed: bool
    cpu: float
    packets: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Asterisk's processor time, in cores, with the calls in the switch and with all relayed: medians of `rounds`.

    `packets` is those a second that the switch forwarded. `ms_offloaded` and `ms_relayed` are the ms of Asterisk for 1,000 of
    them, with whatever else it did.
    """

    rounds: int
    offloaded: float
    relayed: float
    packets: float
    ms_offloaded: float
    ms_relayed: float

    @property
    def ratio(self) -> float:
        """What is left of Asterisk's processor time, as a part of what relaying takes."""
        return self.offloaded / self.relayed


def in_switch(stats: Stats) -> int:
    """Return how many calls are in the switch."""
    return stats.states.get(CallState.OFFLOADED, 0)


def are_back(before: Stats, now: Stats) -> bool:
    """Return whether about as many calls are in the switch as were before."""
    return in_switch(now) >= _COME_BACK * in_switch(before)


def cpu_of(stats: Stats) -> float:
    """Return Asterisk's processor time.

    Raises:
        NoComparisonError: it cannot be seen.

    """
    if stats.asterisk_cpu is None:
        raise NoComparisonError(
            "the application does not see Asterisk's process: it is in another container, or on another host"
        )
    return stats.asterisk_cpu


def stretch(first: Stats, last: Stats, *, relayed: bool) -> Stretch:
    """Return what was between two looks.

    Raises:
        NoComparisonError: Asterisk is not seen or was restarted, or calls were not where they belong.

    """
    seconds, cpu = last.age - first.age, cpu_of(last) - cpu_of(first)
    if seconds <= 0 or cpu < 0:
        raise NoComparisonError("the application or Asterisk was restarted meanwhile")
    if relayed and (in_switch(first) or in_switch(last)):
        raise NoComparisonError("not all calls were relayed: somebody else had them offloaded meanwhile")
    packets = last.packets - first.packets
    if not relayed and packets < ENOUGH_PACKETS:
        raise NoComparisonError(
            f"the switch forwarded {packets} packets in {seconds:.0f} s, and {ENOUGH_PACKETS:,} are needed: "
            "measure for longer, or with more calls"
        )
    return Stretch(relayed=relayed, cpu=cpu / seconds, packets=packets / seconds)


def compare(stretches: Sequence[Stretch]) -> Comparison:
    """Compare stretches with the calls offloaded, relayed, offloaded, and so on.

    Raises:
        NoComparisonError: the calls changed, or what else Asterisk does is more than the difference.

    """
    rounds = list(zip(stretches[0::2], stretches[1::2], stretches[2::2], strict=False))
    steady = [each for each in rounds if _is_steady(each[0].packets, each[2].packets)]
    if not steady:
        raise NoComparisonError(
            "the calls changed meanwhile: the switch forwarded more, or fewer, packets after than before"
        )
    if any(relayed.cpu <= max(before.cpu, after.cpu) for before, relayed, after in steady):
        raise NoComparisonError(
            "Asterisk took no less time with the calls in the switch: it does too much else; measure for longer, or with more calls"
        )
    offloaded = median((before.cpu + after.cpu) / 2 for before, _, after in steady)
    relayed = median(each.cpu for _, each, _ in steady)
    packets = median((before.packets + after.packets) / 2 for before, _, after in steady)
    return Comparison(
        rounds=len(steady),
        offloaded=offloaded,
        relayed=relayed,
        packets=packets,
        ms_offloaded=1e6 * offloaded / packets,
        ms_relayed=1e6 * relayed / packets,
    )


def _is_steady(before: float, after: float) -> bool:
    return abs(before - after) <= _SAME_LOAD * max(before, after)
