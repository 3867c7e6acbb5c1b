"""What many calls cost the application itself: against shells that count, in a process of its own.

Usage: python -m tests.bench.scale CALLS   (prints one JSON object)
"""

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from lab.control import LabError
from stasis_offload.media.state import Phase, Policy
from stasis_offload.openflow.events import Event
from tests.bench.counting import CountingModule, CountingSwitch
from tests.support.fake_asterisk import World, answered, running

CALLS = (1000, 5000)
# Seconds: for the calls to be adopted and carried, until their audits are as seldom as they become, and of the measurement.
_CARRIED_WITHIN = 400.0
_SETTLES = 30.0
# Calls: how soon they are carried is not what is measured.
_LEARNED_AT_ONCE = 50
_MEASURED = 20.0


@dataclass(frozen=True, slots=True)
class Scale:
    """What so many calls cost: percent of a core while they go on, memory of the process, the latest that its loop was.

    `adoption_s` is how long it takes to adopt all of them, with an Asterisk that answers at once.
    """

    calls: int
    adoption_s: float
    carried_s: float
    cpu_percent: float
    memory_mib: float
    delay_ms: float

    def __str__(self) -> str:
        return (
            f"{self.cpu_percent:.1f}% of a core, {self.memory_mib:.0f} MiB, loop late by {self.delay_ms:.0f} ms at most, "
            f"adopted in {self.adoption_s:.1f} s"
        )


def measure(calls: int) -> Scale:
    """Measure so many calls in a process of its own.

    Raises:
        LabError: with what it said.

    """
    command = [sys.executable, "-m", "tests.bench.scale", str(calls)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{calls} calls: {done.stderr.strip()[-300:]}")
    return Scale(**json.loads(done.stdout))


async def _measure(calls: int) -> Scale:
    asterisk = answered(*range(calls))
    ids = [channel.id for channel in asterisk.has[:calls]]
    worlds: list[World] = []

    def on_event(event: Event) -> None:
        worlds[0].dispatcher.on_switch(event)

    switch, module = CountingSwitch(ids, on_event), CountingModule(ids)
    async with running(
        asterisk, switch=switch, rtpstreams=module, policy=Policy(), learned_at_once=_LEARNED_AT_ONCE
    ) as world:
        worlds.append(world)
        began = time.monotonic()
        world.recovery.begin()
        await _until(lambda: len(world.registry) == calls)
        adopted = time.monotonic() - began
        await _until(lambda: all(call.media.placement.phase is Phase.GUARDED for call in world.registry))
        carried = time.monotonic() - began
        await asyncio.sleep(_SETTLES)
        cpu, delay = await _watch()
        return Scale(calls, adopted, carried, cpu, _memory_mib(), delay)


async def _until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(_CARRIED_WITHIN):
        while not check():  # noqa: ASYNC110 - what it is about has no event
            await asyncio.sleep(0.05)


async def _watch() -> tuple[float, float]:
    """Return processor time in percent, and by how many ms a timer was late at most, over the time of the measurement."""
    began, used, late = time.monotonic(), time.process_time(), 0.0
    while time.monotonic() - began < _MEASURED:
        due = time.monotonic() + 0.01
        await asyncio.sleep(0.01)
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
