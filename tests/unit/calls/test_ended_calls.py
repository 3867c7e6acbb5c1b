"""What is kept of calls that are over: for an hour, and no more of them than there is memory for."""

import asyncio
from collections import deque
from dataclasses import replace

import structlog

from stasis_offload.asterisk import ari_events as ari
from stasis_offload.calls.ended_calls import KEPT_FOR, EndedCall, EndedCalls
from stasis_offload.calls.media_record import KEPT_MOVES, MediaRecord
from stasis_offload.calls.statistics import Statistics
from stasis_offload.media import events as ev
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.state import State
from tests.support.fake_asterisk import FakeAsterisk, in_stasis, running
from tests.support.fake_operations import OFFLOADED
from tests.support.placements import CUTTING_OVER, GUARDED, after


def ended(call: str, at: float) -> EndedCall:
    return EndedCall(replace(OFFLOADED, call=call), (), at)


def test_a_call_is_kept_for_an_hour() -> None:
    calls = EndedCalls()
    calls.add(ended("1.1", 100.0))
    assert calls.get("1.1", 100.0 + KEPT_FOR)
    assert calls.get("1.1", 100.1 + KEPT_FOR) is None
    assert len(calls) == 0


def test_of_more_calls_than_there_is_memory_for_the_last_ones_are_kept() -> None:
    calls = EndedCalls(most=3)
    for number in range(10):
        calls.add(ended(f"1.{number}", number))
    assert [n for n in range(10) if calls.get(f"1.{n}", 10.0)] == [7, 8, 9]


def test_a_caller_who_called_again_is_explained_by_the_last_call() -> None:
    calls = EndedCalls(most=2)
    for call, at in (("1.1", 1.0), ("1.2", 2.0), ("1.1", 3.0), ("1.3", 4.0)):
        calls.add(ended(call, at))
    assert calls.get("1.2", 4.0) is None
    found = calls.get("1.1", 4.0)
    assert found
    assert found.at == 3.0


def test_of_the_moves_of_a_call_the_last_ones_are_kept() -> None:
    record = MediaRecord(Statistics(), log=structlog.get_logger())
    back = after(ev.Blocked(ReasonKind.OPERATOR), start=GUARDED, now=1.0)
    for number in range(KEPT_MOVES):
        record.note_step(CUTTING_OVER, GUARDED, float(number))
        record.note_step(GUARDED, back, number + 0.5)
    assert isinstance(record.moves, deque)
    assert [move.at for move in record.moves] == [n / 2 for n in range(KEPT_MOVES, 2 * KEPT_MOVES)]
    assert {move.state for move in record.moves} == {State.OFFLOADED, State.RELAYED}
    assert record.stays == KEPT_MOVES


async def test_a_call_that_is_over_is_among_them_with_its_moves() -> None:
    caller = in_stasis("1700000000.1", "PJSIP/a")
    async with running(FakeAsterisk(caller)) as world:
        world.on_ari(ari.StasisStart(caller, ("PJSIP/a",), None))
        world.on_ari(ari.ChannelDestroyed(caller.id, 16))
        async with asyncio.timeout(10):
            while world.registry.get(caller.id):  # noqa: ASYNC110 - its end has no event
                await asyncio.sleep(0.001)
        found = world.registry.ended.get(caller.id, asyncio.get_running_loop().time())
    assert found
    assert (found.view.caller, [move.state for move in found.moves]) == (caller.name, [State.RELAYED])
    assert [str(move.reason) for move in found.moves] == ["ended"]
