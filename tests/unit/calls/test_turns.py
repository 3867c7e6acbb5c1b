"""In which of two switches a call waits for room. Each counts as connected, and nothing is sent to it."""

import asyncio
from dataclasses import replace

import pytest

from stasis_offload.calls.call_flows import CallFlows
from stasis_offload.calls.learning_queue import LearningQueue
from stasis_offload.calls.turns import Turns
from stasis_offload.media import events as ev
from stasis_offload.media.flows import MOST_FLOWS
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.state import Placement
from stasis_offload.openflow.channel import Channel, Timeouts
from stasis_offload.openflow.flow import TABLE
from tests.support.idle_calls import absent_switch
from tests.support.leg_reports import sighting
from tests.support.placements import CONNECTED, ELIGIBLE, LEARNING, OBSERVED, after

FIRST, SECOND = 0, 1
REPORT = replace(ELIGIBLE, switches={FIRST: True, SECOND: True})


class World:
    """A call that waits, and two connected switches that have so much room for it."""

    def __init__(self, first: int, second: int) -> None:
        self.switches = absent_switch("first"), absent_switch("second")
        self.posted = list[ev.Event]()
        flows = CallFlows("call", self.switches)
        self.turns = Turns("call", learning=LearningQueue(), flows=flows, post=self._post)
        for number, calls in ((FIRST, first), (SECOND, second)):
            self.connect(number)
            self.switches[number].flow_table.room.needs = MOST_FLOWS
            self.limit(number, calls)

    def _post(self, event: ev.Event) -> asyncio.Event:
        self.posted.append(event)
        return asyncio.Event()

    def connect(self, number: int) -> None:
        channel = Channel(on_message=lambda _: None, timeouts=Timeouts())
        self.switches[number].flow_table.attach(channel)

    def limit(self, number: int, calls: int) -> None:
        self.switches[number].flow_table.room.set_limits({TABLE: calls * MOST_FLOWS[TABLE]})

    def process(self, placement: Placement, event: ev.Event) -> Placement:
        """Have an event processed as the call's session does."""
        reported = self.turns.with_room(event) if isinstance(event, ev.LegsReported) else event
        changed = after(reported, start=placement)
        self.turns.follow(placement, event, changed)
        return changed

    async def admitted(self) -> bool:
        """Return whether the call is told that there is room for it, and forget that."""
        await asyncio.sleep(0)
        told, self.posted = self.posted, []
        assert set(told) <= {ev.Unblocked(ReasonKind.TABLE_FULL)}
        return bool(told)


async def test_a_full_switch_keeps_no_call_out_of_another_that_has_room() -> None:
    world = World(0, 1)
    learned = world.process(CONNECTED, REPORT)
    assert (learned.is_learned, learned.switch) == (True, SECOND)


async def test_a_full_switch_that_is_not_connected_keeps_nobody_waiting() -> None:
    world = World(0, 1)
    world.switches[FIRST].flow_table.detach("gone")
    assert world.process(CONNECTED, replace(REPORT, switches={SECOND: True})).switch == SECOND
    world.switches[SECOND].flow_table.detach("gone")
    assert not world.process(CONNECTED, replace(REPORT, switches={})).blocks


@pytest.mark.parametrize("number", [FIRST, SECOND])
async def test_a_call_that_finds_no_room_anywhere_goes_where_there_is_some_first(number: int) -> None:
    world = World(0, 0)
    waiting = world.process(CONNECTED, REPORT)
    assert ReasonKind.TABLE_FULL in waiting.blocks
    assert not await world.admitted()
    world.limit(number, 1)
    assert await world.admitted()
    learned = world.process(world.process(waiting, ev.Unblocked(ReasonKind.TABLE_FULL)), REPORT)
    assert (learned.is_learned, learned.switch) == (True, number)
    world.limit(1 - number, 1)
    assert not await world.admitted()  # it waits nowhere any more


async def test_a_call_whose_packets_the_full_one_alone_shows_waits_for_that() -> None:
    world = World(0, 1)
    waiting = world.process(OBSERVED, REPORT)
    assert ReasonKind.TABLE_FULL in waiting.blocks
    assert not await world.admitted()
    world.limit(FIRST, 1)
    assert await world.admitted()


async def test_a_call_that_a_switch_refused_goes_to_another_at_once_if_that_has_room() -> None:
    world = World(5, 1)
    world.switches[FIRST].flow_table.room.note_refused(0)
    waiting = world.process(LEARNING, ev.Blocked(ReasonKind.TABLE_FULL))
    assert await world.admitted()
    learned = world.process(world.process(waiting, ev.Unblocked(ReasonKind.TABLE_FULL)), REPORT)
    assert (learned.is_learned, learned.switch) == (True, SECOND)


def test_a_call_that_is_relayed_for_what_is_observed_gives_its_turn_to_the_next_at_once() -> None:
    learning, admitted = LearningQueue(most=1), list[str]()
    turns = Turns("call", learning=learning, flows=CallFlows("call", ()), post=lambda _: asyncio.Event())
    turns.follow(CONNECTED, ELIGIBLE, LEARNING)
    learning.wait("next", lambda: admitted.append("next"))
    observed = ev.PacketObserved(Leg.CALLER, sighting(Leg.CALLER, ttl=1))
    relayed = after(observed, start=LEARNING)
    assert relayed.reason == Reason(ReasonKind.LOW_TTL, Leg.CALLER)
    assert admitted == []
    turns.follow(LEARNING, observed, relayed)
    assert admitted == ["next"]
