"""A callee that another program took from its call is no longer ours, whatever its id: not to hang up, but it may call."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from stasis_offload.asterisk import ari_events as ari
from stasis_offload.signalling.call_ids import callee_id
from stasis_offload.signalling.dial_args import parse_dial
from stasis_offload.signalling.resuming import resume
from tests.support.fake_asterisk import FakeAsterisk, in_stasis, running

CALLER = in_stasis("1700000000.1", "PJSIP/a")
CALLEE = callee_id(CALLER.id, 1)


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not reached():  # noqa: ASYNC110 - a call has no event
            await asyncio.sleep(0.001)


async def test_a_callee_sent_to_an_extension_that_dials_is_a_caller_beside_its_old_call() -> None:
    asterisk = FakeAsterisk()
    async with running(asterisk) as world:
        dialing = resume(parse_dial(["PJSIP/a"]), answered=True, callees={1: True}, now=0)
        old = world.supervisor.adopt(CALLER, dialing)
        world.dispatcher.on_ari(ari.StasisEnd(CALLEE))
        world.dispatcher.on_ari(ari.StasisStart(in_stasis(CALLEE, "PJSIP/b"), ("PJSIP/b",), None))
        assert {call.id for call in world.registry} == {old.id, CALLEE}
        await until(lambda: ("create", callee_id(CALLEE, 1)) in asterisk.done)
        new = world.registry.by_channel(CALLEE)
        assert new is not old
        assert new is world.registry.by_channel(callee_id(CALLEE, 1))
        world.dispatcher.on_ari(ari.ChannelDestroyed(CALLEE, 16))
        await until(lambda: ("hang up", callee_id(CALLEE, 1)) in asterisk.done)
    assert ("hang up", CALLEE) not in asterisk.done


async def test_a_callee_in_another_application_is_no_orphan_after_a_restart() -> None:
    orphan = in_stasis(callee_id("1700000000.7", 1))
    taken = replace(in_stasis(callee_id("1700000000.8", 1)), application="ConfBridge", arguments="1")
    calls = in_stasis(callee_id("1700000000.9", 1), "PJSIP/b")
    asterisk = FakeAsterisk(taken, calls, orphan)
    async with running(asterisk) as world:
        world.recovery.begin()
        await until(lambda: bool(asterisk.done))
    assert asterisk.done == [("hang up", orphan.id)]
