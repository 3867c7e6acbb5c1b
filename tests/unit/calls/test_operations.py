"""What an operator is told of all calls, and what is done to all of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stasis_offload.asterisk.ari_events import StasisStart
from stasis_offload.asterisk.process_time import ProcessTime
from stasis_offload.calls.module_watch import ModuleWatch
from stasis_offload.calls.operations import Operations
from stasis_offload.errors import OffloadError
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.openflow.flow import FlowCount
from tests.support.fake_asterisk import FakeAsterisk, World, in_stasis, running

CALLERS = [in_stasis(f"1700000000.{n}", "PJSIP/a") for n in range(3)]


@asynccontextmanager
async def operated() -> AsyncIterator[tuple[Operations, World]]:
    """Run three calls that are being dialled."""
    async with running(FakeAsterisk(*CALLERS)) as world:
        for caller in CALLERS:
            world.on_ari(StasisStart(caller, ("PJSIP/a",), None))
        yield (
            Operations(
                world.registry,
                gate=world.gate,
                gateways=world.gateways,
                module=ModuleWatch(rtpstreams=world.gateways.rtpstreams, gate=world.gate),
                process_time=ProcessTime(Path("/nonexistent")),
                version="1.2.3",
            ),
            world,
        )


def blocks(world: World) -> list[frozenset[ReasonKind]]:
    return [call.media.placement.blocks for call in world.registry]


async def test_the_first_who_has_all_calls_held_is_remembered_until_they_are_released() -> None:
    async with operated() as (operations, _):
        assert operations.health().blocked is None
        await operations.relay(CALLERS[0].id, by="bob")
        assert operations.health().blocked is None
        await operations.relay(None, by="alice")
        await operations.relay(None, by="bob")
        block = operations.health().blocked
        assert block
        assert (block.by, block.age >= 0) == ("alice", True)
        assert "all held by `relay --all` of alice" in operations.describe()
        await operations.offload(None)
        assert operations.health().blocked is None


async def test_the_figures_are_those_of_calls_that_are_up_and_of_those_that_are_over() -> None:
    async with operated() as (operations, world):
        total = world.gateways.statistics
        total.begun["adopted"] += 2
        total.ended[True] += 1
        total.talked, total.offloaded, total.forwarded = 60.0, 45.0, FlowCount(9000, 0)
        call = next(iter(world.registry))
        call.media.record.note_answer(call.began - 7.0)
        figures = await operations.stats()
    assert (figures.calls, figures.carried, figures.states) == (5, 1, {"dialing": 3})
    assert figures.talked >= 67.0
    assert (figures.offloaded, figures.packets, figures.asterisk_cpu) == (45.0, 9000, None)


async def test_a_measurement_is_one_at_a_time_and_leaves_other_blocks_alone() -> None:
    async with operated() as (operations, world):
        await operations.relay(CALLERS[0].id, by="alice")
        assert await operations.measure(60.0) == len(CALLERS)
        assert all(ReasonKind.MEASUREMENT in each for each in blocks(world))
        with pytest.raises(OffloadError, match="somebody measures already"):
            await operations.measure(60.0)
        await operations.measure(0)
        assert ReasonKind.MEASUREMENT not in world.gate.blocks
        assert ReasonKind.OPERATOR in blocks(world)[0]
        await operations.relay(None, by="alice")
        with pytest.raises(OffloadError, match="all calls are held"):
            await operations.measure(60.0)
