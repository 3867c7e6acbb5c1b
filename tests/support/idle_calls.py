"""Calls whose media nothing moves, and what blocks them: neither Asterisk nor a switch is there."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.asterisk.ari_events import Channel
from stasis_offload.asterisk.rtpstreams import RtpStreams
from stasis_offload.calls.background import Background
from stasis_offload.calls.call import Call
from stasis_offload.calls.gateways import Gateways
from stasis_offload.calls.offload_gate import RELEASE_INTERVAL, OffloadGate
from stasis_offload.calls.registry import Registry
from stasis_offload.media import events as ev
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.openflow.endpoint import Unix
from stasis_offload.openflow.switch import Switch
from stasis_offload.signalling.dial_args import parse_dial
from stasis_offload.signalling.state import Dialing
from tests.support.fake_asterisk import IDS
from tests.support.placements import TUNING

CALLS = 5


def nowhere(switches: Sequence[Switch]) -> Gateways:
    """Return an outside world of which nothing was ever reached: calls that are not connected need none of it."""
    ari = AriClient(url="http://127.0.0.1:1", username="", password="", app="", on_event=lambda _: None)
    return Gateways(ari=ari, switches=tuple(switches), rtpstreams=RtpStreams(Path("/nonexistent")), ids=IDS)


def absent_switch(name: str = "") -> Switch:
    """Return a switch that is never connected."""
    switch = Switch(Unix("/nonexistent"), lambda _: None)
    switch.name = name
    return switch


@asynccontextmanager
async def idle_calls(*switches: Switch) -> AsyncIterator[tuple[OffloadGate, Registry, list[Call]]]:
    """Run the media of some calls that begin without a block."""
    async with asyncio.TaskGroup() as tasks:
        registry = Registry(IDS)
        gateways = nowhere(switches or (absent_switch(),))
        calls = []
        for number in range(CALLS):
            caller = Channel(
                id=f"1700000000.{number}",
                name=f"PJSIP/a-{number}",
                state="Up",
                caller="",
                connected="",
                application="Stasis",
                arguments="",
            )
            call = Call(
                caller,
                Dialing(request=parse_dial(["PJSIP/b"])),
                gateways=gateways,
                tuning=TUNING,
                blocks=frozenset(),
                on_connected=lambda _: None,
            )
            registry.add(call)
            calls.append(call)
        running = [tasks.create_task(call.media.run()) for call in calls]
        yield OffloadGate(registry, background=Background(tasks)), registry, calls
        for call in calls:
            call.media.post(ev.CallEnded())
        await asyncio.wait(running)


def blocked(calls: list[Call], kind: ReasonKind) -> list[bool]:
    return [kind in call.media.placement.blocks for call in calls]


async def until_blocked(calls: list[Call], kind: ReasonKind, count: int) -> None:
    """Wait until only so many calls are blocked, or fewer on a busy machine; of all of them, until they are."""
    async with asyncio.timeout(60):
        while not (all(blocked(calls, kind)) if count == CALLS else sum(blocked(calls, kind)) <= count):  # noqa: ASYNC110 - a placement has no event
            await asyncio.sleep(RELEASE_INTERVAL / 10)
