"""Blocks of all calls and of one, and their paced release. The calls are real, but for Asterisk and the switch."""

import asyncio

import pytest

from stasis_offload.calls import offload_gate
from stasis_offload.calls.offload_gate import RELEASE_INTERVAL
from stasis_offload.media.reasons import ReasonKind
from tests.support.idle_calls import CALLS, blocked, idle_calls, until_blocked


async def test_a_block_is_for_every_call_and_for_those_to_come() -> None:
    async with idle_calls() as (gate_, _, calls):
        assert await gate_.block_and_wait(ReasonKind.OPERATOR) == CALLS
        assert blocked(calls, ReasonKind.OPERATOR) == [True] * CALLS
        assert ReasonKind.OPERATOR in gate_.blocks


async def test_a_block_of_one_call_is_for_that_call_alone() -> None:
    async with idle_calls() as (gate_, _, calls):
        assert await gate_.block_and_wait(ReasonKind.OPERATOR, [calls[1]]) == 1
        assert blocked(calls, ReasonKind.OPERATOR) == [False, True, False, False, False]
        assert ReasonKind.OPERATOR not in gate_.blocks


async def test_calls_are_released_one_after_the_other() -> None:
    async with idle_calls() as (gate_, _, calls):
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
    async with idle_calls() as (gate_, _, calls):
        await gate_.block_and_wait(
            ReasonKind.SWITCH_UNREACHABLE
        )  # as a first connection does (dispatcher.py)
        gate_.unblock(ReasonKind.SWITCH_UNREACHABLE)
        await until_blocked(calls, ReasonKind.SWITCH_UNREACHABLE, 0)


async def test_a_second_unblock_leaves_none_of_those_behind_that_the_first_had_yet_to_release() -> None:
    async with idle_calls() as (gate_, _, calls):
        gate_.unblock(ReasonKind.SWITCH_UNREACHABLE)
        await gate_.block_and_wait(ReasonKind.SWITCH_UNREACHABLE)
        gate_.unblock(ReasonKind.SWITCH_UNREACHABLE)
        await until_blocked(calls, ReasonKind.SWITCH_UNREACHABLE, CALLS - 2)
        gate_.unblock(ReasonKind.SWITCH_UNREACHABLE)
        await until_blocked(calls, ReasonKind.SWITCH_UNREACHABLE, 0)


async def test_a_block_during_the_release_is_for_every_call_again() -> None:
    async with idle_calls() as (gate_, _, calls):
        await gate_.block_and_wait(ReasonKind.OPERATOR)
        gate_.unblock(ReasonKind.OPERATOR)
        await until_blocked(calls, ReasonKind.OPERATOR, CALLS - 2)
        await gate_.block_and_wait(ReasonKind.OPERATOR)
        await asyncio.sleep(CALLS * RELEASE_INTERVAL)
        assert blocked(calls, ReasonKind.OPERATOR) == [True] * CALLS


async def test_a_call_that_is_blocked_during_the_release_stays_blocked() -> None:
    async with idle_calls() as (gate_, _, calls):
        await gate_.block_and_wait(ReasonKind.OPERATOR)
        gate_.unblock(ReasonKind.OPERATOR)
        await gate_.block_and_wait(ReasonKind.OPERATOR, [calls[-1]])
        await until_blocked(calls, ReasonKind.OPERATOR, 1)
        await asyncio.sleep(CALLS * RELEASE_INTERVAL)
        assert blocked(calls, ReasonKind.OPERATOR) == [False] * (CALLS - 1) + [True]


async def test_each_kind_of_block_is_lifted_apart() -> None:
    async with idle_calls() as (gate_, _, calls):
        await gate_.block_and_wait(ReasonKind.OPERATOR)
        await gate_.block_and_wait(ReasonKind.STOPPING)
        gate_.unblock(ReasonKind.OPERATOR)
        await until_blocked(calls, ReasonKind.OPERATOR, 0)
        assert blocked(calls, ReasonKind.STOPPING) == [True] * CALLS


async def test_a_block_with_an_end_is_lifted_by_itself_or_before() -> None:
    async with idle_calls() as (gate_, _, calls):
        assert await gate_.block_for(ReasonKind.MEASUREMENT, 0.05) == CALLS
        await until_blocked(calls, ReasonKind.MEASUREMENT, 0)
        assert ReasonKind.MEASUREMENT not in gate_.blocks
        await gate_.block_for(ReasonKind.MEASUREMENT, 0.05)
        gate_.unblock(ReasonKind.MEASUREMENT)
        await gate_.block_for(ReasonKind.MEASUREMENT, 3600)
        await asyncio.sleep(2 * RELEASE_INTERVAL)
        assert blocked(calls, ReasonKind.MEASUREMENT) == [True] * CALLS
