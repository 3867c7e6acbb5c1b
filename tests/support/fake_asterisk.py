"""An Asterisk that does at once what it is asked, for tests of what our application makes of its events."""

from asyncio import TaskGroup, sleep
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.asterisk.ari_events import Bridge, Channel, Event
from stasis_offload.asterisk.indication import Indication
from stasis_offload.asterisk.rtpstreams import RtpStreams
from stasis_offload.calls.background import Background
from stasis_offload.calls.dispatcher import Dispatcher
from stasis_offload.calls.gateways import Gateways
from stasis_offload.calls.learning_queue import MOST, LearningQueue
from stasis_offload.calls.offload_gate import OffloadGate
from stasis_offload.calls.recovery import Recovery
from stasis_offload.calls.registry import Registry
from stasis_offload.calls.rule_change import RuleChange
from stasis_offload.calls.supervisor import Supervisor
from stasis_offload.calls.transfers import Transfers
from stasis_offload.errors import AriUnavailableError
from stasis_offload.media.state import Tuning
from stasis_offload.openflow.endpoint import Unix
from stasis_offload.openflow.switch import Switch
from stasis_offload.signalling.call_ids import CallIds
from stasis_offload.signalling.causes import DialStatus
from tests.support.placements import TUNING

APP = "offload"
IDS = CallIds(APP)
NOWHERE = Unix("/nonexistent")


def in_stasis(identity: str, *arguments: str) -> Channel:
    """Return a channel that entered our application with these arguments."""
    return Channel(
        id=identity,
        name=f"PJSIP/{identity}",
        state="Up",
        caller="",
        connected="",
        application="Stasis",
        arguments=",".join((APP, *arguments)),
    )


class FakeAsterisk(AriClient):
    """`has` are the channels, `failures` how often a request for a variable of a channel is yet to fail.

    `dialling` maps the ids of the channels in OffloadDial() to the name of the application; `ghosts` are channels that are
    listed and have ended, `with_bridges` the bridges (`bridges_fail`: there is no answer), `variables` values by channel and name.
    `meanwhile` is what happens while the channels are read.
    """

    def __init__(self, *has: Channel) -> None:
        super().__init__(url="http://127.0.0.1:1", username="", password="", app=APP, on_event=lambda _: None)
        self.has = has
        self.failures: dict[str, int] = {}
        self.bridges_fail = False
        self.meanwhile: Callable[[], object] = lambda: None
        self.dialling: dict[str, str] = {}
        self.ghosts: set[str] = set()
        self.with_bridges: tuple[Bridge, ...] = ()
        self.variables: dict[tuple[str, str], str] = {}
        self.done: list[tuple[str, str]] = []

    async def channels(self) -> tuple[Channel, ...]:
        has = self.has
        self.meanwhile()
        return has

    async def bridges(self) -> tuple[Bridge, ...]:
        if self.bridges_fail:
            raise AriUnavailableError("no answer about bridges")
        return self.with_bridges

    async def get_variable(self, channel: str, name: str) -> str | None:
        await sleep(0)  # as every answer of Asterisk's takes a moment
        if self.failures.get(channel, 0):
            self.failures[channel] -= 1
            raise AriUnavailableError(f"no answer to {name} of {channel}")
        if channel in self.ghosts:
            return None
        own = {"OFFLOAD_DIAL()": self.dialling.get(channel), "UNIQUEID": channel}
        return self.variables.get((channel, name)) or own.get(name)

    async def set_variable(self, channel: str, *, name: str, value: str | None) -> None:
        pass

    async def make_bridge(self, bridge: str) -> None:
        pass

    async def join(self, *channels: str, bridge: str, silent: bool = False) -> None:
        pass

    async def create(
        self,
        channel: str,
        *,
        endpoint: str,  # noqa: ARG002 - Asterisk's
        originator: str,  # noqa: ARG002
        withholds: str = "",  # noqa: ARG002
        forwarded: bool = False,  # noqa: ARG002
    ) -> None:
        self.done.append(("create", channel))

    async def dial(self, channel: str, *, caller: str | None) -> None:
        pass

    async def indicate(self, channel: str, indication: Indication) -> None:
        pass

    async def hang_up(self, channel: str, *, cause: int) -> None:  # noqa: ARG002 - Asterisk's
        self.done.append(("hang up", channel))

    async def release(self, channel: str, *, cause: int) -> None:  # noqa: ARG002 - Asterisk's
        self.done.append(("release", channel))

    async def continue_in_dialplan(self, channel: str, place: Sequence[str] = ()) -> None:  # noqa: ARG002 - Asterisk's
        self.done.append(("continue", channel))

    async def destroy_bridge(self, bridge: str) -> None:
        self.done.append(("destroy", bridge))

    @property
    def released(self) -> list[str]:
        """List the channels that were hung up or sent on, in order."""
        return [of for what, of in self.done if what in ("hang up", "release", "continue")]


A = TypeVar("A", bound=FakeAsterisk)


def answered(*numbers: int) -> FakeAsterisk:
    """Return an Asterisk with answered calls of an earlier process, both parties of each in its bridge."""
    return with_answered(FakeAsterisk, numbers)


def with_answered(of: type[A], numbers: Iterable[int]) -> A:
    """Return the same, of this class."""
    callers = [in_stasis(f"1700000000.{n}", "PJSIP/a") for n in numbers]
    callees = [Channel(IDS.callee(c.id, 1), "PJSIP/a", "Up", "", "", "Stasis", APP) for c in callers]
    asterisk = of(*callers, *callees)
    asterisk.with_bridges = tuple(
        Bridge(IDS.bridge(caller.id), "native_rtp", (caller.id, callee.id))
        for caller, callee in zip(callers, callees, strict=True)
    )
    asterisk.variables = {(caller.id, "DIALSTATUS"): str(DialStatus.ANSWER) for caller in callers}
    return asterisk


@dataclass(frozen=True, slots=True)
class World:
    """The whole of `calls/`, of which only Asterisk is not real and no switch is reached."""

    gateways: Gateways
    gate: OffloadGate
    registry: Registry
    rules: RuleChange
    supervisor: Supervisor
    dispatcher: Dispatcher
    recovery: Recovery

    def on_ari(self, event: Event) -> None:
        """Take an event as service.py does."""
        if not self.recovery.holds(event):
            self.dispatcher.on_ari(event)


class _EndError(Exception):
    """The block has ended."""


@asynccontextmanager
async def running(
    asterisk: FakeAsterisk,
    *,
    switches: tuple[Switch, ...] = (),
    rtpstreams: RtpStreams | None = None,
    tuning: Tuning = TUNING,
    learned_at_once: int = MOST,
) -> AsyncIterator[World]:
    """Run the calls of an Asterisk until the block ends, and then break them off; none but `asterisk` has to be there."""
    gateways = Gateways(
        ari=asterisk,
        switches=switches or (Switch(NOWHERE, lambda _: None),),
        rtpstreams=rtpstreams or RtpStreams(Path(NOWHERE.path)),
        ids=IDS,
        learning=LearningQueue(most=learned_at_once),
    )
    try:
        async with TaskGroup() as tasks:
            world = _world(gateways, tuning, tasks)
            tasks.create_task(world.recovery.run())
            yield world
            raise _EndError  # noqa: TRY301 - a task group ends its tasks by no other way
    except* _EndError:
        pass


def _world(gateways: Gateways, tuning: Tuning, tasks: TaskGroup) -> World:
    registry, background = Registry(IDS), Background(tasks)
    gate = OffloadGate(registry, background=background)
    gate.blocks.clear()
    transfers = Transfers(registry, gateways=gateways, background=background)
    rules = RuleChange(gateways.rules, registry=registry, background=background)
    supervisor = Supervisor(
        registry,
        gateways=gateways,
        tuning=tuning,
        gate=gate,
        transfers=transfers,
        background=background,
    )
    dispatcher = Dispatcher(
        registry, switches=gateways.switches, supervisor=supervisor, transfers=transfers, gate=gate
    )
    recovery = Recovery(
        registry,
        supervisor=supervisor,
        transfers=transfers,
        ari=gateways.ari,
        on_event=dispatcher.on_ari,
    )
    return World(gateways, gate, registry, rules, supervisor, dispatcher, recovery)
