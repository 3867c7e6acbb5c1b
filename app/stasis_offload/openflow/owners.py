"""What we know of each owner's flows in the switch, and its comparison with what the switch says. No I/O."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stasis_offload.openflow.flow import COOKIE_OWNER_MASK, Flow, is_reported
from stasis_offload.openflow.flowmod import content
from stasis_offload.openflow.plan import Plan, plan


@dataclass(slots=True)
class OwnerFlows:
    """The flows of one owner after our last change, which was the `changed`-th of all.

    `outcome_unknown` says that the outcome of that change is unknown; `removed_by_switch` are the cookies of the
    flows that have ended since without us; `missing` those that were not found in the switch, of whose end it may still
    report. `possible` are the cookies of every flow that the switch may have: OVS
    finds a flow by its whole cookie at once, by a part of it only by a search of all flows (collect_rules_loose,
    ofproto/ofproto.c). `users` counts the changes that run or wait for `lock`.
    """

    flows: tuple[Flow, ...] = ()
    outcome_unknown: bool = False
    removed_by_switch: set[int] = field(default_factory=set)
    missing: frozenset[int] = frozenset()
    possible: set[int] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
    changed: int = 0
    _contents: dict[int, bytes] | None = None

    @property
    def is_unknown(self) -> bool:
        """Whether the outcome of the last change is unknown, and no other is under way, which would begin with the removal."""
        return self.outcome_unknown and not self.users

    @property
    def is_needless(self) -> bool:
        """Whether there is nothing to know any more."""
        return not (self.users or self.flows or self.outcome_unknown)

    def plan(self, desired: tuple[Flow, ...]) -> Plan:
        """Return the plan that leads to these flows, whatever the switch has."""
        if self.outcome_unknown:
            return Plan(remove=tuple(sorted(self.possible)), add=desired)
        return plan(desired, self.flows, ended=self.removed_by_switch)

    def hold(self, flows: tuple[Flow, ...]) -> None:
        """Record that the switch has these flows of the owner and no others."""
        self.flows, self.outcome_unknown, self._contents = flows, False, None
        self.possible, self.missing = {flow.cookie for flow in flows}, frozenset()

    @property
    def contents(self) -> dict[int, bytes]:
        """The content of each flow (`flowmod.content`), by cookie: worked out once, which takes some 10 microseconds a flow."""
        if self._contents is None:
            self._contents = {flow.cookie: content(flow) for flow in self.flows}
        return self._contents

    @property
    def reported(self) -> set[int]:
        """The cookies of the flows whose end the switch will report and has not yet."""
        return reporting(self.flows) - self.removed_by_switch


@dataclass(frozen=True, slots=True)
class Findings:
    """What a comparison found: the cookies of flows to be removed, and flows that are missing for the second time."""

    remove: frozenset[int]
    missing: tuple[Flow, ...]


def compare(owners: Mapping[int, OwnerFlows], found: Mapping[int, Sequence[bytes]], *, at: int) -> Findings:
    """Compare what the switch had after the change number `at` with what it should have.

    `owners` is by cookie without a role; `found` has the contents (`flowmod.content`) of the flows with each cookie. Of
    owners whose flows change or have changed since, it says nothing. A flow that ended by itself is missing before the
    switch reports its end: so only what is missing twice is named, and this comparison recorded for the next one.
    """
    remove = {
        cookie
        for cookie, contents in found.items()
        if _is_wrong(owners.get(cookie & COOKIE_OWNER_MASK), cookie, contents, at)
    }
    missing: list[Flow] = []
    for owner in owners.values():
        if owner.is_unknown:
            remove |= owner.possible
        elif not _has_changed(owner, at):
            now = {cookie for cookie in owner.contents if cookie not in found} - owner.removed_by_switch
            missing += [flow for flow in owner.flows if flow.cookie in owner.missing and flow.cookie in now]
            owner.missing = frozenset(now)
    return Findings(remove=frozenset(remove), missing=tuple(missing))


def reporting(flows: Iterable[Flow]) -> set[int]:
    """Return the cookies of the flows of whose end the switch reports."""
    return {flow.cookie for flow in flows if is_reported(flow.table)}


def _is_wrong(owner: OwnerFlows | None, cookie: int, contents: Sequence[bytes], at: int) -> bool:
    if owner is None:
        return True
    if _has_changed(owner, at):
        return False
    return owner.outcome_unknown or len(contents) != 1 or contents[0] != owner.contents.get(cookie)


def _has_changed(owner: OwnerFlows, at: int) -> bool:
    return bool(owner.users) or owner.changed > at
