"""What the switch holds of ours is known, or known to be unknown and then written anew."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from stasis_offload.errors import OpenFlowError, SwitchUnavailableError
from stasis_offload.flows import (
    COOKIE_CALL_MASK,
    COOKIE_PREFIX,
    COOKIE_PREFIX_MASK,
    Count,
    Flow,
    Role,
    call_cookie,
    role_of,
)
from stasis_offload.openflow import decode, encode
from stasis_offload.openflow.channel import Channel
from stasis_offload.openflow.decode import Kind
from stasis_offload.openflow.encode import Cookies
from stasis_offload.openflow.events import FlowRemoved, Removal
from stasis_offload.plan import Plan, plan

# Requests under way at a time. Others wait their turn, and only then does the time for their answer begin: else
# of some thousand calls that move at once the last would miss their deadline while we encode the first.
IN_FLIGHT = 100

_OURS = Cookies(COOKIE_PREFIX, COOKIE_PREFIX_MASK)


@dataclass(slots=True)
class _Call:
    """One call's flows as we left them.

    `unsure` says that the outcome of the last change is not known, `lost` that the switch has since given up
    one of them by itself. `deleting` are the cookies that the last change took out.
    """

    flows: tuple[Flow, ...] = ()
    unsure: bool = False
    lost: bool = False
    deleting: frozenset[int] = frozenset()
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0

    @property
    def is_doubtful(self) -> bool:
        """Whether the switch may hold other flows of this call than `flows`."""
        return self.unsure or self.lost


class FlowTable:
    """Our flows in the switch over the life of one connection, which begins with `sweep`."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._calls: dict[int, _Call] = {}
        self._places = asyncio.Semaphore(IN_FLIGHT)

    async def sweep(self) -> None:
        """Remove every flow that carries our cookie prefix: what a dead predecessor left.

        Raises as `Channel.confirm`.
        """
        await self._remove([_OURS])

    async def set_flows(self, call: str, flows: Sequence[Flow]) -> None:
        """Make `flows` the flows of a call, all at once; free when they are that already.

        Raises:
            ValueError: a flow carries the cookie of another call.
            OpenFlowError: the switch refused; it holds what it held.
            SwitchUnavailableError: the connection ended, or no answer in time. Where that leaves open what
                the switch holds, the next `set_flows` begins by removing all there is of this call.

        """
        cookie = call_cookie(call)
        if any(flow.cookie & COOKIE_CALL_MASK != cookie for flow in flows):
            raise ValueError(f"a flow with the cookie of another call than {call}")
        async with self._turn(cookie) as held:
            await self._replace(held, cookie, tuple(flows))

    async def counts(self, call: str) -> dict[Role, Count]:
        """Return the counters of a call's flows. Those of OVS lag up to half a second.

        Raises as `Channel.ask`.
        """
        cookie = call_cookie(call)
        held = self._calls.get(cookie)
        if held is None:
            return {}
        cookies = _cookies_of(cookie) if held.is_doubtful else [flow.cookie for flow in held.flows]
        counts = await self._counts([Cookies(cookie) for cookie in cookies])
        by_role = ((role_of(cookie), count) for cookie, count in counts.items())
        return {role: count for role, count in by_role if role is not None}

    async def all_counts(self) -> dict[int, Count]:
        """Return the counters of all our flows, by cookie.

        Raises as `Channel.ask`.
        """
        return await self._counts([_OURS])

    def note_removed(self, event: FlowRemoved) -> None:
        """Take note that the switch gave up a flow; what we took out ourselves is no news."""
        held = self._calls.get(event.cookie & COOKIE_CALL_MASK)
        if held is not None and not (event.reason is Removal.DELETE and event.cookie in held.deleting):
            held.lost = True

    @asynccontextmanager
    async def _turn(self, cookie: int) -> AsyncIterator[_Call]:
        """Let the changes of a call's flows follow each other; keep nothing of calls without flows."""
        held = self._calls.setdefault(cookie, _Call())
        held.users += 1
        try:
            async with held.turn:
                yield held
        finally:
            held.users -= 1
            if not (held.users or held.flows or held.unsure):
                del self._calls[cookie]

    async def _replace(self, held: _Call, cookie: int, flows: tuple[Flow, ...]) -> None:
        todo = Plan(remove=_cookies_of(cookie), add=flows) if held.is_doubtful else plan(flows, held.flows)
        if todo.is_empty:
            return
        held.unsure, held.lost = held.is_doubtful, False
        async with self._places:
            held.deleting = frozenset(todo.remove)
            if flows:
                await self._bundle(held, todo)
            else:
                held.unsure = True
                await self._remove_or_close([Cookies(cookie) for cookie in todo.remove])
            held.flows, held.unsure = flows, False

    async def _remove_or_close(self, cookies: Sequence[Cookies]) -> None:
        """Remove flows, and where the switch refuses that, end the connection: a new one begins by sweeping."""
        try:
            await self._remove(cookies)
        except SwitchUnavailableError:
            raise
        except OpenFlowError as error:
            self.channel.close(f"the switch refused to remove flows: {error}")
            raise SwitchUnavailableError(str(error)) from error

    async def _bundle(self, held: _Call, todo: Plan) -> None:
        """Change flows in one atomic bundle, which is committed only when the switch has accepted all of it.

        OVS would commit what is left of a bundle after refusing a part of it (handle_bundle_add and
        do_bundle_commit in ofproto/ofproto.c).
        """
        xid = self.channel.new_xid()
        remove = [Cookies(cookie) for cookie in todo.remove]
        try:
            await self.channel.confirm(xid, encode.stage_bundle(xid, remove=remove, add=todo.add))
        except (OpenFlowError, asyncio.CancelledError):
            with suppress(SwitchUnavailableError):
                self.channel.send(encode.discard_bundle(xid))
            raise
        unsure, held.unsure = held.unsure, True
        try:
            await self.channel.confirm(xid, encode.commit_bundle(xid))
        except SwitchUnavailableError:
            raise
        except OpenFlowError:
            held.unsure = unsure  # all or nothing: it holds what it held
            raise

    async def _remove(self, cookies: Sequence[Cookies]) -> None:
        xid = self.channel.new_xid()
        await self.channel.confirm(xid, encode.change_flows(xid, remove=cookies))

    async def _counts(self, cookies: Sequence[Cookies]) -> dict[int, Count]:
        counts: dict[int, Count] = {}
        async with self._places:
            for some in cookies:
                xid = self.channel.new_xid()
                request = encode.flow_stats_request(xid, some)
                parts = await self.channel.ask(xid, request, Kind.MULTIPART_REPLY)
                counts.update(decode.parse_flow_stats(parts))
        return counts


def _cookies_of(call: int) -> tuple[int, ...]:
    """List every cookie that a call's flows can have.

    OVS finds a flow by its whole cookie in no time, and by a part of it only by looking at every flow there is
    (collect_rules_loose, ofproto/ofproto.c): with 10,000 flows that takes it milliseconds, for each call.
    """
    return tuple(call | role for role in Role)
