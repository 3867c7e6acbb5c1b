"""Who may have flows in tables that take so many, and who waits."""

import asyncio
from functools import partial

import pytest

from stasis_offload.openflow import room as room_module
from stasis_offload.openflow.flow import SAMPLE_TABLE, SIZE_TABLE, TABLE
from stasis_offload.openflow.instance import Instance
from stasis_offload.openflow.room import Room, capacity_of, limits_of

NEEDS = {TABLE: 10, SIZE_TABLE: 4}


class World:
    """A room for `places` owners, and who is in."""

    def __init__(self, places: int, instance: Instance | None = None) -> None:
        self.instance = instance or Instance()
        self.owners = set[int]()
        self.admitted = list[int]()
        self.room = Room(self.instance, owners=self.owners)
        self.room.needs = NEEDS
        self.room.set_limits({self.instance.table(TABLE): 10 * places + 9})

    def enter(self, *owners: int) -> None:
        for owner in owners:
            assert self.room.has_room(owner)
            self.owners.add(self.instance.cookie(owner))
            self.room.forget(owner)

    async def leave(self, owner: int) -> None:
        self.owners.remove(self.instance.cookie(owner))
        self.room.on_change()
        await asyncio.sleep(0)

    def wait(self, *owners: int) -> None:
        for owner in owners:
            assert not self.room.has_room(owner)
            self.room.wait(owner, partial(self.admitted.append, owner))


@pytest.mark.parametrize("number", [0, 3])
async def test_who_is_in_stays_and_who_waited_longest_is_next(number: int) -> None:
    world = World(2, Instance(number))
    world.enter(1, 2)
    world.wait(3, 4, 5)
    assert world.room.has_room(1)
    await world.leave(1)
    assert world.admitted == [3]
    assert world.room.has_room(3)
    assert not world.room.has_room(4)
    assert not world.room.has_room(6)
    world.enter(3)
    await asyncio.sleep(0)
    assert world.admitted == [3]


async def test_the_place_of_one_who_was_admitted_and_does_not_come_is_the_next_ones() -> None:
    world = World(1)
    world.enter(1)
    world.wait(2, 3)
    await world.leave(1)
    world.room.forget(2)
    await asyncio.sleep(0)
    assert world.admitted == [2, 3]


async def test_whoever_enters_in_the_turn_in_which_another_is_forgotten_counts() -> None:
    world = World(2)
    world.enter(1, 2)
    world.wait(3, 4)
    await world.leave(1)
    world.room.forget(
        3
    )  # as media_session does: it is learned from now on, and its flows follow in the same turn
    world.owners.add(world.instance.cookie(3))
    await asyncio.sleep(0)
    assert world.admitted == [3]


async def test_more_room_admits_more_and_with_less_who_begins_anew_waits() -> None:
    world = World(1)
    world.enter(1)
    world.wait(2, 3, 4)
    world.room.set_limits({TABLE: 30})
    await asyncio.sleep(0)
    assert world.admitted == [2, 3]
    world.room.set_limits({TABLE: 0})
    assert world.room.capacity == 0
    assert not world.room.has_room(1)
    assert not world.room.has_room(2)
    world.room.set_limits({})
    await asyncio.sleep(0)
    assert world.admitted == [2, 3, 4]
    assert world.room.capacity is None


async def test_who_is_admitted_and_finds_no_room_any_more_is_admitted_again_in_the_same_order() -> None:
    world = World(1)
    world.enter(1)
    world.wait(2, 3)
    world.room.set_limits({TABLE: 30})
    await asyncio.sleep(0)
    world.room.set_limits({TABLE: 10})  # before either has come
    world.wait(2, 3)
    await asyncio.sleep(0)
    assert world.admitted == [2, 3]
    world.wait(4)
    await world.leave(1)
    assert world.admitted == [2, 3, 2]
    world.room.set_limits({TABLE: 30})
    await asyncio.sleep(0)
    assert world.admitted == [2, 3, 2, 3, 4]


async def test_a_switch_that_refuses_again_and_again_keeps_out_nobody_for_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It tells of room for nine; each time all who wait are admitted, and the first to come is refused."""
    monkeypatch.setattr(room_module, "FULL_FOR", 0.0)
    world = World(9)
    for turn in range(1, 4):
        world.room.note_refused(1)
        world.wait(1, 2, 3)
        async with asyncio.timeout(10):
            while len(world.admitted) < 3 * turn:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0)
    assert world.admitted == [1, 2, 3] * 3


async def test_a_refusal_counts_more_than_what_the_switch_told_until_it_tells_less_or_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(5)
    world.enter(1, 2, 3)
    world.room.note_refused(3)
    assert (world.room.capacity, world.room.is_doubtful) == (2, True)
    world.room.set_limits({TABLE: 50})
    assert (world.room.capacity, world.room.is_doubtful) == (2, False)
    world.room.set_limits({TABLE: 20})
    world.room.set_limits({TABLE: 50})
    assert world.room.capacity == 5
    monkeypatch.setattr(room_module, "FULL_FOR", 0.0)
    world.room.note_refused(4)
    assert not world.room.has_room(4)
    admitted = asyncio.Event()
    world.room.wait(4, admitted.set)
    async with asyncio.timeout(60):
        await admitted.wait()
    assert world.room.capacity == 5


def test_what_others_have_and_what_leads_to_ours_takes_room() -> None:
    most = dict.fromkeys((0, 76, 77, 78, 79), 40)
    limits = limits_of(most, {77: 5, 0: 39}, Instance())
    assert limits == {0: -1, 76: 38, 77: 33, 78: 40, 79: 39}
    assert capacity_of(limits, {TABLE: 10, SAMPLE_TABLE: 15}, Instance()) == 2
    assert limits_of({81: 40}, {}, Instance(1)) == {81: 38}
    assert capacity_of({81: 38}, NEEDS, Instance(1)) == 3
    assert capacity_of({}, NEEDS, Instance()) is None
