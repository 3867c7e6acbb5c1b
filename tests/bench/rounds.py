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

CALLS = 50
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


def measure(*, found: Callable[[str], object]) -> Rounds:
    """Measure every relay with CALLS calls, ROUNDS times; `found` is told each result.

    Raises:
        LabError: a relay did not come up, or relayed too little.

    """
    own = selfcheck.datapath()
    lacking = _lacking(own)
    # The port that is not AF_XDP's.
    other = "system" if own == "system" else "netdev"
    sides: dict[str, Callable[[], Relayed]] = {
        "asterisk": lambda: _plain(relays.asterisk_alone(), "asterisk-alone", "asterisk"),
        "asterisk_ovs": lambda: _node2(other, "relayed"),
        "rtpengine": lambda: _plain(relays.rtpengine(), "rtpengine", "rtpengine"),
        "offloaded": lambda: _node2(other, "offloaded"),
    }
    if not lacking:
        sides[AFXDP] = lambda: _node2("afxdp", "offloaded")
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


def _node2(datapath: str, state: str) -> Relayed:
    """Measure the relay behind the switch, or the switch, by a datapath."""
    control.join_bridge(datapath)
    if (used := selfcheck.datapath()) != datapath:
        raise LabError(f"node 2's datapath is {used}, not {datapath}")
    control.offload("relay" if state == "relayed" else "offload", "--all")
    processes = {"asterisk": "asterisk2", "ovs-vswitchd": "ovs", "stasis-offload": "offload"}
    return _measured(relays.BEHIND_OVS, processes, state)


def _plain(running: AbstractContextManager[Server], service: str, process: str) -> Relayed:
    """Measure a relay that is one process, started for this."""
    with running as server:
        return _measured(server, {process: service})


def _measured(server: Server, processes: Mapping[str, str], state: str | None = None) -> Relayed:
    """Measure with CALLS calls by a server, once all are in a state; `processes` are the relay's, and where each runs."""
    with captured(EDGE, snaplen=HEADERS) as capture, calls_up(server, CALLS):
        if state:
            moves.all_are(state, CALLS)
        watched = relaying.watch(
            {process: pid_of(service, process) for process, service in processes.items()}
        )
    return relaying.judge(capture, watched, streams=2 * CALLS)


def main() -> None:
    """Measure alone."""
    relays.build_rtpengine()
    rounds = measure(found=print)
    for relay, relayed in rounds.relayed.items():
        print(f"{relay:15}", *(f"{it.cpu_total:6.1f}" for it in relayed), rounds.middle[relay].cpu)
        if AFXDP in rounds.relayed and relay != AFXDP:
            print(f"{'':15} {AFXDP} is {rounds.ratio(AFXDP, relay):.2f} of it")
    for relay, reason in rounds.lacking.items():
        print(f"{relay:15} {reason}")


if __name__ == "__main__":
    main()
