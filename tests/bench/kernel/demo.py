"""The demonstration with a kernel's datapath, in user-mode Linux: calls relayed and offloaded by turns, and one verdict.

Usage: python -m tests.bench.kernel.demo [CALLS]   (1 to 40, 10 by default; on the lab's images: `make demo KERNEL=1`)

What a process of user-mode Linux costs is mostly its own way of making system calls: of processor time only ratios are shown.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.table import Table

from lab.capture import HEADERS, Stream, captured
from lab.control import LabError, execute, wait_until
from lab.demo import ENOUGH, PACKETS_PER_SECOND, calls_asked, conclude, console, say, show
from tests.bench.kernel import guest, relays
from tests.bench.kernel.guest import MACHINE, Guest
from tests.bench.kernel.relays import Application
from tests.bench.load import calls_up

CALLS, MOST_CALLS = 10, 40
CALLS_PER_SECOND = 5.0
MEASURED_S = 5.0
STATE_WITHIN = 60.0
# Of the packets of an offloaded phase; few may have been under way when it began.
NEARLY_ALL = 0.99
# While a busy machine does not run user-mode Linux for a second, its queues overflow.
LOST_AT_MOST = 0.01
PHASES = ("relayed", "offloaded", "relayed again", "offloaded again")

# The processes of user-mode Linux, its kernel and what runs in it, from the third field of proc(5), stat, on.
_PROCESSES = "cat /proc/[0-9]*/stat 2>/dev/null | sed -n 's/^[0-9]* (\\(linux.uml\\|uml-userspace\\)) //p'"
_COUNTERS = "asterisk -rx 'rtpstreams json'; echo -; ovs-appctl dpctl/dump-flows"
_FLOWS = "ovs-ofctl -O OpenFlow13 dump-flows breth0 cookie=0xff1000000000000/0x0fff000000000000 | grep -c set_field || true"


@dataclass(frozen=True, slots=True)
class Seen:
    """Counters of node 2 at a moment (Unix time, s).

    Processor time (ticks), the packets that Asterisk has received, and those of each flow of the datapath that rewrites
    RTP from leg to leg, by what it matches.
    """

    at: float
    ticks: int
    asterisk: int
    flows: dict[str, int]


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of the demonstration: the counters of its two ends."""

    name: str
    began: Seen
    ended: Seen

    @property
    def asterisk(self) -> int:
        """How many packets Asterisk received."""
        return self.ended.asterisk - self.began.asterisk

    @property
    def flows(self) -> list[int]:
        """How many packets each rewriting flow of the datapath forwarded, of those that forwarded any."""
        grown = (packets - self.began.flows.get(match, 0) for match, packets in self.ended.flows.items())
        return [packets for packets in grown if packets]

    def arrived(self, streams: list[Stream]) -> list[int]:
        """Count the packets of each stream that reached the other end."""
        return [stream.between(self.began.at, self.ended.at) for stream in streams]

    def by_switch(self, streams: list[Stream]) -> int:
        """Count those of them that the switch forwarded, as their TTL says."""
        return sum(
            self.began.at <= packet.at < self.ended.at for stream in streams for packet in stream.by_switch()
        )

    def cost(self, streams: list[Stream]) -> float:
        """Return the guest's processor time for each packet (ticks)."""
        return (self.ended.ticks - self.began.ticks) / (sum(self.arrived(streams)) or 1)


def main() -> int:
    """Play the demonstration; 0 when it shows what it promises."""
    try:
        count = calls_asked(sys.argv[1:], CALLS, MOST_CALLS)
        say("build node 2 and its machine (the first time: half a minute)")
        guest.build(guest.USER_MODE)
        return _verdict(count, *play(count))
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


def play(count: int, *, measured: float = MEASURED_S) -> tuple[list[Phase], list[Stream], int]:
    """Play it with so many calls, `measured` seconds a phase; return the phases, all streams, and how many flows are left."""
    say("boot node 2 in user-mode Linux, with a kernel of its own")
    with guest.booted(guest.USER_MODE) as machine:
        relays.asterisk(machine)
        relays.switch(machine)
        datapaths = machine.run("ovs-appctl dpif/show").splitlines()
        if not datapaths[0].startswith("system@"):
            raise LabError(f"this is not the kernel's datapath: {datapaths[0]}")
        show("node2# ovs-appctl dpif/show", datapaths)
        with relays.application() as application:
            application.relay()
            say(f"start {count} calls through it; the phones and the application are outside")
            with captured(MACHINE, snaplen=HEADERS) as capture, _calls(application, count):
                phases = [_phase(machine, application, name, measured, count) for name in PHASES]
                say("hang up")
            _wait_for(application, [])
        left = int(machine.run(_FLOWS))
    return phases, capture.end_to_end, left


@contextmanager
def _calls(application: Application, count: int) -> Iterator[None]:
    with calls_up(relays.ASTERISK, count, rate=CALLS_PER_SECOND, at=MACHINE, rtcp=True):
        _wait_for(application, ["relayed"] * count)
        yield


def _phase(machine: Guest, application: Application, name: str, measured: float, count: int) -> Phase:
    state = name.partition(" ")[0]
    if state == "offloaded":
        application.offload()
    else:
        application.relay()
    _wait_for(application, [state] * count)
    began = _settled(machine, state)
    time.sleep(measured)
    phase = Phase(name, began, _seen(machine))
    say(
        f"{name}: {phase.asterisk} packets received by Asterisk, {sum(phase.flows)} forwarded by the kernel's datapath"
    )
    if name == "relayed":
        show("node2*CLI> rtpstreams", machine.run("asterisk -rx rtpstreams").splitlines())
    elif name == "offloaded":
        rows = machine.run("ovs-appctl dpctl/dump-flows")
        show("node2# ovs-appctl dpctl/dump-flows", [str(flow) for flow in relays.rewriting(rows)], most=2)
    return phase


def _wait_for(application: Application, states: list[str]) -> None:
    what = f"{len(states)} calls to be {states[0]}" if states else "every call to end"
    wait_until(lambda: application.states() == states, within=STATE_WITHIN, what=what)


def _settled(machine: Guest, state: str) -> Seen:
    """Return the counters once no packet is under way that arrived in another state: a busy machine has many of them."""

    def found() -> Seen | None:
        before, after = _seen(machine), _seen(machine)
        moved = after.asterisk == before.asterisk if state == "offloaded" else after.flows == before.flows
        return after if moved else None

    return wait_until(found, within=STATE_WITHIN, what=f"all packets to be {state}")


def _seen(machine: Guest) -> Seen:
    at = time.time()
    counters, _, flows = machine.run(_COUNTERS).partition("\n-\n")
    processes = (line.split() for line in execute(MACHINE, "sh", "-c", _PROCESSES).splitlines())
    return Seen(
        at=at,
        ticks=sum(int(ticks) for fields in processes for ticks in fields[11:15]),
        asterisk=sum(json.loads(leg)["packets_rx"] for leg in counters.splitlines()),
        flows={flow.match: flow.packets for flow in relays.rewriting(flows)},
    )


def complaints(count: int, phases: list[Phase], streams: list[Stream], left: int) -> list[str]:
    """Say what the demonstration promises and has not shown."""
    found = []
    if len(streams) != 2 * count:
        found.append(f"expected {2 * count} RTP streams at the phones, saw {len(streams)}")
    for phase in phases:
        expected = PACKETS_PER_SECOND * (phase.ended.at - phase.began.at)
        arrived = phase.arrived(streams)
        if (alive := sum(packets >= ENOUGH * expected for packets in arrived)) != 2 * count:
            found.append(f"{phase.name}: only {alive} of {2 * count} streams arrived in full")
        by_switch = phase.by_switch(streams)
        if phase.name.startswith("relayed"):
            if by_switch or phase.flows:
                found.append(f"{phase.name}: the switch forwarded {by_switch or sum(phase.flows)} packets")
        elif len(phase.flows) != 2 * count:
            found.append(f"{phase.name}: {len(phase.flows)} of {2 * count} streams have a flow that forwards")
        elif by_switch < NEARLY_ALL * sum(arrived):
            found.append(f"{phase.name}: the switch forwarded only {by_switch} of {sum(arrived)} packets")
    lost, seen = sum(stream.lost for stream in streams), sum(len(stream.packets) for stream in streams)
    if lost > LOST_AT_MOST * seen:
        found.append(f"{lost} RTP packets never arrived")
    if left:
        found.append(f"{left} flows were left after the hang-up")
    return found


def _verdict(count: int, phases: list[Phase], streams: list[Stream], left: int) -> int:
    table = Table(
        *("phase", "streams", "packets", "Asterisk", "datapath", "flows", "time"),
        caption="Packets that arrived, that Asterisk received, that flows of the kernel's datapath forwarded;"
        " processor time a packet of all of node 2, in the first phase 1.",
    )
    costs = [phase.cost(streams) for phase in phases]
    for phase, cost in zip(phases, costs, strict=True):
        arrived = phase.arrived(streams)
        table.add_row(
            phase.name,
            str(sum(map(bool, arrived))),
            str(sum(arrived)),
            str(phase.asterisk),
            str(sum(phase.flows)),
            str(len(phase.flows)),
            f"{cost / costs[0]:.2f}",
        )
    console.print(table)
    ratio = (costs[1] + costs[3]) / (costs[0] + costs[2])
    lost = sum(stream.lost for stream in streams)
    report = {
        "machine": "user-mode Linux",
        "calls": count,
        "asterisk_packets": {phase.name: phase.asterisk for phase in phases},
        "datapath_packets": {phase.name: sum(phase.flows) for phase in phases},
        "ratio": round(ratio, 3),
        "flows_left": left,
    }
    verdict = (
        f"kernel datapath (user-mode Linux): processor time offloaded/relayed={ratio:.3f} "
        f"lost={lost} calls={count} flows_left={left}"
    )
    return conclude(verdict, report, streams, complaints(count, phases, streams, left))


if __name__ == "__main__":
    sys.exit(main())
