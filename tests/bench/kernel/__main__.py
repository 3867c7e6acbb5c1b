"""Measure every relay in one guest, one after the other: `make bench-kernel`."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial

from rich.console import Console

from lab.control import LabError, wait_until
from tests.bench.kernel import guest, relays, report
from tests.bench.kernel.guest import MACHINE, Guest
from tests.bench.kernel.measuring import QUIET, Cost, measured, ramp
from tests.bench.kernel.relays import Application
from tests.bench.load import Rates, Server, calls_up

CALLS = 4
STREAMS = 2 * CALLS
# An emulated Asterisk and the application's learning of a call want their time.
CALLS_PER_SECOND = 1.0
OFFLOADED_WITHIN = 60.0
# RTCP (packets a second of a leg) where its own cost is measured: RTP flows on as slowly as can be.
FEW_REPORTS, MANY_REPORTS = 0.2, 20.0

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 140)


def main() -> int:
    """Run it; 0 when all of it could be measured, whatever came out."""
    costs: dict[str, Cost] = {}
    without: dict[str, str] = {}
    try:
        _say("build the guest and its machine (the first time: three minutes)")
        guest.build(guest.EMULATED)
        _say("boot the guest")
        with guest.booted(guest.EMULATED) as machine:
            for name, found in _measured(machine):
                console.print(f"    {name}: {found if isinstance(found, str) else report.words(found)}")
                if isinstance(found, str):
                    without[name] = found
                else:
                    costs[name] = found
    except LabError as error:
        print(f"bench-kernel: {error}", file=sys.stderr)
        return 1
    own_kernel = guest.is_in_own_kernel()
    report.write(costs, without, calls=CALLS, own_kernel=own_kernel)
    report.show(costs, without, console)
    print(f"bench-kernel: {report.machine(own_kernel=own_kernel)}")
    return 0


def _measured(machine: Guest) -> Iterator[tuple[str, Cost | str]]:
    """Measure each relay; where one cannot be had, say why."""
    _say(f"{CALLS} calls through Asterisk, without a switch")
    with _calls(relays.asterisk(machine)) as rates:
        yield "asterisk", _cost(machine, rates)

    _say(f"{CALLS} calls by the application's flows in the kernel's datapath")
    relays.switch(machine)
    with relays.application() as application:
        yield from _offloaded(machine, application)
        yield from _relayed(machine, application)
    relays.plain(machine)
    for name, table in (("rtpengine", -1), ("rtpengine_kernel", 0)):
        _say(f"{CALLS} calls through rtpengine, {'its kernel module' if table >= 0 else 'in user space'}")
        with _calls(relays.rtpengine(machine, table=table)) as rates:
            yield name, _cost(machine, rates)


def _offloaded(machine: Guest, application: Application) -> Iterator[tuple[str, Cost]]:
    """Measure the calls by IPv6, and in a VLAN."""
    with _calls(relays.ASTERISK_V6, prefix="load6-") as rates, _all_offloaded(machine, application):
        yield "offloaded_ipv6", measured(machine, rates.send)
    relays.tag(machine)
    with _calls(relays.ASTERISK) as rates, _all_offloaded(machine, application):
        yield "offloaded_vlan", measured(machine, rates.send)
    relays.untag(machine)


def _relayed(machine: Guest, application: Application) -> Iterator[tuple[str, Cost | str]]:
    """Measure the same calls offloaded, their RTCP, the calls behind the switch, and what tc flower takes of them."""
    with _calls(relays.ASTERISK) as rates:
        with _all_offloaded(machine, application):
            yield "offloaded", _cost(machine, rates)
            yield "rtcp", measured(machine, partial(rates.send, QUIET), quiet=FEW_REPORTS, busy=MANY_REPORTS)
            rates.send(QUIET, FEW_REPORTS)
        application.relay()
        _wait_for(application, "relayed")
        yield "asterisk_ovs", _cost(machine, rates)
        application.offload()
        with _all_offloaded(machine, application):
            in_tc, reason = relays.through_tc(machine)
            yield "offloaded_tc", measured(machine, rates.send) if in_tc == STREAMS else reason


@contextmanager
def _all_offloaded(machine: Guest, application: Application) -> Iterator[None]:
    """Wait until every call is offloaded, and see that they are to the end of the block."""
    _wait_for(application, "offloaded")
    yield
    if application.states() != ["offloaded"] * CALLS:
        raise LabError("not every call was still offloaded at the end")
    if (flows := len(relays.forwarding(machine))) < STREAMS:
        raise LabError(f"{flows} of {STREAMS} streams have a flow in the datapath")


def _wait_for(application: Application, state: str) -> None:
    wait_until(
        lambda: application.states() == [state] * CALLS,
        within=OFFLOADED_WITHIN,
        what=f"every call to be {state}",
    )


def _calls(server: Server, prefix: str = "load-") -> AbstractContextManager[Rates]:
    return calls_up(server, CALLS, rate=CALLS_PER_SECOND, at=MACHINE, rtcp=True, prefix=prefix)


def _cost(machine: Guest, rates: Rates) -> Cost:
    """Measure what a packet costs a relay, then its highest rate."""
    found = measured(machine, rates.send)
    highest = ramp(machine, rates.send, STREAMS, kept=found.measured_at)
    return replace(found, packets_per_second=highest)


def _say(text: str) -> None:
    console.print(f"[bold cyan]==>[/bold cyan] {text}")


if __name__ == "__main__":
    sys.exit(main())
