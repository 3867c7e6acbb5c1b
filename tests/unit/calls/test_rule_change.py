"""Rules of the policy that change while calls are up, and the caller's variable beside them."""

import asyncio
from collections.abc import Callable

import pytest

from stasis_offload.asterisk import ari_events as ari
from stasis_offload.calls import rule_change
from stasis_offload.media.exclusion import Rule
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.signalling import events as sig
from stasis_offload.signalling.call_ids import CALLER
from stasis_offload.signalling.dial_args import parse_dial
from stasis_offload.signalling.resuming import resume
from tests.support.fake_asterisk import IDS, FakeAsterisk, World, answered, in_stasis, running

EXCLUSIONS = {ReasonKind.EXCLUDED_VARIABLE, ReasonKind.EXCLUDED_POLICY, ReasonKind.EXCLUDED_SHARE}
NEVER = Rule(1, 0.0)


async def until(reached: Callable[[], object]) -> None:
    """Wait until something is so: what was done has no event."""
    async with asyncio.timeout(10):
        while not reached():  # noqa: ASYNC110 - it has none
            await asyncio.sleep(0.001)


def excluded(world: World) -> dict[str, str | None]:
    """Return the reasons of the calls that are excluded, with their details, by the calls' ids."""
    return {
        call.id: f"{reason}: {reason.detail}"
        for call in world.registry
        if call.media.placement.blocks & EXCLUSIONS and (reason := call.media.placement.reason)
    }


async def adopted(world: World, calls: int) -> None:
    world.recovery.begin()
    await until(lambda: [call.media.placement.connected for call in world.registry] == [True] * calls)


def name_channels(world: World) -> None:
    """Name the callers' channels as Asterisk does."""
    for call in world.registry:
        call.legs.set_name(call.id, f"PJSIP/{call.id}-00000001")


async def test_calls_that_a_new_rule_excludes_return_at_once_and_come_back_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rule_change, "RELEASE_INTERVAL", 0.05)
    async with running(answered(1, 2, 3)) as world:
        await adopted(world, 3)
        assert excluded(world) == {}
        name_channels(world)
        world.rules.change([Rule(1, 0.0, endpoint="PJSIP/1700000000.2"), Rule(2, 0.0)])
        await until(lambda: len(excluded(world)) == 3)
        named = "excluded-policy: policy 1 (endpoint PJSIP/1700000000.2) is never"
        default = "excluded-policy: policy 2 (the default) is never"
        assert sorted(excluded(world).values(), key=str) == [named, default, default]
        world.rules.change([Rule(1, 100.0)])
        left = {3}
        while excluded(world):
            left.add(len(excluded(world)))
            await asyncio.sleep(0)
        assert left == {3, 2, 1}


async def test_a_second_change_overtakes_a_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_change, "RELEASE_INTERVAL", 0.05)
    async with running(answered(*range(10))) as world:
        await adopted(world, 10)
        world.rules.change([NEVER])
        await until(lambda: len(excluded(world)) == 10)
        world.rules.change([])
        await until(lambda: len(excluded(world)) < 8)
        world.rules.change([NEVER])
        await until(lambda: len(excluded(world)) == 10)
        await asyncio.sleep(0.2)  # nothing that the first one began goes on
        assert len(excluded(world)) == 10


async def test_a_context_is_read_when_a_rule_names_one_and_again_if_there_was_no_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rule_change, "RETRY_INTERVAL", 0.01)
    asterisk = answered(1, 2)
    first, second = "1700000000.1", "1700000000.2"
    async with running(asterisk) as world:
        await adopted(world, 2)
        asterisk.variables[first, "CONTEXT"] = "sub-dial"
        asterisk.variables[second, "PJSIP_ENDPOINT(1700000000.2,context)"] = "from-trunk"
        name_channels(world)
        asterisk.failures = {first: 2, second: 1}
        world.rules.change([Rule(1, 0.0, context="sub-*"), Rule(2, 10.0, context="from-*"), NEVER])
        await until(lambda: len(excluded(world)) == 2)
        assert excluded(world) == {
            first: "excluded-policy: policy 1 (context sub-dial) is never",
            second: "excluded-share: policy 2 (context from-trunk) is 10%, and the call is at 72.99%",
        }


async def test_a_call_goes_by_the_rules_at_its_answer() -> None:
    caller = in_stasis("1700000000.1", "PJSIP/a")
    dialing = resume(parse_dial(["PJSIP/a"]), answered=True, callees={1: True}, now=0)
    async with running(FakeAsterisk(caller)) as world:
        call = world.supervisor.adopt(caller, dialing)
        world.rules.change([NEVER])
        call.post(sig.CalleeBridged(1))
        await until(lambda: excluded(world))


async def test_the_stricter_variable_of_two_callers_stays_with_the_call() -> None:
    asterisk = answered(1)
    [caller] = [channel for channel in asterisk.has if channel.id == "1700000000.1"]
    replacement = in_stasis("1700000009.1")
    asterisk.variables[caller.id, "OFFLOAD"] = "0.5%"
    asterisk.variables[replacement.id, "OFFLOAD"] = "yes"
    async with running(asterisk) as world:
        await adopted(world, 1)
        said = "excluded-variable: OFFLOAD=0.5%, and the call is at"
        assert str(excluded(world)[caller.id]).startswith(said)
        for event in (
            ari.StasisStart(replacement, (), caller.id),
            ari.EnteredBridge(IDS.bridge(caller.id), replacement.id),
            ari.StasisEnd(caller.id),
        ):
            world.on_ari(event)
        [call] = world.registry
        await until(lambda: call.legs.channel(CALLER) == replacement.id and call.media.placement.connected)
        assert str(excluded(world)[caller.id]).startswith(said)
        assert call.exclusion.variable == "0.5%"
