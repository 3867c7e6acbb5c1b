"""What a switch that comes or goes means to its own calls, and to those of another. No switch is real, nor are the packets."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from stasis_offload.calls.call import Call
from stasis_offload.calls.offload_gate import RELEASE_INTERVAL, OffloadGate
from stasis_offload.calls.switch_outages import SwitchOutages
from stasis_offload.media import events as ev
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.state import State
from stasis_offload.openflow.events import SwitchDescription, SwitchDown, SwitchUp
from tests.support.idle_calls import CALLS, absent_switch, blocked, idle_calls, until_blocked
from tests.support.placements import GUARDED

KIND = ReasonKind.SWITCH_UNREACHABLE
FIRST, SECOND = 0, 1
# The lease of a switch that has ended would come as soon; this one does not end in a test.
LONG, SHORT = 60.0, RELEASE_INTERVAL
UP = SwitchUp(SwitchDescription(1, "1.3", "", "", "", "", (), lacks=(), most={}, parts_fragments=False))
KEPT = replace(UP, kept=True)


def carry(call: Call, switch: int) -> None:
    """Have a switch carry a call."""
    call.media._machine.state = replace(GUARDED, call=call.id, switch=switch, deadline=None)  # noqa: SLF001 - the way there needs a switch


@asynccontextmanager
async def two_switches() -> AsyncIterator[tuple[SwitchOutages, OffloadGate, list[Call]]]:
    """Run calls of which the first two are in the first switch, and the next two in the second; both are connected."""
    switches = absent_switch("one"), absent_switch("two")
    async with idle_calls(*switches) as (gate, registry, calls):
        outages = SwitchOutages(registry, switches=switches, gate=gate)
        for number in (FIRST, SECOND):
            outages.on_up(number, UP)
        await until_blocked(calls, KIND, 0)
        for call, switch in zip(calls, (FIRST, FIRST, SECOND, SECOND), strict=False):
            carry(call, switch)
        yield outages, gate, calls


def carried(calls: Sequence[Call]) -> list[bool]:
    return [call.media.placement.state is State.OFFLOADED for call in calls]


async def until_carried(calls: Sequence[Call], wanted: list[bool]) -> None:
    """Wait until so many calls are carried: a call is relayed when its turn has come."""
    async with asyncio.timeout(60):
        while carried(calls) != wanted:  # noqa: ASYNC110 - a placement has no event
            await asyncio.sleep(RELEASE_INTERVAL / 10)


async def test_each_switch_has_a_problem_of_its_own_until_it_is_there() -> None:
    switches = absent_switch("one"), absent_switch("two")
    async with idle_calls(*switches) as (gate, registry, _):
        outages = SwitchOutages(registry, switches=switches, gate=gate)
        assert {"switch one", "switch two"} <= gate.problems.keys()
        outages.on_up(SECOND, UP)
        assert gate.problems.keys() & {"switch one", "switch two"} == {"switch one"}
        assert KIND not in gate.blocks  # what the second can carry, it does
        outages.on_down(SECOND, SwitchDown("gone"))
        assert gate.problems["switch two"] == "gone"
        assert KIND in gate.blocks


async def test_the_calls_of_a_switch_that_went_away_return_and_no_others() -> None:
    async with two_switches() as (outages, gate, calls):
        outages.on_down(FIRST, SwitchDown("gone"))
        await until_carried(calls, [False, False, True, True, False])
        await until_blocked(calls, KIND, 0)  # another switch may see them
        assert carried(calls) == [False, False, True, True, False]
        assert KIND not in gate.blocks


async def test_a_call_that_waits_for_room_is_looked_at_again_when_a_switch_goes_and_when_one_comes() -> None:
    async with two_switches() as (outages, _, calls):
        calls[-1].media.post(ev.Blocked(ReasonKind.TABLE_FULL))
        await calls[-1].media.post(ev.Unblocked(KIND)).wait()
        assert blocked(calls, ReasonKind.TABLE_FULL) == [False, False, False, False, True]
        outages.on_down(FIRST, SwitchDown("gone", grace=LONG))
        await until_blocked(calls, ReasonKind.TABLE_FULL, 0)
        await calls[-1].media.post(ev.Blocked(ReasonKind.TABLE_FULL)).wait()
        outages.on_up(FIRST, KEPT)
        await until_blocked(calls, ReasonKind.TABLE_FULL, 0)
        assert carried(calls) == [True, True, True, True, False]


async def test_a_switch_carries_its_calls_until_its_lease_ends() -> None:
    async with two_switches() as (outages, _, calls):
        outages.on_down(FIRST, SwitchDown("gone", grace=LONG))
        outages.on_down(SECOND, SwitchDown("gone", grace=SHORT))
        await until_carried(calls, [True, True, False, False, False])
        assert blocked(calls, KIND) == [
            False,
            False,
            True,
            True,
            False,
        ]  # no switch is there that may see them
        outages.on_up(FIRST, KEPT)
        await until_blocked(calls, KIND, 0)
        assert carried(calls) == [True, True, False, False, False]


async def test_a_switch_that_is_back_in_time_moves_no_call_but_one_that_lost_its_flows_does() -> None:
    async with two_switches() as (outages, _, calls):
        for number in (FIRST, SECOND):
            outages.on_down(number, SwitchDown("gone", grace=SHORT))
        outages.on_up(FIRST, KEPT)
        outages.on_up(SECOND, UP)
        await until_carried(calls, [True, True, False, False, False])
        await until_blocked(calls, KIND, 0)
        await asyncio.sleep(2 * SHORT)
        assert carried(calls) == [True, True, False, False, False]


async def test_a_lease_that_is_told_of_again_ends_when_it_is_said_last() -> None:
    async with two_switches() as (outages, _, calls):
        outages.on_down(FIRST, SwitchDown("gone", grace=LONG))
        outages.on_down(FIRST, SwitchDown("still gone", grace=0.0))
        await until_carried(calls, [False, False, True, True, False])


async def test_without_any_switch_every_call_is_blocked_and_each_to_come() -> None:
    async with two_switches() as (outages, gate, calls):
        for number in (FIRST, SECOND):
            outages.on_down(number, SwitchDown("gone", grace=SHORT))
        await until_blocked(calls, KIND, CALLS)
        assert KIND in gate.blocks
        outages.on_up(SECOND, KEPT)
        await until_blocked(calls, KIND, 0)
        assert KIND not in gate.blocks
