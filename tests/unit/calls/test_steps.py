"""What one event costs does not depend on how many calls there are."""

import gc
import logging
import sys
from asyncio import get_running_loop, sleep
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

import pytest
import structlog

from stasis_offload.asterisk import ari_events as ari
from stasis_offload.calls.call import Call
from stasis_offload.calls.concurrency import MOST
from stasis_offload.calls.features import CallFeatures
from stasis_offload.calls.learning_queue import LearningQueue
from stasis_offload.calls.runner import MachineRunner
from stasis_offload.media.roles import Role, call_cookie, owner_of
from stasis_offload.openflow.events import FlowRemoved, PacketIn, Removal
from stasis_offload.openflow.flow import FlowCount, owner_cookie
from stasis_offload.openflow.flow_table import FlowTable
from stasis_offload.openflow.instance import Instance
from tests.support.fake_asterisk import IDS, FakeAsterisk, World, in_stasis, running, with_answered
from tests.support.many_calls import flows_of
from tests.support.packets import CALLER, frame, sent_by

FEW, MANY = 100, 1000


@pytest.fixture(autouse=True)
def no_log() -> Iterator[None]:
    """Write no log of 1,000 calls."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


# Turns of the event loop in which a call's tasks do what follows from an event.
TURNS = 60


@contextmanager
def no_time() -> Iterator[None]:
    """Have no time go by, however long the block takes: what calls wait for does not come."""
    loop = get_running_loop()
    time, now = loop.time, loop.time()
    loop.time = lambda: now  # type: ignore[method-assign]
    try:
        yield
    finally:
        loop.time = time  # type: ignore[method-assign]


class Steps:
    """Counts the instructions of Python that our own code carries out while the block runs."""

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Self:
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _trace(self, frame: FrameType, event: str, _arg: Any) -> Callable[..., Any] | None:
        if "stasis_offload" not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.count += event == "opcode"
        return self._trace


async def life_of_a_call(world: World, options: str = "") -> None:
    """Let a caller enter, and its call be dialled, and let both hang up."""
    caller = in_stasis("1800000000.1", "PJSIP/a")
    callee = IDS.callee(caller.id, 1)
    world.dispatcher.on_ari(ari.StasisStart(caller, ("PJSIP/a", "", options), None))
    for event in (
        ari.StasisStart(in_stasis(callee), (), None),
        ari.EnteredBridge(f"offload-{caller.id}", callee),
        ari.DialChanged(callee, ari.DialState.ANSWER),
        ari.Transferred((f"offload-{caller.id}",), (callee,)),
        ari.ChannelDestroyed(callee, 16),
        ari.StasisEnd(caller.id),
        ari.ChannelDestroyed(caller.id, 16),
    ):
        for _ in range(TURNS):
            await sleep(0)
        world.dispatcher.on_ari(event)
    for _ in range(TURNS):
        await sleep(0)
    assert world.registry.get(caller.id) is None


async def packets_of_a_call(world: World) -> None:
    """Let the switch show a packet of one call, and report the end of a flow."""
    cookie = call_cookie("1700000000.7")
    shown = PacketIn(cookie | Role.RTCP_CALLER, 1, frame(sent_by(CALLER)))
    for event in (shown, FlowRemoved(cookie | Role.FORWARD_CALLER, Removal.IDLE, FlowCount())):
        world.dispatcher.on_switch(0, event)
        for _ in range(TURNS):
            await sleep(0)


@pytest.mark.parametrize("happens", [life_of_a_call, packets_of_a_call])
async def test_an_event_takes_as_many_steps_with_1000_calls_as_with_100(
    happens: Callable[[World], Any],
) -> None:
    async def steps(calls: int) -> int:
        asterisk = FakeAsterisk(*(in_stasis(f"1700000000.{n}", "PJSIP/a") for n in range(calls)))
        async with running(asterisk) as world:
            with no_time():
                for channel in asterisk.has:
                    world.dispatcher.on_ari(ari.StasisStart(channel, ("PJSIP/a",), None))
                for _ in range(TURNS):
                    await sleep(0)
                assert len(world.registry) == calls
                with Steps() as counted:
                    await happens(world)
            return counted.count

    few = await steps(FEW)
    assert few > TURNS
    assert await steps(MANY) == pytest.approx(few, rel=0.02)


async def test_a_call_of_many_is_learned_sampled_and_forgotten_in_as_many_steps_as_of_few() -> None:
    async def steps(calls: int) -> int:
        table, queue = FlowTable(Instance()), LearningQueue()
        for number in range(calls):
            table.sampler.request(flows_of(f"{number}.0", number))
            queue.add(f"{number}.0") if queue.has_room("") else queue.wait(f"{number}.0", lambda: None)
        with no_time(), Steps() as counted:
            table.sampler.request(flows_of("0.0", 0))
            table.sampler.forget(owner_cookie(owner_of("0.0")))
            await table.set_flows(owner_of("0.0"), ())
            queue.remove("0.0")
            queue.add(f"{calls - 1}.0")
        return counted.count

    few = await steps(FEW)
    assert few > FEW
    assert await steps(MANY) == few


class Asked(FakeAsterisk):
    """Counts the variables that are asked for, and of how many calls at a time whether they were answered."""

    total, now, most = 0, 0, 0

    async def get_variable(self, channel: str, name: str) -> str | None:
        self.total += 1
        self.now += name == "DIALSTATUS"
        self.most = max(self.most, self.now)
        try:
            return await super().get_variable(channel, name)
        finally:
            self.now -= name == "DIALSTATUS"


async def test_an_adoption_asks_as_much_for_each_call_and_for_few_at_a_time() -> None:
    async def asked(calls: int) -> Asked:
        asterisk = with_answered(Asked, range(calls))
        async with running(asterisk) as world:
            world.recovery.begin()
            while len(world.registry) < calls:  # noqa: ASYNC110 - what is adopted has no event
                await sleep(0)
            return asterisk

    few, many = await asked(FEW), await asked(MANY)
    assert many.total / MANY == pytest.approx(few.total / FEW, rel=0.2)
    assert many.most == MOST


@pytest.mark.parametrize("options", ["", "tThHkKxX"])
async def test_a_call_that_is_over_needs_no_garbage_collector(options: str) -> None:
    asterisk = FakeAsterisk()
    for channel in ("1800000000.1", IDS.callee("1800000000.1", 1)):
        asterisk.variables[channel, "OFFLOAD_FEATURES()"] = "blindxfer=#1&timeout=1000"
    async with running(asterisk) as world:
        gc.collect()
        gc.disable()
        try:
            await life_of_a_call(world, options)
            await sleep(0)
            left = [
                type(it).__name__
                for it in gc.get_objects()
                if isinstance(it, Call | CallFeatures | MachineRunner)
            ]
        finally:
            gc.enable()
    assert left == []
