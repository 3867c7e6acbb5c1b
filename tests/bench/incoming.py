"""How the application itself keeps up with new calls, beside an Asterisk, a switch and a module that answer at once (counting.py).

Requests by HTTP are not in it: Asterisk's side is a stand-in in the process itself.

Usage: python -m tests.bench.incoming RATE   (calls a second; prints one JSON object)
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import structlog

from lab.control import LabError
from stasis_offload.asterisk.ari_events import (
    ChannelDestroyed,
    DialChanged,
    DialState,
    Event,
    HangupRequested,
    StasisEnd,
    StasisStart,
)
from stasis_offload.asterisk.indication import Indication
from tests.bench.relaying import percentile
from tests.bench.scale import apart, beside_counting, until
from tests.bench.talking import call_id
from tests.support.fake_asterisk import IDS, FakeAsterisk, in_stasis

RATE = 200
# Seconds: of the rush, of a call, and until all calls are over.
LASTS, HOLD, OVER_WITHIN = 10.0, 1.0, 60.0


@dataclass(frozen=True, slots=True)
class Incoming:
    """What so many calls a second cost: percent of a core, and how long a caller waits until the target is dialled (ms).

    `first_half` and `second_half` are the slowest twentieths of the two halves of the rush: alike, if nothing queues up.
    """

    rate: int
    cpu_percent: float
    first_half_ms: float
    second_half_ms: float
    carried: int

    def __str__(self) -> str:
        return (
            f"{self.rate} calls/s: {self.cpu_percent:.0f}% of a core; dialled within {self.first_half_ms:.0f} ms (p95), in the second"
            f" half {self.second_half_ms:.0f} ms; {self.carried} carried"
        )


def measure(rate: int) -> Incoming:
    """Measure so many calls a second in a process of its own.

    Raises:
        LabError: with what it said.

    """
    return Incoming(**apart("tests.bench.incoming", rate))


class _Asterisk(FakeAsterisk):
    """Whoever is dialled answers at once; `dialled` has when that was, by the caller's channel."""

    def __init__(self) -> None:
        super().__init__()
        self.dialled: dict[str, float] = {}
        self.on_event: Callable[[Event], None] = lambda _: None

    def _soon(self, *events: Event) -> None:
        for event in events:
            asyncio.get_running_loop().call_soon(self.on_event, event)

    async def create(self, channel: str, **_: object) -> None:
        self._soon(StasisStart(replace(in_stasis(channel), state="Down"), (), None))

    async def dial(self, channel: str, *, caller: str | None) -> None:  # noqa: ARG002 - Asterisk's
        found = IDS.call_of_callee(channel)
        assert found
        self.dialled[found[0]] = time.monotonic()
        self._soon(DialChanged(channel, DialState.ANSWER))

    async def indicate(self, channel: str, indication: Indication) -> None:
        pass

    async def hang_up(self, channel: str, *, cause: int) -> None:
        self._soon(StasisEnd(channel), ChannelDestroyed(channel, cause))

    async def release(self, channel: str, *, cause: int) -> None:
        self._soon(StasisEnd(channel), ChannelDestroyed(channel, cause))


async def _measure(rate: int) -> Incoming:
    calls = int(rate * LASTS)
    asterisk, carried = _Asterisk(), set[str]()
    async with beside_counting(asterisk, calls) as world:
        asterisk.on_event = world.on_ari
        loop, began, used = asyncio.get_running_loop(), time.monotonic(), time.process_time()
        came: dict[str, float] = {}

        def leave(call: str) -> None:
            found = world.registry.get(call)
            if found and found.media.placement.state == "offloaded":
                carried.add(call)
            for event in (HangupRequested(call, 16), StasisEnd(call), ChannelDestroyed(call, 16)):
                world.on_ari(event)

        for number in range(calls):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            call = call_id(number)
            came[call] = due  # when it would have come, were nothing late
            world.on_ari(StasisStart(replace(in_stasis(call), state="Ring"), ("PJSIP/a",), None))
            loop.call_at(loop.time() + HOLD, leave, call)
        lasted, spent = time.monotonic() - began, time.process_time() - used
        await until(lambda: not len(world.registry))
    waited = [1000 * (asterisk.dialled[call] - at) for call, at in came.items() if call in asterisk.dialled]
    if len(waited) < calls:
        raise LabError(f"{calls - len(waited)} of {calls} calls were not dialled")
    half = calls // 2
    first, second = percentile(waited[:half], 95), percentile(waited[half:], 95)
    return Incoming(rate, 100 * spent / lasted, first, second, len(carried))


def main() -> None:
    """Measure in this process, without its log."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), processors=[lambda *_: {}])
    print(json.dumps(asdict(asyncio.run(_measure(int(sys.argv[1]))))))


if __name__ == "__main__":
    main()
