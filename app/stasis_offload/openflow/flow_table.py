"""Tracks the flows we installed. After an unknown outcome, the owner's next change begins by removing all of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NoReturn

from stasis_offload.errors import OpenFlowError, SwitchUnavailableError
from stasis_offload.openflow import decode, encode
from stasis_offload.openflow.channel import Channel
from stasis_offload.openflow.decode import MessageKind
from stasis_offload.openflow.events import FlowRemoved, Removal
from stasis_offload.openflow.flow import (
    COOKIE_OWNER_MASK,
    COOKIE_PREFIX,
    COOKIE_PREFIX_MASK,
    COOKIE_ROLE_MASK,
    SAMPLE_TABLE,
    Flow,
    FlowCount,
    owner_cookie,
)
from stasis_offload.openflow.flowmod import Cookies
from stasis_offload.openflow.plan import Plan, plan
from stasis_offload.openflow.sampler import Sampler

# Concurrent requests. Others wait, and their reply timeout starts only when they are sent: otherwise, when some
# thousand owners change at once, the last would time out while the first are encoded.
IN_FLIGHT = 100

_OURS = Cookies(COOKIE_PREFIX, COOKIE_PREFIX_MASK)


class _PartError(OpenFlowError):
    """The switch refused a part of a change and carried out the rest."""


@dataclass(slots=True)
class _Entry:
    """The flows of one owner after our last change.

    `outcome_unknown` says that the outcome of that change is unknown; `removed_by_switch` are the cookies of the
    flows that have ended since without us. `possible` are the cookies of every flow that the switch may have: OVS
    finds a flow by its whole cookie at once, by a part of it only by a search of all flows (collect_rules_loose,
    ofproto/ofproto.c). `users` counts the changes that run or wait for `lock`.
    """

    flows: tuple[Flow, ...] = ()
    outcome_unknown: bool = False
    removed_by_switch: set[int] = field(default_factory=set)
    possible: set[int] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class FlowTable:
    """Our flows in the switch during one connection, which begins with `sweep`."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.sampler = Sampler(channel)
        self._entries: dict[int, _Entry] = {}
        self._expected_removals: Counter[int] = Counter()
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._removal_slots = asyncio.Semaphore(IN_FLIGHT)  # not the same: taken before one of those

    async def sweep(self) -> None:
        """Remove every flow with our cookie prefix: what an earlier process left.

        Raises as `Channel.send_and_confirm`.
        """
        xid = self.channel.new_xid()
        await self.channel.send_and_confirm(xid, encode.change_flows(xid, remove=[_OURS]))

    async def remove_unknown(self, gate: int) -> None:
        """Remove flows of ours of no owner we know, and not of our gate; raises as `Channel.request`.

        An Open vSwitch that restarts (ovs-ctl) may restore what it had saved after the sweep.
        """
        async with self._slots:
            found = await self._request_counts([_OURS])
        owned = {*self._entries, gate & COOKIE_OWNER_MASK}
        unknown = [Cookies(cookie) for cookie in found if cookie & COOKIE_OWNER_MASK not in owned]
        if unknown:
            xid = self.channel.new_xid()
            await self.channel.send_and_confirm(xid, encode.change_flows(xid, remove=unknown))

    async def set_flows(self, owner: int, flows: Sequence[Flow]) -> None:
        """Replace the flows of an owner by `flows`, atomically; send nothing if they are unchanged.

        Raises:
            ValueError: a flow has the cookie of another owner.
            OpenFlowError: the switch refused; its flows are unchanged.
            SwitchUnavailableError: the connection ended, or the reply timed out. If the outcome is unknown,
                the next `set_flows` starts by removing all flows of this owner.

        """
        cookie = owner_cookie(owner)
        if any(flow.cookie & COOKIE_OWNER_MASK != cookie for flow in flows):
            raise ValueError(f"a flow with the cookie of another owner than {owner}")
        if not flows:
            self.sampler.forget(cookie)
        async with self._locked(cookie) as entry:
            await self._replace(entry, tuple(flows))

    async def counts(self, owner: int, roles: Collection[int]) -> dict[int, FlowCount]:
        """Return the counters of an owner's flows of these roles, by role. Those of OVS lag up to half a second.

        Raises as `Channel.request`.
        """
        async with self._slots:
            return _by_role(await self._request_counts(self._present(owner, roles)))

    async def remove_flows(
        self, owner: int, roles: Collection[int], *, but: Sequence[Flow] = ()
    ) -> dict[int, FlowCount]:
        """Leave an owner no flows but some, and return the counters that those of these roles had just before.

        Raises as `set_flows`.
        """
        async with self._removal_slots:
            pending = self._request_counts(self._present(owner, roles))
            try:
                try:
                    await self.set_flows(owner, but)
                except SwitchUnavailableError:
                    raise
                except OpenFlowError:  # to remove flows is never refused
                    await self.set_flows(owner, ())
                return _by_role(await pending)
            finally:
                pending.cancel()

    async def all_counts(self, roles: Collection[int]) -> dict[int, FlowCount]:
        """Return the counters of all owners' flows of these roles, by cookie; raises as `Channel.request`."""
        mask = COOKIE_PREFIX_MASK | COOKIE_ROLE_MASK
        async with self._slots:
            return await self._request_counts([Cookies(COOKIE_PREFIX | role, mask) for role in roles])

    async def inject(self, in_port: int, frame: bytes) -> None:
        """Let a packet go the bridge's own way as if it had come in by a port, past our flows; raises as `Channel.send_and_confirm`."""
        xid = self.channel.new_xid()
        await self.channel.send_and_confirm(xid, encode.packet_out(xid, in_port=in_port, frame=frame))

    def note_removed(self, event: FlowRemoved) -> bool:
        """Record the end of a flow, and return whether it is news: not a removal of our own.

        OVS reports a removal late: when none of its threads can see the flow any more, which may be after the next
        change (rule_destroy_cb in ofproto/ofproto.c). It reports each flow once, in order.
        """
        if self._expected_removal(event.cookie) and event.reason is Removal.DELETE:
            return False
        entry = self._entries.get(event.cookie & COOKIE_OWNER_MASK)
        if entry is None:
            return False
        entry.removed_by_switch.add(event.cookie)
        return True

    def _expected_removal(self, cookie: int) -> bool:
        """Count one report of a removal of ours as received, and return whether one was expected."""
        expected = self._expected_removals[cookie]
        if expected > 1:
            self._expected_removals[cookie] = expected - 1
        else:
            del self._expected_removals[cookie]
        return expected > 0

    @asynccontextmanager
    async def _locked(self, cookie: int) -> AsyncIterator[_Entry]:
        """Serialize the changes of an owner's flows; drop the entry when it has none."""
        entry = self._entries.setdefault(cookie, _Entry())
        entry.users += 1
        try:
            async with entry.lock:
                yield entry
        finally:
            entry.users -= 1
            if not (entry.users or entry.flows or entry.outcome_unknown):
                del self._entries[cookie]

    async def _replace(self, entry: _Entry, flows: tuple[Flow, ...]) -> None:
        if entry.outcome_unknown:
            todo = Plan(remove=tuple(sorted(entry.possible)), add=flows)
        else:
            todo = plan(flows, entry.flows, ended=entry.removed_by_switch)
        if todo.is_empty:
            return
        removed_by_switch = frozenset(entry.removed_by_switch)
        async with self._slots:
            await self._carry_out(entry, todo)
            entry.flows, entry.outcome_unknown = flows, False
            entry.possible = {flow.cookie for flow in flows}
            entry.removed_by_switch -= removed_by_switch

    async def _carry_out(self, entry: _Entry, todo: Plan) -> None:
        """Carry out a change, in one round trip to the switch."""
        xid = self.channel.new_xid()
        alone = not todo.add or len(todo.remove) + len(todo.add) == 1
        encoder = encode.change_flows if alone else encode.stage_bundle
        changes = encoder(xid, remove=map(Cookies, todo.remove), add=todo.add)
        outcome_unknown, entry.outcome_unknown = entry.outcome_unknown, True
        entry.possible |= {flow.cookie for flow in todo.add}
        expected = _reported(entry) & set(todo.remove)
        self._expected_removals.update(expected)
        try:
            await (self.channel.send_and_confirm(xid, changes) if alone else self._commit(xid, changes))
        except SwitchUnavailableError:
            raise
        except _PartError:
            self._expected_removals.update((_reported(entry) - expected) | _reporting(todo.add))
            await self._restore(entry)
            entry.outcome_unknown = outcome_unknown
            raise
        except OpenFlowError as error:
            if not todo.add:
                self._close(f"the switch refused to remove flows: {error}")
            entry.outcome_unknown = outcome_unknown  # all or nothing: its flows are unchanged
            for cookie in expected:
                self._expected_removal(cookie)
            raise

    async def _commit(self, bundle: int, staged: bytes) -> None:
        """Stage and commit an atomic bundle in one round trip.

        The commit has a transaction id of its own, so that a refused commit, after which nothing has changed, can be
        told from a refused part. The switch reports the cause under the staging's id, even if it finds it only at
        the commit.

        Raises:
            _PartError: the switch refused a part at staging and committed the rest, as OVS does
                (handle_bundle_add and do_bundle_commit in ofproto/ofproto.c).
            OpenFlowError: the commit was refused, and nothing has changed.
            SwitchUnavailableError: as `Channel.send_and_confirm`.

        """
        xid = self.channel.new_xid()
        staging_error, commit_error = await self.channel.send_and_confirm_each(
            (bundle, staged), (xid, encode.commit_bundle(xid, bundle))
        )
        if commit_error is not None:
            raise staging_error or commit_error
        if staging_error is not None:
            raise _PartError(str(staging_error)) from staging_error

    async def _restore(self, entry: _Entry) -> None:
        """Restore the flows before a change that was carried out only in part."""
        xid = self.channel.new_xid()
        everything = map(Cookies, sorted(entry.possible))
        bundle = encode.stage_bundle(xid, remove=everything, add=entry.flows)
        try:
            await self._commit(xid, bundle)
        except SwitchUnavailableError:
            raise
        except OpenFlowError as error:
            self._close(f"the switch refused to take flows back: {error}")

    def _close(self, reason: str) -> NoReturn:
        """Close the connection: a new one begins with a sweep."""
        self.channel.close(reason)
        raise SwitchUnavailableError(reason)

    def _present(self, owner: int, roles: Collection[int]) -> list[Cookies]:
        """Return the cookies of an owner's flows of these roles that the switch may have."""
        entry = self._entries.get(owner_cookie(owner))
        if entry is None:
            return []
        cookies = {owner_cookie(owner) | role for role in roles}
        if not entry.outcome_unknown:
            cookies &= {flow.cookie for flow in entry.flows}
        return [Cookies(cookie) for cookie in sorted(cookies)]

    def _request_counts(self, cookies: Sequence[Cookies]) -> asyncio.Task[dict[int, FlowCount]]:
        """Request counters at once, before anything sent later."""
        xids = [self.channel.new_xid() for _ in cookies]
        requests = {
            xid: encode.flow_stats_request(xid, some) for xid, some in zip(xids, cookies, strict=True)
        }
        pending = self.channel.request_now(requests, MessageKind.MULTIPART_REPLY) if requests else None

        async def counts() -> dict[int, FlowCount]:
            found: dict[int, FlowCount] = {}
            for answer in await pending if pending else ():
                if isinstance(answer, OpenFlowError):
                    raise answer
                found.update(decode.parse_flow_stats(answer))
            return found

        return asyncio.ensure_future(counts())


def _by_role(counts: Mapping[int, FlowCount]) -> dict[int, FlowCount]:
    return {cookie & COOKIE_ROLE_MASK: count for cookie, count in counts.items()}


def _reported(entry: _Entry) -> set[int]:
    """Return the cookies of the flows whose end the switch will report and has not yet."""
    return _reporting(entry.flows) - entry.removed_by_switch


def _reporting(flows: Iterable[Flow]) -> set[int]:
    return {flow.cookie for flow in flows if flow.table != SAMPLE_TABLE}
