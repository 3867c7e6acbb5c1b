"""Calls that an earlier process began, or that entered while there was none."""

import asyncio
from dataclasses import replace

from stasis_offload.signalling.call_ids import callee_id
from tests.support.fake_asterisk import APP, FakeAsterisk, in_stasis, running


async def test_callers_that_waited_are_dialled_although_the_first_reading_failed() -> None:
    first, second = in_stasis("1700000000.1", "PJSIP/a"), in_stasis("1700000000.2", "PJSIP/a")
    asterisk = FakeAsterisk(first, second)
    asterisk.failures[second.id] = 1
    wanted = {("create", callee_id(caller.id, 1)) for caller in (first, second)}
    async with running(asterisk) as world:
        world.recovery.begin()
        async with asyncio.timeout(10):
            while set(asterisk.done) != wanted:  # noqa: ASYNC110 - what was done has no event
                await asyncio.sleep(0.01)
    assert sorted(asterisk.done) == sorted(wanted)


async def test_of_the_callers_in_dial_those_in_offload_dial_are_adopted_and_the_others_left_alone() -> None:
    ours, plain, others = (
        replace(in_stasis(f"1700000000.{n}"), application="Dial", arguments="PJSIP/a,30") for n in (1, 2, 3)
    )
    asterisk = FakeAsterisk(ours, plain, others)
    asterisk.dialling = {ours.id: APP, others.id: "another"}
    async with running(asterisk) as world:
        world.recovery.begin()
        async with asyncio.timeout(10):
            while not asterisk.done:  # noqa: ASYNC110 - what was done has no event
                await asyncio.sleep(0.01)
        [call] = world.registry
        assert (call.id, call.dialing.caller_up) == (ours.id, True)
    assert asterisk.done == [("create", callee_id(ours.id, 1))]
