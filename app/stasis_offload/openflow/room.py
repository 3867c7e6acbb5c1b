"""How many owners the switch's tables have room for, and who waits for some.

An owner gets in with all the flows that it will ever need, or waits: one of which a part fits would have to go when it needs
the rest. Who is in stays in, and the first to come is the first to follow: each costs the same and gains the same by the
second, so nobody would gain by an exchange, and each exchange is two moves.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from itertools import islice

from stasis_offload.openflow.flow import LEASE_TABLE, SAMPLE_TABLE, SIZE_TABLE, TABLE
from stasis_offload.openflow.instance import Instance

# The flows of a gate by table (flowmod.gate, flowmod.lease).
GATE_FLOWS = {0: 2, LEASE_TABLE: 2, TABLE: 2, SAMPLE_TABLE: 0, SIZE_TABLE: 1}
# Seconds. A switch that refused a flow although it had told of room is believed to be full for so long.
FULL_FOR = 60.0


def limits_of(most: Mapping[int, int], others: Mapping[int, int], instance: Instance) -> dict[int, int]:
    """Return how many flows of owners each table takes, as far as the switch tells; below 0 if the gate itself does not fit.

    `most` is how many flows each takes in all, `others` how many of those are not this instance's.
    """
    return {
        table: most[table] - others.get(table, 0) - gate
        for place, gate in GATE_FLOWS.items()
        if (table := instance.table(place) if place else 0) in most
    }


def capacity_of(limits: Mapping[int, int], needs: Mapping[int, int], instance: Instance) -> int | None:
    """Return how many owners with such needs (by table of instance 0) fit; None if the switch has told of no limit."""
    fits = (
        max(0, limits[instance.table(place)]) // need
        for place, need in needs.items()
        if instance.table(place) in limits
    )
    return min(fits, default=None)


class Room:
    """The room for owners.

    Each needs up to `needs` flows, by table of instance 0, which whoever knows the owners sets; the tables take `limits`
    (limits_of), `is_doubtful` after a refusal. `owners` has the cookies of who has flows at present, or is about to.
    """

    def __init__(self, instance: Instance, *, owners: Collection[int]) -> None:
        self.needs: Mapping[int, int] = {}
        self.limits: Mapping[int, int] = {}
        self.is_doubtful = False
        self._instance = instance
        self._owners = owners
        self._full_at: int | None = None
        self._full_until: asyncio.TimerHandle | None = None
        self._waiting: dict[int, Callable[[], object] | None] = {}  # None of who is admitted
        self._scheduled = False

    @property
    def capacity(self) -> int | None:
        """How many owners there is room for, those included who are in; None if the switch has told of no limit."""
        told = capacity_of(self.limits, self.needs, self._instance)
        return min((each for each in (told, self._full_at) if each is not None), default=None)

    def set_limits(self, limits: Mapping[int, int]) -> None:
        """Record how many flows of owners each table takes (limits_of): if that explains a refusal, the refusal says no more."""
        self.limits, self.is_doubtful = limits, False
        told = capacity_of(limits, self.needs, self._instance)
        if self._full_at is not None and told is not None and told <= self._full_at:
            self._full_at = None
        self.on_change()

    def note_refused(self, owner: int) -> None:
        """Record that the switch refused flows of an owner because a table is full, whatever it has told of that."""
        self._full_at, self.is_doubtful = len(self._owners) - self._is_in(owner), True
        if self._full_until:
            self._full_until.cancel()
        self._full_until = asyncio.get_running_loop().call_later(FULL_FOR, self._try_again)

    def _try_again(self) -> None:
        self._full_at = self._full_until = None
        self.on_change()

    def has_room(self, owner: int) -> bool:
        """Return whether an owner may have flows: it has some, or there is room behind those who waited before.

        While there are more than fit, because the tables take less than they did, who begins anew is one too many.
        """
        if self.capacity is None:
            return True
        if self._is_in(owner):
            return self._free >= 0
        ahead = list(self._waiting).index(owner) if owner in self._waiting else len(self._waiting)
        return ahead < self._free

    def wait(self, owner: int, admit: Callable[[], object]) -> None:
        """Let an owner wait; `admit` is called when there is room, which is kept for it until it has flows and `forget`.

        Who is admitted and finds that there is none any more waits again, in its old place.
        """
        self._waiting[owner] = admit
        self.on_change()

    def forget(self, owner: int) -> None:
        """Record that an owner does not wait any more."""
        if owner in self._waiting:
            del self._waiting[owner]
            self.on_change()

    def on_change(self) -> None:
        """Have those admitted soon who have room by now: once whoever is about to have flows has them."""
        if self._waiting and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._admit)

    def _admit(self) -> None:
        self._scheduled = False
        free = len(self._waiting) if self.capacity is None else max(0, self._free)
        for owner, admit in tuple(islice(self._waiting.items(), free)):
            if admit:
                self._waiting[owner] = None
                admit()

    def _is_in(self, owner: int) -> bool:
        return self._instance.cookie(owner) in self._owners

    @property
    def _free(self) -> int:
        return (self.capacity or 0) - len(self._owners)
