"""A channel that replaces a leg, in whatever order Asterisk tells of it."""

import asyncio
from collections.abc import Callable
from itertools import permutations

import pytest

from stasis_offload.asterisk import ari_events as ari
from stasis_offload.calls.call import Call
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.signalling import events as sig
from stasis_offload.signalling.dial_args import parse_dial
from stasis_offload.signalling.resuming import resume
from stasis_offload.signalling.state import Phase
from tests.support.fake_asterisk import IDS, FakeAsterisk, World, in_stasis, running

CALLER = in_stasis("1700000000.1", "PJSIP/a")
NEW = in_stasis("1700000009.1")
ANNOUNCED = ari.StasisStart(NEW, (), CALLER.id)
ENTERED = ari.EnteredBridge(IDS.bridge(CALLER.id), NEW.id)
HANGING_UP = ari.HangupRequested(CALLER.id, 16)
GONE = ari.StasisEnd(CALLER.id)
# The replacement is announced before it enters the bridge, and the replaced channel leaves after that.
ORDERS = [
    order
    for order in permutations((ANNOUNCED, ENTERED, HANGING_UP, GONE))
    if order.index(ANNOUNCED) < order.index(ENTERED) < order.index(GONE)
    and order.index(HANGING_UP) < order.index(GONE)
]


async def talking(world: World) -> Call:
    dialing = resume(parse_dial(["PJSIP/a"]), answered=True, callees={1: True}, now=0)
    call = world.supervisor.adopt(CALLER, dialing)
    call.legs.set_name(IDS.callee(CALLER.id, 1), "PJSIP/a-2")
    call.post(sig.CalleeBridged(1))
    await until(lambda: call.media.placement.connected)
    return call


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not reached():  # noqa: ASYNC110 - a call has no event
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: " ".join(type(event).__name__ for event in order))
async def test_the_media_of_a_call_goes_on_whose_caller_was_replaced(order: tuple[ari.Event, ...]) -> None:
    asterisk = FakeAsterisk()
    async with running(asterisk) as world:
        call = await talking(world)
        for event in order:
            world.dispatcher.on_ari(event)
            await asyncio.sleep(0)
        await until(lambda: ("hang up", CALLER.id) in asterisk.done)
        await until(lambda: ReasonKind.ENDED not in call.media.placement.blocks)
        assert call.dialing.phase is Phase.TALKING
        assert call.media.placement.connected
        assert not call.media.placement.over
