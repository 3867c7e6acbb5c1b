"""What relaying costs, by one relay after the other, and all of them again: what else the machine does meets them alike.

Where the machine has AF_XDP, the switch is for all rounds in a container that may use it, and its port is put into the
bridge anew for AF_PACKET and for AF_XDP (docs/datapaths.md).
"""

import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from lab import control, selfcheck
from lab.capture import HEADERS, captured
from lab.control import LabError, pid_of
from tests.bench import moves, relaying, relays
from tests.bench.load import EDGE, Server, bring_generator, calls_up
from tests.bench.relaying import Relayed

ROUNDS = 3
AFXDP = "offloaded_afxdp"


@dataclass(frozen=True, slots=True)
class Rounds:
    """What each relay did with the load, in each round; `lacking` says what the machine does not let run, and why."""

    relayed: Mapping[str, list[Relayed]]
    lacking: Mapping[str, str]

    @property
    def middle(self) -> dict[str, Relayed]:
        """Of each relay, the round in which it took neither most nor least of the processors."""
        return {
            name: sorted(rounds, key=lambda it: it.cpu_total)[(len(rounds) - 1) // 2]
            for name, rounds in self.relayed.items()
        }

    def ratio(self, relay: str, to: str) -> float:
        """Return the median, over the rounds, of what a relay cost by what another one did in the same round."""
        both = zip(self.relayed[relay], self.relayed[to], strict=True)
        return statistics.median(it.cpu_total / other.cpu_total for it, other in both)


def measure(calls: int, *, found: Callable[[str], object]) -> Rounds:
    """Measure every relay with so many calls, ROUNDS times; `found` is told each result.

    Raises:
        LabError: a relay did not come up, or relayed too little.

    """
    own = selfcheck.datapath()
    lacking = _lacking(own)
    # The port that is not AF_XDP's.
    other = "system" if own == "system" else "netdev"
    sides: dict[str, Callable[[], Relayed]] = {
        "asterisk": lambda: _plain(relays.asterisk_alone(), calls, "asterisk-alone", "asterisk"),
        "asterisk_ovs": lambda: _node2(other, calls, "relayed"),
        "rtpengine": lambda: _plain(relays.rtpengine(), calls, "rtpengine", "rtpengine"),
        "offloaded": lambda: _node2(other, calls, "offloaded"),
    }
    if not lacking:
        sides[AFXDP] = lambda: _node2("afxdp", calls, "offloaded")
    relayed: dict[str, list[Relayed]] = {name: [] for name in sides}
    with _lab(own if lacking else "afxdp"):
        for _ in range(ROUNDS):
            for name, side in sides.items():
                relayed[name].append(side())
                found(f"{name}: {relayed[name][-1]}")
    return Rounds(relayed, lacking)


def _lacking(own: str) -> dict[str, str]:
    if own == "system":
        return {AFXDP: "the lab's switch is the kernel's"}
    try:
        control.lab("works", "afxdp")
    except LabError as error:
        return {AFXDP: str(error)}
    return {}


@contextmanager
def _lab(datapath: str) -> Iterator[None]:
    """Have a lab that may have a datapath, and the one that was asked for at the end of the block."""
    control.lab("up", LAB_DATAPATH=datapath)
    bring_generator()
    try:
        yield
    finally:
        control.lab("up")


def _node2(datapath: str, calls: int, state: str) -> Relayed:
    """Measure the relay behind the switch, or the switch, by a datapath."""
    control.join_bridge(datapath)
    if (used := selfcheck.datapath()) != datapath:
        raise LabError(f"node 2's datapath is {used}, not {datapath}")
    control.offload("relay" if state == "relayed" else "offload", "--all")
    pids = {
        "asterisk": pid_of("asterisk2", "asterisk"),
        "ovs-vswitchd": pid_of("ovs", "ovs-vswitchd"),
        "stasis-offload": pid_of("offload", "stasis-offload"),
    }
    return _measured(relays.BEHIND_OVS, calls, pids, state)


def _plain(running: AbstractContextManager[Server], calls: int, service: str, process: str) -> Relayed:
    """Measure a relay that is one process, started for this."""
    with running as server:
        return _measured(server, calls, {process: pid_of(service, process)})


def _measured(server: Server, calls: int, pids: Mapping[str, int], state: str | None = None) -> Relayed:
    with captured(EDGE, snaplen=HEADERS) as capture, calls_up(server, calls):
        if state:
            moves.all_are(state, calls)
        watched = relaying.watch(pids)
    return relaying.judge(capture, watched, streams=2 * calls)
