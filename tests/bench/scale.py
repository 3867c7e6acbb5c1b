"""What many calls cost the application itself, beside a switch and an Asterisk module that answer at once (counting.py).

Usage: python -m tests.bench.scale CALLS   (prints one JSON object)
"""

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog

from lab.control import LabError
from stasis_offload.asterisk.rtpstreams import RtpStreams
from stasis_offload.calls.call import Call
from stasis_offload.media.state import Phase, Tuning
from stasis_offload.openflow.endpoint import Unix
from stasis_offload.openflow.events import Event
from stasis_offload.openflow.switch import Switch
from stasis_offload.service import collect_seldom
from tests.support.fake_asterisk import FakeAsterisk, World, running, with_answered

CALLS = (1000, 5000)
# Seconds: for the calls to be adopted and carried, until their audits are as seldom as they become, and of the measurement,
# in which each call is audited once.
_CARRIED_WITHIN = 200.0
_SETTLES = 40.0
_MEASURED = Tuning().recheck
# Seconds between two looks at how late the loop is: 20 a second cost nothing.
_LOOKED_EVERY = 0.05


@dataclass(frozen=True, slots=True)
class Scale:
    """What so many calls cost: percent of a core while they go on, memory of the process, the latest that its loop was.

    `adoption_s` is how long it takes to adopt all of them, with an Asterisk that answers at once, and `adoption_cpu_s` how much
    processor time. `variables_per_s` is how often a call's variables are written, whose requests by HTTP are in none of the figures.
    """

    calls: int
    adoption_s: float
    adoption_cpu_s: float
    carried_s: float
    cpu_percent: float
    memory_mib: float
    delay_ms: float
    variables_per_s: float

    def __str__(self) -> str:
        return (
            f"{self.cpu_percent:.1f}% of a core, {self.memory_mib:.0f} MiB, loop late by {self.delay_ms:.0f} ms at most, "
            f"adopted in {self.adoption_s:.1f} s ({self.adoption_cpu_s:.1f} s of processor time)"
        )


def measure(calls: int) -> Scale:
    """Measure so many calls in a process of its own.

    Raises:
        LabError: with what it said.

    """
    return Scale(**apart("tests.bench.scale", calls))


def apart(module: str, number: int) -> dict[str, Any]:
    """Run a module in a process of its own with a number, and return what it printed.

    Raises:
        LabError: with what it said.

    """
    command = [sys.executable, "-m", module, str(number)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{module} {number}: {done.stderr.strip()[-300:]}")
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


class _Asterisk(FakeAsterisk):
    """Counts how often variables are written: each time it would be a request by HTTP."""

    written = 0

    async def set_variables(self, channel: str, variables: Mapping[str, str]) -> None:  # noqa: ARG002 - Asterisk's
        self.written += 1
        await asyncio.sleep(0)


async def _measure(calls: int) -> Scale:
    asterisk = with_answered(_Asterisk, range(calls))
    async with beside_counting(asterisk, calls) as world:
        began, used = time.monotonic(), time.process_time()
        world.recovery.begin()
        await until(lambda: len(world.registry) == calls)
        adopted, adopting = time.monotonic() - began, time.process_time() - used
        await until(lambda: all(map(_is_carried, world.registry)))
        carried = time.monotonic() - began
        await asyncio.sleep(_SETTLES)
        written = asterisk.written
        cpu, delay = await _watch()
        written = asterisk.written - written
        moved = sum(not _is_carried(call) for call in world.registry)
    if moved:
        raise LabError(f"{moved} of {calls} calls did not stay in the switch")
    return Scale(calls, adopted, adopting, carried, cpu, _memory_mib(), delay, written / _MEASURED)


@asynccontextmanager
async def beside_counting(asterisk: FakeAsterisk, calls: int) -> AsyncIterator[World]:
    """Run the application, as it is but for ARI, connected to the switch and the module of so many calls."""
    collect_seldom()
    worlds: list[World] = []

    def on_event(event: Event) -> None:
        worlds[0].dispatcher.on_switch(0, event)

    with tempfile.TemporaryDirectory() as folder:
        switch_socket, module_socket = f"{folder}/switch", f"{folder}/asterisk.ctl"
        with _counting(calls, switch_socket, module_socket):
            switch, module = Switch(Unix(switch_socket), on_event), RtpStreams(Path(module_socket))
            async with running(asterisk, switches=(switch,), rtpstreams=module, tuning=Tuning()) as world:
                worlds.append(world)
                switching = asyncio.create_task(switch.run())
                await until(lambda: switch.flow_table.is_attached)
                yield world
                switching.cancel()


@contextmanager
def _counting(calls: int, switch_socket: str, module_socket: str) -> Iterator[None]:
    """Run the switch and the module of so many calls beside the block."""
    command = [sys.executable, "-m", "tests.bench.counting", str(calls), switch_socket, module_socket]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        try:
            if process.stdout.readline():
                yield
        finally:
            process.kill()


def _is_carried(call: Call) -> bool:
    return call.media.placement.phase is Phase.GUARDED


async def until(check: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(_CARRIED_WITHIN):
        while not check():  # noqa: ASYNC110 - what it is about has no event
            await asyncio.sleep(0.05)


async def _watch() -> tuple[float, float]:
    """Return processor time in percent, and by how many ms a timer was late at most, over the time of the measurement."""
    began, used, late = time.monotonic(), time.process_time(), 0.0
    while time.monotonic() - began < _MEASURED:
        due = time.monotonic() + _LOOKED_EVERY
        await asyncio.sleep(_LOOKED_EVERY)
        late = max(late, time.monotonic() - due)
    took = time.monotonic() - began
    return 100 * (time.process_time() - used) / took, 1000 * late


def _memory_mib() -> float:
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * resource.getpagesize() / 2**20


def main() -> None:
    """Measure in this process, without its log."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), processors=[lambda *_: {}])
    print(json.dumps(asdict(asyncio.run(_measure(int(sys.argv[1]))))))


if __name__ == "__main__":
    main()
