"""Blocks of all calls and of one, and their paced release. The calls are real, but for Asterisk and the switch."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.asterisk.ari_events import Channel
from stasis_offload.asterisk.rtpstreams import RtpStreams
from stasis_offload.calls import offload_gate
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


def nowhere() -> Gateways:
    """Return an outside world of which nothing was ever reached: calls that are not connected need none of it."""
    unix = Unix("/nonexistent")
    ari = AriClient(url="http://127.0.0.1:1", username="", password="", app="", on_event=lambda _: None)
    return Gateways(
        ari=ari, switch=Switch(unix, lambda _: None), rtpstreams=RtpStreams(Path(unix.path)), ids=IDS
    )


@asynccontextmanager
async def gate() -> AsyncIterator[tuple[OffloadGate, list[Call]]]:
    """Run the media of some calls that begin without a block."""
    async with asyncio.TaskGroup() as tasks:
        registry = Registry(IDS)
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
                gateways=nowhere(),
                tuning=TUNING,
                blocks=frozenset(),
                on_connected=lambda _: None,
            )
            registry.add(call)
            calls.append(call)
        running = [tasks.create_task(call.media.run()) for call in calls]
        yield OffloadGate(registry, background=Background(tasks)), calls
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


async def test_a_block_is_for_every_call_and_for_those_to_come() -> None:
    async with gate() as (gate_, calls):
        assert await gate_.block_and_wait(ReasonKind.OPERATOR) == CALLS
        assert blocked(calls, ReasonKind.OPERATOR) == [True] * CALLS
        assert ReasonKind.OPERATOR in gate_.blocks


async def test_a_block_of_one_call_is_for_that_call_alone() -> None:
    async with gate() as (gate_, calls):
        assert await gate_.block_and_wait(ReasonKind.OPERATOR, [calls[1]]) == 1
        assert blocked(calls, ReasonKind.OPERATOR) == [False, True, False, False, False]
        assert ReasonKind.OPERATOR not in gate_.blocks


async def test_calls_are_released_one_after_the_other() -> None:
    async with gate() as (gate_, calls):
        await gate_.block_and_wait(ReasonKind.OPERATOR)
        began = asyncio.get_running_loop().time()
        gate_.unblock(ReasonKind.OPERATOR)
        left = CALLS
        while left:
            left = sum(blocked(calls, ReasonKind.OPERATOR))
            intervals = (asyncio.get_running_loop().time() - began) / RELEASE_INTERVAL
            assert CALLS - left <= 1 + intervals
            await asyncio.sleep(RELEASE_INTERVAL / 10)


async def test_a_connection_that_is_there_for_the_first_time_releases_all_calls_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(offload_gate, "RELEASE_INTERVAL", 3600.0)
    async with gate() as (gate_, calls):
        await gate_.block_and_wait(
            ReasonKind.SWITCH_UNREACHABLE
        )  # as a first connection does (dispatcher.py)
        gate_.unblock(ReasonKind.SWITCH_UNREACHABLE)
        await until_blocked(calls, ReasonKind.SWITCH_UNREACHABLE, 0)


async def test_a_second_unblock_leaves_none_of_those_behind_that_the_first_had_yet_to_release() -> None:
    async with gate() as (gate_, calls):
        gate_.unblock(ReasonKind.SWITCH_UNREACHABLE)
        await gate_.block_and_wait(ReasonKind.SWITCH_UNREACHABLE)
        gate_.unblock(ReasonKind.SWITCH_UNREACHABLE)
        await until_blocked(calls, ReasonKind.SWITCH_UNREACHABLE, CALLS - 2)
        gate_.unblock(ReasonKind.SWITCH_UNREACHABLE)
        await until_blocked(calls, ReasonKind.SWITCH_UNREACHABLE, 0)


async def test_a_block_during_the_release_is_for_every_call_again() -> None:
    async with gate() as (gate_, calls):
        await gate_.block_and_wait(ReasonKind.OPERATOR)
        gate_.unblock(ReasonKind.OPERATOR)
        await until_blocked(calls, ReasonKind.OPERATOR, CALLS - 2)
        await gate_.block_and_wait(ReasonKind.OPERATOR)
        await asyncio.sleep(CALLS * RELEASE_INTERVAL)
        assert blocked(calls, ReasonKind.OPERATOR) == [True] * CALLS


async def test_a_call_that_is_blocked_during_the_release_stays_blocked() -> None:
    async with gate() as (gate_, calls):
        await gate_.block_and_wait(ReasonKind.OPERATOR)
        gate_.unblock(ReasonKind.OPERATOR)
        await gate_.block_and_wait(ReasonKind.OPERATOR, [calls[-1]])
        await until_blocked(calls, ReasonKind.OPERATOR, 1)
        await asyncio.sleep(CALLS * RELEASE_INTERVAL)
        assert blocked(calls, ReasonKind.OPERATOR) == [False] * (CALLS - 1) + [True]


async def test_each_kind_of_block_is_lifted_apart() -> None:
    async with gate() as (gate_, calls):
        await gate_.block_and_wait(ReasonKind.OPERATOR)
        await gate_.block_and_wait(ReasonKind.STOPPING)
        gate_.unblock(ReasonKind.OPERATOR)
        await until_blocked(calls, ReasonKind.OPERATOR, 0)
        assert blocked(calls, ReasonKind.STOPPING) == [True] * CALLS


async def test_a_block_that_is_to_come_comes_unless_its_cause_has_gone() -> None:
    async with gate() as (gate_, calls):
        gate_.block_later(ReasonKind.OPERATOR, RELEASE_INTERVAL)
        gate_.unblock(ReasonKind.OPERATOR)
        gate_.block_later(ReasonKind.STOPPING, 2 * RELEASE_INTERVAL)
        await until_blocked(calls, ReasonKind.STOPPING, CALLS)
        assert blocked(calls, ReasonKind.OPERATOR) == [False] * CALLS


async def test_a_block_that_is_to_come_is_put_forward_and_off_by_a_later_request() -> None:
    async with gate() as (gate_, calls):
        gate_.block_later(ReasonKind.OPERATOR, 60)
        gate_.block_later(ReasonKind.OPERATOR, 0)
        gate_.block_later(ReasonKind.OPERATOR, 60)  # it is there already
        await until_blocked(calls, ReasonKind.OPERATOR, CALLS)
        gate_.unblock(ReasonKind.OPERATOR)
        await until_blocked(calls, ReasonKind.OPERATOR, 0)


async def test_a_block_with_an_end_is_lifted_by_itself_or_before() -> None:
    async with gate() as (gate_, calls):
        assert await gate_.block_for(ReasonKind.MEASUREMENT, 0.05) == CALLS
        await until_blocked(calls, ReasonKind.MEASUREMENT, 0)
        assert ReasonKind.MEASUREMENT not in gate_.blocks
        await gate_.block_for(ReasonKind.MEASUREMENT, 0.05)
        gate_.unblock(ReasonKind.MEASUREMENT)
        await gate_.block_for(ReasonKind.MEASUREMENT, 3600)
        await asyncio.sleep(2 * RELEASE_INTERVAL)
        assert blocked(calls, ReasonKind.MEASUREMENT) == [True] * CALLS
