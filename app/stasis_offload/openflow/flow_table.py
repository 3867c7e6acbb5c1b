"""Our flows in the switch, of which we remember more than one connection. After an unknown outcome all of an owner's go first."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import NoReturn

from stasis_offload.errors import OpenFlowError, SwitchUnavailableError
from stasis_offload.openflow import decode, encode
from stasis_offload.openflow.bundles import PartError, commit
from stasis_offload.openflow.channel import Channel
from stasis_offload.openflow.counters import by_role, counted
from stasis_offload.openflow.decode import MessageKind
from stasis_offload.openflow.events import FlowRemoved, Removal
from stasis_offload.openflow.flow import (
    COOKIE_OWNER_MASK,
    COOKIE_PREFIX_MASK,
    COOKIE_ROLE_MASK,
    Flow,
    FlowCount,
)
from stasis_offload.openflow.flowmod import Cookies
from stasis_offload.openflow.gate import Contents, Gates
from stasis_offload.openflow.instance import Instance
from stasis_offload.openflow.owners import OwnerFlows, compare, reporting
from stasis_offload.openflow.plan import Plan
from stasis_offload.openflow.room import Room
from stasis_offload.openflow.sampler import Sampler

# Concurrent requests. Others wait, and their reply timeout starts only when they are sent: otherwise, when some
# thousand owners change at once, the last would time out while the first are encoded.
IN_FLIGHT = 100
# Owners whose flows are worked out in one turn of the event loop: a few milliseconds.
_AT_ONCE = 20
# Seconds within which all counters at once are worth waiting for: whoever asked looks at the calls.
ALL_COUNTS_WITHIN = 2.0


class FlowTable:
    """Our flows in the switch: what each owner has, should have, or may have. Attached to a connection at a time.

    `room` says who may have some.
    """

    def __init__(self, instance: Instance) -> None:
        self.sampler = Sampler(instance)
        self._instance = instance
        self._ours = Cookies(instance.prefix, COOKIE_PREFIX_MASK)
        self._channel: Channel | None = None
        self._why_not = "not connected yet"
        self._entries: dict[int, OwnerFlows] = {}
        self.room = Room(instance, owners=self._entries.keys())
        self._changes = 0
        self._expected_removals: Counter[int] = Counter()
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._removal_slots = asyncio.Semaphore(IN_FLIGHT)  # not the same: taken before one of those

    @property
    def channel(self) -> Channel:
        """The present connection.

        Raises:
            SwitchUnavailableError: there is none.

        """
        if self._channel is None:
            raise SwitchUnavailableError(f"no connection to the switch: {self._why_not}")
        return self._channel

    @property
    def is_attached(self) -> bool:
        """Whether there is a connection."""
        return self._channel is not None

    @property
    def sizes(self) -> Counter[int]:
        """How many flows of owners the switch should have, by table: none of an owner whose last change may have failed."""
        sizes = Counter({self._instance.table(place): 0 for place in self.room.needs})
        known = (entry for entry in self._entries.values() if not entry.is_unknown)
        sizes.update(flow.table for entry in known for flow in entry.flows)
        return sizes

    def attach(self, channel: Channel) -> None:
        """Send changes by this connection from now on."""
        self._channel = channel
        self._expected_removals.clear()  # what an earlier connection has not told, this one may never tell

    def detach(self, reason: str) -> None:
        """Send nothing until `attach`: whatever is to change meanwhile is unknown from then on."""
        self._channel, self._why_not = None, reason

    async def sweep(self, channel: Channel) -> None:
        """Remove every flow with our cookie prefix, an earlier process's too, and know of none; raises as `Channel.send_and_confirm`."""
        xid = channel.new_xid()
        await channel.send_and_confirm(xid, encode.change_flows(xid, remove=[self._ours]))
        for cookie, entry in tuple(self._entries.items()):
            entry.hold(())
            self._drop_if_needless(cookie)

    async def read(self, channel: Channel) -> Contents:
        """Return what the switch has of ours, gates too; raises as `Channel.request`."""
        xid = channel.new_xid()
        parts = await channel.request(
            xid, encode.flow_stats_request(xid, self._ours), MessageKind.MULTIPART_REPLY
        )
        found: dict[int, list[bytes]] = {}
        for part in parts:
            for cookie, content in decode.parse_contents(part):
                found.setdefault(cookie, []).append(content)
            await asyncio.sleep(0)  # of some thousand calls it is megabytes
        return found

    async def audit(self, gates: Gates) -> list[FlowRemoved]:
        """Compare the switch's flows with ours, and do as `settle`; raises as it, and as `Channel.request`."""
        for number, entry in enumerate(tuple(self._entries.values())):
            _ = entry.contents
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        at = self._changes
        return await self.settle(await self.read(self.channel), gates, at=at)

    async def settle(self, found: Contents, gates: Gates, *, at: int | None = None) -> list[FlowRemoved]:
        """Remove what the switch had of ours and should not have, after change number `at` (None: the last one).

        These are flows of no owner we know, altered flows, all of an owner of whom the outcome of the last change is
        unknown, and gates but the present one. Return the ends of flows that were not there twice, and of which the switch
        has told nothing. Raises as `Channel.send_and_confirm`, and as `Gates.refuse_other`.
        """
        gates.refuse_other(found)
        findings = compare(self._entries, found, at=self._changes if at is None else at)
        remove = sorted(findings.remove - gates.present)
        channel = self.channel
        for cookie, entry in tuple(self._entries.items()):
            if entry.is_unknown:
                self._expected_removals.update(entry.possible & found.keys())
                entry.hold(())
                self._drop_if_needless(cookie)
        if remove:
            xid = channel.new_xid()
            await channel.send_and_confirm(xid, encode.change_flows(xid, remove=map(Cookies, remove)))
        return [self._end_of(flow) for flow in findings.missing]

    def _end_of(self, flow: Flow) -> FlowRemoved:
        entry = self._entries.get(flow.cookie & COOKIE_OWNER_MASK)
        if entry:
            entry.removed_by_switch.add(flow.cookie)
        reason = Removal.HARD if flow.hard_timeout else Removal.DELETE
        return FlowRemoved(flow.cookie, reason, FlowCount())

    def doubt(self, owner: int) -> None:
        """Have the owner's flows removed by the next comparison, unless it changes them before: nobody follows them any more."""
        entry = self._entries.get(self._instance.cookie(owner))
        if entry and entry.flows:
            entry.outcome_unknown = True

    async def set_flows(self, owner: int, flows: Sequence[Flow]) -> None:
        """Replace the flows of an owner by `flows`, atomically; send nothing if they are unchanged.

        Raises:
            ValueError: a flow has the cookie of another owner.
            OpenFlowError: the switch refused; its flows are unchanged.
            SwitchUnavailableError: there is no connection, it ended, or the reply timed out. What the owner has is
                unknown then: the next `set_flows`, `settle` or `audit` starts by removing all flows of this owner.

        """
        cookie = self._instance.cookie(owner)
        placed = self._instance.placed(flows)
        if any(flow.cookie & COOKIE_OWNER_MASK != cookie for flow in placed):
            raise ValueError(f"a flow with the cookie of another owner than {owner}")
        if not flows:
            self.sampler.forget(cookie)
        async with self._locked(cookie) as entry:
            await self._replace(entry, placed)

    async def counts(self, owner: int, roles: Collection[int]) -> dict[int, FlowCount]:
        """Return the counters of an owner's flows of these roles, by role. Those of OVS lag up to half a second.

        Raises as `Channel.request`.
        """
        async with self._slots:
            return by_role(await self._request_counts(self._present(owner, roles)))

    async def remove_flows(
        self, owner: int, roles: Collection[int], *, but: Sequence[Flow] = ()
    ) -> dict[int, FlowCount]:
        """Leave an owner no flows but some, and return the counters that those of these roles had just before.

        Raises as `set_flows`.
        """
        async with self._removal_slots:
            try:
                pending = self._request_counts(self._present(owner, roles))
            except SwitchUnavailableError:
                await self.set_flows(owner, but)  # fails too, and is made up for
                raise
            try:
                try:
                    await self.set_flows(owner, but)
                except SwitchUnavailableError:
                    raise
                except OpenFlowError:  # to remove flows is never refused
                    await self.set_flows(owner, ())
                return by_role(await pending)
            finally:
                pending.cancel()

    async def all_counts(self, roles: Collection[int]) -> dict[int, FlowCount]:
        """Return the counters of all owners' flows of these roles, by cookie (as set); raises as `Channel.request`."""
        mask, prefix = COOKIE_PREFIX_MASK | COOKIE_ROLE_MASK, self._instance.prefix
        try:
            async with asyncio.timeout(ALL_COUNTS_WITHIN), self._slots:
                counts = await self._request_counts([Cookies(prefix | role, mask) for role in roles])
                return {self._instance.unplaced(cookie): count for cookie, count in counts.items()}
        except TimeoutError:
            text = f"no counters from the switch within {ALL_COUNTS_WITHIN:g} s"
            raise SwitchUnavailableError(text) from None

    def inject(self, in_port: int, frame: bytes) -> None:
        """Let a packet go the bridge's own way as if it had come in by a port, past our flows; raises as `Channel.send`.

        That the switch refuses it, whose port may be gone, is an event (`events.Refused`).
        """
        xid = self.channel.new_xid()
        self.channel.send(encode.packet_out(xid, self._instance, in_port=in_port, frame=frame))

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
    async def _locked(self, cookie: int) -> AsyncIterator[OwnerFlows]:
        """Serialize the changes of an owner's flows; drop the entry when it has none."""
        entry = self._entries.setdefault(cookie, OwnerFlows())
        entry.users += 1
        try:
            async with entry.lock:
                yield entry
        finally:
            entry.users -= 1
            self._drop_if_needless(cookie)

    def _drop_if_needless(self, cookie: int) -> None:
        if self._entries[cookie].is_needless:
            del self._entries[cookie]
            self.room.on_change()

    async def _replace(self, entry: OwnerFlows, flows: tuple[Flow, ...]) -> None:
        todo = entry.plan(flows)
        if todo.is_empty:
            return
        removed_by_switch = frozenset(entry.removed_by_switch)
        async with self._slots:
            await self._carry_out(entry, todo)
            entry.hold(flows)
            entry.removed_by_switch -= removed_by_switch

    async def _carry_out(self, entry: OwnerFlows, todo: Plan) -> None:
        """Carry out a change, in one round trip to the switch."""
        outcome_unknown, entry.outcome_unknown = entry.outcome_unknown, True
        channel = self.channel
        xid = channel.new_xid()
        alone = not todo.add or len(todo.remove) + len(todo.add) == 1
        encoder = encode.change_flows if alone else encode.stage_bundle
        changes = encoder(xid, remove=map(Cookies, todo.remove), add=todo.add)
        entry.possible |= {flow.cookie for flow in todo.add}
        expected = entry.reported & set(todo.remove)
        self._expected_removals.update(expected)
        try:
            await (channel.send_and_confirm(xid, changes) if alone else commit(channel, xid, changes))
        except SwitchUnavailableError:
            raise
        except PartError:
            self._expected_removals.update((entry.reported - expected) | reporting(todo.add))
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
        finally:
            self._changes += 1
            entry.changed = self._changes

    async def _restore(self, entry: OwnerFlows) -> None:
        """Restore the flows before a change that was carried out only in part."""
        channel = self.channel
        xid = channel.new_xid()
        everything = map(Cookies, sorted(entry.possible))
        bundle = encode.stage_bundle(xid, remove=everything, add=entry.flows)
        try:
            await commit(channel, xid, bundle)
        except SwitchUnavailableError:
            raise
        except OpenFlowError as error:
            self._close(f"the switch refused to take flows back: {error}")

    def _close(self, reason: str) -> NoReturn:
        """Close the connection: a new one begins with a comparison."""
        self.channel.close(reason)
        raise SwitchUnavailableError(reason)

    def _present(self, owner: int, roles: Collection[int]) -> list[Cookies]:
        """Return the cookies of an owner's flows of these roles that the switch may have."""
        entry = self._entries.get(self._instance.cookie(owner))
        if entry is None:
            return []
        cookies = {self._instance.cookie(owner) | role for role in roles}
        if not entry.outcome_unknown:
            cookies &= {flow.cookie for flow in entry.flows}
        return [Cookies(cookie) for cookie in sorted(cookies)]

    def _request_counts(self, cookies: Sequence[Cookies]) -> asyncio.Task[dict[int, FlowCount]]:
        """Request counters at once, before anything sent later; without cookies nothing, be there a connection or not."""

        async def nothing() -> dict[int, FlowCount]:
            return {}

        if not cookies:
            return asyncio.ensure_future(nothing())
        xids = [self.channel.new_xid() for _ in cookies]
        requests = {
            xid: encode.flow_stats_request(xid, some) for xid, some in zip(xids, cookies, strict=True)
        }
        return asyncio.ensure_future(counted(self.channel.request_now(requests, MessageKind.MULTIPART_REPLY)))
