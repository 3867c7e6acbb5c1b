"""Calls that an earlier process began, or that entered while there was none."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest

from stasis_offload.asterisk.ari_events import Bridge, Channel, EnteredBridge, StasisEnd, StasisStart
from stasis_offload.calls import recovery
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.signalling.call_ids import CALLER
from stasis_offload.signalling.dial_args import parse_dial
from stasis_offload.signalling.events import CalleeBridged
from stasis_offload.signalling.resuming import resume
from stasis_offload.signalling.state import Phase
from tests.support.fake_asterisk import APP, IDS, FakeAsterisk, answered, in_stasis, running


async def until(check: Callable[[], object], *, within: float = 10.0) -> None:
    """Wait until something is so: what was done has no event."""
    async with asyncio.timeout(within):
        while not check():  # noqa: ASYNC110 - it has none
            await asyncio.sleep(0.001)


def gone(asterisk: FakeAsterisk, channel: str) -> None:
    """Have a channel hung up, of which no event tells."""
    asterisk.has = tuple(it for it in asterisk.has if it.id != channel)
    asterisk.with_bridges = tuple(
        replace(bridge, channels=tuple(it for it in bridge.channels if it != channel))
        for bridge in asterisk.with_bridges
    )


async def test_callers_that_waited_are_dialled_although_the_first_reading_failed() -> None:
    first, second = in_stasis("1700000000.1", "PJSIP/a"), in_stasis("1700000000.2", "PJSIP/a")
    asterisk = FakeAsterisk(first, second)
    asterisk.failures[second.id] = 1
    wanted = {("create", IDS.callee(caller.id, 1)) for caller in (first, second)}
    async with running(asterisk) as world:
        world.recovery.begin()
        await until(lambda: set(asterisk.done) == wanted)
    assert sorted(asterisk.done) == sorted(wanted)


async def test_of_the_callers_in_dial_those_in_offload_dial_are_adopted_and_the_others_left_alone() -> None:
    ours, plain, others = (
        replace(in_stasis(f"1700000000.{n}"), application="Dial", arguments="PJSIP/a,30") for n in (1, 2, 3)
    )
    asterisk = FakeAsterisk(ours, plain, others)
    asterisk.dialling = {ours.id: APP, others.id: "another"}
    async with running(asterisk) as world:
        world.recovery.begin()
        await until(lambda: asterisk.done)
        [call] = world.registry
        assert (call.id, call.dialing.caller_up) == (ours.id, True)
    assert asterisk.done == [("create", IDS.callee(ours.id, 1))]


async def test_a_channel_that_is_listed_and_has_ended_is_no_call() -> None:
    ghost, caller = in_stasis("1700000000.1", "PJSIP/a"), in_stasis("1700000000.2", "PJSIP/a")
    asterisk = FakeAsterisk(ghost, caller)
    asterisk.ghosts = {ghost.id}
    async with running(asterisk) as world:
        world.recovery.begin()
        await until(lambda: asterisk.done)
        assert [call.id for call in world.registry] == [caller.id]


async def test_of_answered_calls_the_party_left_behind_is_released_first() -> None:
    asterisk = answered(*range(100))
    gone(asterisk, IDS.callee("1700000000.90", 1))
    gone(asterisk, "1700000000.95")
    async with running(asterisk) as world:
        world.recovery.begin()
        await until(lambda: len(world.registry) > 1)
        assert {call.id for call in [*world.registry][:2]} == {"1700000000.90", "1700000000.95"}
        await until(lambda: len(asterisk.released) == 2)
        assert sorted(asterisk.released) == sorted(("1700000000.90", IDS.callee("1700000000.95", 1)))
        await until(lambda: all(call.media.started for call in world.registry if call.id < "1700000000.9"))


async def test_a_party_that_hangs_up_during_the_recovery_ends_its_call_at_once() -> None:
    asterisk = answered(*range(100))
    async with running(asterisk) as world:
        world.recovery.begin()
        await until(lambda: len(world.registry) > 1)
        hung_up = StasisEnd("1700000000.99")
        assert world.registry.get(hung_up.channel) is None
        assert world.recovery.holds(hung_up)
        await until(lambda: len(world.registry) == 100)
        adopted = [call.id for call in world.registry]
        assert adopted.index(hung_up.channel) < adopted.index("1700000000.90")
        await until(lambda: asterisk.released)
        assert asterisk.released == [IDS.callee(hung_up.channel, 1)]
        await until(lambda: all(call.media.started for call in world.registry))


async def test_a_call_whose_end_nobody_was_told_of_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "RECONCILE_INTERVAL", 0.1)
    monkeypatch.setattr(recovery, "RETRY_INTERVAL", 0.01)
    asterisk = answered(1, 2)
    async with running(asterisk) as world:
        world.recovery.begin()
        await until(lambda: [call.dialing.phase for call in world.registry] == [Phase.TALKING] * 2)
        gone(asterisk, "1700000000.1")
        await until(lambda: asterisk.released)
        assert asterisk.released == [IDS.callee("1700000000.1", 1)]
        gone(asterisk, IDS.callee("1700000000.1", 1))
        await until(lambda: [call.id for call in world.registry] == ["1700000000.2"])


async def test_the_media_of_a_call_returns_whose_channels_another_asterisk_does_not_have_before_anything_else() -> (
    None
):
    gone, there = in_stasis("1700000000.1", "PJSIP/a"), in_stasis("1700000000.2", "PJSIP/a")
    asterisk = FakeAsterisk(there, in_stasis(IDS.callee(there.id, 1)))
    async with running(asterisk) as world:
        for caller in (gone, there):
            dialing = resume(parse_dial(["PJSIP/a"]), answered=True, callees={1: True}, now=0.0)
            call = world.supervisor.adopt(caller, dialing)
            call.media.start(caller=caller.id, callee=IDS.callee(caller.id, 1))
        asterisk.bridges_fail = True
        world.recovery.begin()
        first, second = world.registry
        await until(lambda: ReasonKind.ENDED in first.media.placement.blocks)
        assert not second.media.placement.blocks


CALL = "1700000000.1"
CALLEE = IDS.callee(CALL, 1)
NEW = in_stasis("1700000009.1")
# Who takes the place of the caller of an answered call.
REPLACED = (StasisStart(NEW, (), CALL), EnteredBridge(IDS.bridge(CALL), NEW.id), StasisEnd(CALL))


def swap(asterisk: FakeAsterisk) -> None:
    """Have NEW in the place of the caller."""
    asterisk.has = (NEW, *(it for it in asterisk.has if it.id != CALL))
    asterisk.with_bridges = tuple(
        replace(bridge, channels=(NEW.id, CALLEE)) if CALL in bridge.channels else bridge
        for bridge in asterisk.with_bridges
    )


def nothing_fails(asterisk: FakeAsterisk) -> None:
    """Asterisk answers."""


def no_answer_about_bridges(asterisk: FakeAsterisk) -> None:
    fails = iter((False, True))
    asterisk.meanwhile = lambda: setattr(asterisk, "bridges_fail", next(fails, False))


def no_answer_about_the_call(asterisk: FakeAsterisk) -> None:
    asterisk.failures = {channel.id: 1 for channel in asterisk.has}


FAILURES = pytest.mark.parametrize("fail", [nothing_fails, no_answer_about_bridges, no_answer_about_the_call])


@FAILURES
@pytest.mark.parametrize("swapped", [False, True])
async def test_a_transfer_is_followed_of_a_call_that_is_not_adopted_yet(
    fail: Callable[[FakeAsterisk], None], monkeypatch: pytest.MonkeyPatch, *, swapped: bool
) -> None:
    monkeypatch.setattr(recovery, "RETRY_INTERVAL", 0.01)
    asterisk = answered(1)
    asterisk.has += (NEW,)
    if swapped:
        swap(asterisk)
    fail(asterisk)
    async with running(asterisk) as world:
        world.recovery.begin()
        for event in REPLACED if swapped else REPLACED[:1]:
            world.on_ari(event)
        await until(lambda: world.registry.get(CALL))
        if not swapped:
            swap(asterisk)
            for event in REPLACED[1:]:
                world.on_ari(event)
        [call] = world.registry
        await until(lambda: call.legs.channel(CALLER) == NEW.id and call.media.placement.connected)
        assert call.dialing.phase is Phase.TALKING
    assert not {NEW.id, CALLEE} & set(asterisk.released)


@FAILURES
async def test_a_callee_that_enters_before_its_call_is_adopted_is_dialled(
    fail: Callable[[FakeAsterisk], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "RETRY_INTERVAL", 0.01)
    callee = Channel(CALLEE, "PJSIP/a", "Down", "", "", "", "")
    asterisk = FakeAsterisk(in_stasis(CALL, "PJSIP/a"), callee)
    fail(asterisk)
    async with running(asterisk) as world:
        world.recovery.begin()
        world.on_ari(StasisStart(callee, (), None))
        await until(lambda: [call.legs.name(1) for call in world.registry] == [callee.name])
        assert asterisk.released == []


@pytest.mark.parametrize("reading", [1, 2, 3])
async def test_a_leg_that_is_replaced_while_asterisks_state_is_read_is_not_missed_in_it(reading: int) -> None:
    asterisk = answered(1)
    asterisk.with_bridges += (Bridge(IDS.bridge("orphan"), "", ()),)
    async with running(asterisk) as world:
        world.supervisor.adopt(
            in_stasis(CALL), resume(parse_dial(["PJSIP/a"]), answered=True, callees={1: True}, now=0.0)
        )
        [call] = world.registry
        call.legs.set_name(CALLEE, "PJSIP/a")
        call.post(CalleeBridged(1))
        await until(lambda: call.media.placement.connected)
        readings = count(1)

        def meanwhile() -> None:
            if next(readings) == reading:
                swap(asterisk)
                for event in REPLACED:
                    world.on_ari(event)

        asterisk.meanwhile = meanwhile
        world.recovery.begin()
        await until(lambda: ("destroy", IDS.bridge("orphan")) in asterisk.done)
        await until(lambda: call.legs.channel(CALLER) == NEW.id and call.media.placement.connected)
        await until(lambda: ReasonKind.ENDED not in call.media.placement.blocks)
        assert call.dialing.phase is Phase.TALKING
    assert not {NEW.id, CALLEE} & set(asterisk.released)


async def test_a_transfer_is_followed_although_the_connection_begins_again_while_asterisks_state_is_read() -> (
    None
):
    asterisk = answered(1)
    asterisk.has += (NEW,)
    async with running(asterisk) as world:
        readings = count(1)

        def meanwhile() -> None:
            match next(readings):
                case 2:
                    world.recovery.begin()
                    world.on_ari(REPLACED[0])
                case 3:
                    swap(asterisk)
                    for event in REPLACED[1:]:
                        world.on_ari(event)

        asterisk.meanwhile = meanwhile
        world.recovery.begin()
        await until(lambda: next(iter(world.registry), None))
        [call] = world.registry
        await until(lambda: call.legs.channel(CALLER) == NEW.id and call.media.placement.connected)
        assert call.dialing.phase is Phase.TALKING
    assert not {NEW.id, CALLEE} & set(asterisk.released)
