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
from stasis_offload.plan import plan

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


class FlowTable:
    """Our flows in the switch over the life of one connection, which begins with `sweep`."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._calls: dict[int, _Call] = {}

    async def sweep(self) -> None:
        """Remove every flow that carries our cookie prefix: what a dead predecessor left.

        Raises as `Channel.confirm`.
        """
        await self._remove(_OURS)

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
            await self._replace(held, Cookies(cookie, COOKIE_CALL_MASK), tuple(flows))

    async def counts(self, call: str) -> dict[Role, Count]:
        """Return the counters of a call's flows. Those of OVS lag up to half a second.

        Raises as `Channel.ask`.
        """
        counts = await self._counts(Cookies(call_cookie(call), COOKIE_CALL_MASK))
        by_role = ((role_of(cookie), count) for cookie, count in counts.items())
        return {role: count for role, count in by_role if role is not None}

    async def all_counts(self) -> dict[int, Count]:
        """Return the counters of all our flows, by cookie.

        Raises as `Channel.ask`.
        """
        return await self._counts(_OURS)

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

    async def _replace(self, held: _Call, everything: Cookies, flows: tuple[Flow, ...]) -> None:
        anew = held.unsure or held.lost
        todo = plan(flows, held.flows)
        if todo.is_empty and not anew:
            return
        held.unsure, held.lost = anew, False
        held.deleting = frozenset(flow.cookie for flow in held.flows) if anew else frozenset(todo.remove)
        if not flows:
            held.unsure = True
            await self._remove(everything)
        elif anew:
            await self._bundle(held, remove=[everything], add=flows)
        else:
            await self._bundle(held, remove=[Cookies(cookie) for cookie in todo.remove], add=todo.add)
        held.flows, held.unsure = flows, False

    async def _bundle(self, held: _Call, *, remove: Sequence[Cookies], add: Sequence[Flow]) -> None:
        """Change flows in one atomic bundle, which is committed only when the switch has accepted all of it.

        OVS would commit what is left of a bundle after refusing a part of it (handle_bundle_add and
        do_bundle_commit in ofproto/ofproto.c).
        """
        xid = self.channel.new_xid()
        try:
            await self.channel.confirm(xid, encode.stage_bundle(xid, remove=remove, add=add))
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

    async def _remove(self, cookies: Cookies) -> None:
        xid = self.channel.new_xid()
        await self.channel.confirm(xid, encode.change_flows(xid, remove=[cookies]))

    async def _counts(self, cookies: Cookies) -> dict[int, Count]:
        xid = self.channel.new_xid()
        request = encode.flow_stats_request(xid, cookies)
        parts = await self.channel.ask(xid, request, Kind.MULTIPART_REPLY)
        return dict(decode.parse_flow_stats(parts))
