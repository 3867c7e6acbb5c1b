"""Measure every relay in one guest, one after the other: `make bench-kernel`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from rich.console import Console

from lab.control import LabError, wait_until
from tests.bench.kernel import guest, relays, report
from tests.bench.kernel.guest import MACHINE, Guest
from tests.bench.kernel.measuring import MEASURED_S, Cost, Spent, cost, ramp, spent
from tests.bench.load import PACKETS_PER_SECOND, Server, calls_up

CALLS = 4
STREAMS = 2 * CALLS
# An emulated Asterisk and the application's learning of a call want their time.
CALLS_PER_SECOND = 0.5
OFFLOADED_WITHIN = 60.0

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 140)


def main() -> int:
    """Run it; 0 when all of it could be measured, whatever came out."""
    costs: dict[str, Cost] = {}
    try:
        _say("build the guest and its machine (the first time: three minutes)")
        guest.build()
        _say("boot the guest")
        with guest.booted() as machine:
            for name, found in _measured(machine):
                console.print(f"    {name}: {report.words(found)}")
                costs[name] = found
    except LabError as error:
        print(f"bench-kernel: {error}", file=sys.stderr)
        return 1
    report.write(costs, calls=CALLS)
    report.show(costs, console)
    return 0


def _measured(machine: Guest) -> Iterator[tuple[str, Cost]]:
    _say(f"{CALLS} calls through Asterisk, without a switch, {MEASURED_S:g} s")
    asterisk = relays.asterisk(machine)
    idle = spent(machine)
    with _calls(asterisk) as send:
        yield "asterisk", _cost(machine, idle, send)

    _say(f"{CALLS} calls by the application's flows in the kernel's datapath")
    relays.switch(machine)
    yield from _switched(machine)
    relays.plain(machine)
    for name, table in (("rtpengine", -1), ("rtpengine_kernel", 0)):
        _say(f"{CALLS} calls through rtpengine, {'its kernel module' if table >= 0 else 'in user space'}")
        server = relays.rtpengine(machine, table=table)
        idle = spent(machine)
        with _calls(server) as send:
            yield name, _cost(machine, idle, send)


def _switched(machine: Guest) -> Iterator[tuple[str, Cost]]:
    """Measure the same calls offloaded, and behind the switch."""
    with relays.application() as application:
        idle = spent(machine)
        with _calls(relays.ASTERISK) as send:
            wait_until(
                lambda: application.states() == ["offloaded"] * CALLS,
                within=OFFLOADED_WITHIN,
                what="every call to be offloaded",
            )
            found = _cost(machine, idle, send)
            if application.states() != ["offloaded"] * CALLS:
                raise LabError("not every call was still offloaded at the end")
            if (flows := relays.forwarding(machine)) < STREAMS:
                raise LabError(f"{flows} of {STREAMS} streams have a flow in the datapath")
            yield "offloaded", found
            application.relay()
            wait_until(
                lambda: application.states() == ["relayed"] * CALLS,
                within=OFFLOADED_WITHIN,
                what="every call to be relayed",
            )
            yield "asterisk_ovs", _cost(machine, idle, send)


def _calls(server: Server) -> AbstractContextManager[Callable[[float], None]]:
    return calls_up(server, CALLS, rate=CALLS_PER_SECOND, at=MACHINE)


def _cost(machine: Guest, idle: Spent, send: Callable[[float], None]) -> Cost:
    """Measure a relay at the calls' own rate, then its highest."""
    busy = spent(machine)
    highest = ramp(machine, lambda rate: send(rate / STREAMS), first=STREAMS * PACKETS_PER_SECOND)
    return cost(idle, busy, highest)


def _say(text: str) -> None:
    console.print(f"[bold cyan]==>[/bold cyan] {text}")


if __name__ == "__main__":
    sys.exit(main())
