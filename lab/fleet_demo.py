"""The demonstration of a fleet: N calls through Kamailio on two nodes, of which one is drained, restarted and killed; a table.

Usage: LAB=fleet python -m lab.fleet_demo [CALLS]   (1 to 100, 40 by default; the lab must be up: `make demo-fleet` sees to it)
"""

import sys
import time
from dataclasses import dataclass

from rich.table import Table

from lab import control
from lab.capture import HEADERS, Capture, Stream, captured
from lab.control import LabError, wait_until
from lab.demo import calls_asked, conclude, console, say
from lab.fleet import NODES, A, Node, taking_calls

# Seconds of each step in which processors and packets are measured.
MEASURED = 4.0
NUMBER = "555@kamailio"


@dataclass(frozen=True)
class Step:
    """One stretch of the demonstration, and its bounds in Unix time.

    `up` is how many calls should be up, `lost` how many of all before are not any more. `on_a` is how many may be on node A:
    None for any number. CPU of each node's Asterisk is in percent of a core; of one that is not there None.
    """

    name: str
    up: int
    lost: int
    on_a: int | None
    cpu: dict[str, float | None]
    start: float
    end: float


def main() -> int:
    """Play the demonstration; 0 when it shows what it promises."""
    try:
        count = calls_asked(sys.argv[1:], 40)
        try:
            return _play(count)
        finally:
            _end_calls()
            for node in NODES:
                node.command("offload", "--all")
                node.command("drain", "--undo")
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


def _play(count: int) -> int:
    _end_calls()
    wait_until(lambda: taking_calls() == list(NODES), within=20, what="Kamailio to use both nodes")
    more = max(count // 4, 1)
    with captured(snaplen=HEADERS) as capture:
        say("hold new calls in Asterisk, on both nodes: stasis-offload relay --all")
        for node in NODES:
            node.command("relay", "--all")
        say(f"start {count} calls through Kamailio, a tone at both ends")
        control.originate(NUMBER, count=count)
        steps = [_measure("relayed", count, state="relayed")]
        say("let the switches carry them: stasis-offload offload --all")
        for node in NODES:
            node.command("offload", "--all")
        steps.append(_measure("switched", count))
        on_a, up = len(A.calls()), count + more
        say("on node A: stasis-offload drain")
        console.print(f"  {A.command('drain').strip()}", markup=False)
        say(f"start {more} more calls")
        control.originate(NUMBER, count=more)
        steps.append(_measure(f"A drained, {more} new", up, on_a=on_a))
        for done, kill in (("restarted", False), ("killed", True)):
            say(f"node A's application is {done}")
            control.stop(A.application, kill=kill)
            control.start(A.application)
            steps.append(_measure(f"A's application {done}", up, on_a=on_a))
        say("on node A: stasis-offload drain --undo")
        console.print(f"  {A.command('drain', '--undo').strip()}", markup=False)
        say(f"node A's Asterisk is killed; start {more} more calls")
        control.stop(A.asterisk, kill=True)
        try:
            control.originate(NUMBER, count=more)
            up += more
            steps.append(_measure(f"A killed, {more} new", up, on_a=on_a))
        finally:
            control.start(A.asterisk)
        say(f"node A's Asterisk is back; start {more} more calls")
        wait_until(lambda: taking_calls() == list(NODES), within=20, what="Kamailio to use both nodes")
        wait_until(lambda: control.health(A.application)["ok"], within=20, what="node A to be well")
        control.originate(NUMBER, count=more)
        steps.append(_measure(f"A back, {more} new", up - on_a + more, lost=on_a))
        say("hang up")
        _end_calls()
    wait_until(lambda: not any(node.flows() for node in NODES), within=5, what="every flow to go")
    return _verdict(steps, capture)


def _end_calls() -> None:
    control.hang_up_all()
    wait_until(
        lambda: not control.channels("asterisk1") and not any(node.calls() for node in NODES),
        within=20,
        what="every call to end",
    )


def _measure(name: str, up: int, *, state: str = "offloaded", lost: int = 0, on_a: int | None = None) -> Step:
    """Wait until so many calls are up, all in one state, and measure."""

    def reached() -> bool:
        calls = [call for node in NODES for call in node.calls()]
        return len(calls) == up and all(call["state"] == state and call["callee"] for call in calls)

    wait_until(reached, within=60, what=f"{up} calls to be {state}")
    pids = {node.name: _asterisk(node) for node in NODES}
    start = time.time()
    used = control.Cpu({name: pid for name, pid in pids.items() if pid}).measure(MEASURED)
    shown = {node.name: used.get(node.name) for node in NODES}
    return Step(name, up, lost, on_a, shown, start, time.time())


def _asterisk(node: Node) -> int:
    """Return the process id of a node's Asterisk, the first of its container; 0 if it does not run."""
    return int(control.docker("inspect", "--format", "{{.State.Pid}}", control.container(node.asterisk)))


def _verdict(steps: list[Step], capture: Capture) -> int:
    complaints: list[str] = []
    otherwise = 0
    streams = capture.end_to_end
    names = [node.name for node in NODES]
    table = Table(
        "step", *(f"on {name}" for name in names), "switched", *(f"CPU {name}" for name in names), "lost"
    )
    for step in steps:
        heard = {node.name: _heard(streams, node, step) // 2 for node in NODES}
        lost = step.up + step.lost - sum(heard.values())
        otherwise = max(otherwise, lost - step.lost)
        if lost != step.lost:
            complaints.append(f"{step.name}: {lost} calls are not heard, {step.lost} expected")
        if step.on_a not in (None, heard["A"]):
            complaints.append(f"{step.name}: {heard['A']} calls on A, {step.on_a} expected")
        cpu = ("-" if used is None else f"{used:.1f}%" for used in step.cpu.values())
        table.add_row(
            step.name, *map(str, heard.values()), f"{_switched(streams, step):.0%}", *cpu, str(lost)
        )
    console.print(table)
    relayed, switched = (sum(used or 0.0 for used in step.cpu.values()) for step in steps[:2])
    with_asterisk = max(step.lost for step in steps)
    calls = steps[-1].up + with_asterisk
    verdict = (
        f"fleet calls={calls} asterisk_cpu relayed={relayed:.1f}% switched={switched:.1f}% "
        f"calls_lost with_their_asterisk={with_asterisk} otherwise={otherwise}"
    )
    report = {
        "calls": calls,
        "asterisk_cpu_relayed": round(relayed, 2),
        "asterisk_cpu_offloaded": round(switched, 2),
        "calls_lost_with_their_asterisk": with_asterisk,
        "calls_lost_otherwise": otherwise,
    }
    return conclude(verdict, report, streams, complaints)


def _heard(streams: list[Stream], node: Node, step: Step) -> int:
    """Count the streams that came from a node and were still there in the second half of a step."""
    half = (step.start + step.end) / 2
    return sum(
        str(stream.source.host) == node.address and stream.between(half, step.end) > 0 for stream in streams
    )


def _switched(streams: list[Stream], step: Step) -> float:
    """Return which part of the packets a switch forwarded."""
    packets = [
        packet.by_switch
        for stream in streams
        for packet in stream.packets
        if step.start <= packet.at < step.end
    ]
    return sum(packets) / max(len(packets), 1)


if __name__ == "__main__":
    sys.exit(main())
