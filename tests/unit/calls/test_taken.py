"""A callee that another program took from its call is no longer ours, whatever its id: not to hang up, but it may call."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from stasis_offload.asterisk import ari_events as ari
from stasis_offload.asterisk.ari_events import Bridge
from stasis_offload.signalling.dial_args import parse_dial
from stasis_offload.signalling.resuming import resume
from stasis_offload.signalling.state import Phase
from tests.support.fake_asterisk import APP, IDS, FakeAsterisk, in_stasis, running

CALLER = in_stasis("1700000000.1", "PJSIP/a")
CALLEE = IDS.callee(CALLER.id, 1)


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
        await until(lambda: ("create", IDS.callee(CALLEE, 1)) in asterisk.done)
        new = world.registry.by_channel(CALLEE)
        assert new is not old
        assert new is world.registry.by_channel(IDS.callee(CALLEE, 1))
        world.dispatcher.on_ari(ari.ChannelDestroyed(CALLEE, 16))
        await until(lambda: ("hang up", IDS.callee(CALLEE, 1)) in asterisk.done)
    assert ("hang up", CALLEE) not in asterisk.done


async def test_a_callee_in_another_application_is_no_orphan_after_a_restart() -> None:
    orphan = in_stasis(IDS.callee("1700000000.7", 1))
    taken = replace(in_stasis(IDS.callee("1700000000.8", 1)), application="ConfBridge", arguments="1")
    calls = in_stasis(IDS.callee("1700000000.9", 1), "PJSIP/b")
    asterisk = FakeAsterisk(taken, calls, orphan)
    async with running(asterisk) as world:
        world.recovery.begin()
        await until(lambda: bool(asterisk.done))
    assert asterisk.done == [("hang up", orphan.id)]


async def test_parties_that_asterisk_has_taken_into_a_bridge_of_its_own_are_left_alone_after_a_restart() -> (
    None
):
    caller = replace(in_stasis("1700000000.5"), application="Dial", arguments="PJSIP/a,30")
    callee, orphan = in_stasis(IDS.callee(caller.id, 1)), in_stasis(IDS.callee("1700000000.7", 1))
    asterisk = FakeAsterisk(caller, callee, orphan)
    asterisk.dialling = {caller.id: APP}
    asterisk.with_bridges = (Bridge("of-dial", "simple_bridge", (caller.id, callee.id)),)
    async with running(asterisk) as world:
        world.recovery.begin()
        await until(lambda: bool(asterisk.done))
        assert list(world.registry) == []
    assert asterisk.done == [("hang up", orphan.id)]


async def test_a_call_that_asterisk_took_over_while_nobody_listened_ends_and_its_parties_do_not() -> None:
    callee = in_stasis(CALLEE)
    asterisk = FakeAsterisk(CALLER, callee)
    asterisk.with_bridges = (Bridge("of-dial", "simple_bridge", (CALLER.id, CALLEE)),)
    async with running(asterisk) as world:
        dialing = resume(parse_dial(["PJSIP/a", "", "t"]), answered=True, callees={1: True}, now=0)
        world.supervisor.adopt(CALLER, dialing)
        world.recovery.begin()
        await until(lambda: not list(world.registry))
    assert asterisk.released == []


AGAIN = IDS.callee(CALLER.id, 1, entry=1)


async def test_the_callee_of_a_caller_that_calls_again_is_not_the_one_of_before() -> None:
    asterisk = FakeAsterisk()
    async with running(asterisk) as world:
        dialing = resume(parse_dial(["PJSIP/a"]), answered=True, callees={1: True}, now=0)
        world.supervisor.adopt(CALLER, dialing)
        world.dispatcher.on_ari(ari.StasisEnd(CALLER.id))
        world.dispatcher.on_ari(ari.StasisStart(CALLER, ("PJSIP/b",), None))
        await until(lambda: ("release", CALLEE) in asterisk.done)
        world.dispatcher.on_ari(ari.StasisEnd(CALLEE))
        await until(lambda: ("create", AGAIN) in asterisk.done)
        # The end of the first is reported late, and another of its kind enters the application too late.
        world.dispatcher.on_ari(ari.ChannelDestroyed(CALLEE, 16))
        world.dispatcher.on_ari(ari.StasisStart(in_stasis(CALLEE), (), None))
        await until(lambda: ("hang up", CALLEE) in asterisk.done)
        call = world.registry.get(CALLER.id)
        assert call
        assert call.dialing.phase is Phase.DIALING
        world.dispatcher.on_ari(ari.ChannelDestroyed(AGAIN, 17))
        await until(lambda: ("continue", CALLER.id) in asterisk.done)


async def test_after_a_restart_the_callee_of_the_last_call_of_a_caller_is_the_callee() -> None:
    callees = [in_stasis(IDS.callee(CALLER.id, 1, entry=entry)) for entry in (2, 0, 1)]
    asterisk = FakeAsterisk(CALLER, *callees)
    asterisk.variables[CALLER.id, "DIALSTATUS"] = "ANSWER"
    asterisk.with_bridges = (Bridge(IDS.bridge(CALLER.id), "", (CALLER.id, callees[0].id)),)
    async with running(asterisk) as world:
        world.recovery.begin()
        await until(lambda: world.registry.get(CALLER.id) is not None)
        call = world.registry.get(CALLER.id)
        assert call
        assert call.legs.channel(1) == callees[0].id
        assert call.legs.leg(callees[1].id) is None
