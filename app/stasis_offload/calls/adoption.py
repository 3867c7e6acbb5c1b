"""Adopts the calls that an earlier process began, or that entered while no application was registered."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import replace

import structlog

from stasis_offload.asterisk import ari_events as ev
from stasis_offload.asterisk.ari import AriClient
from stasis_offload.asterisk.ari_events import Channel
from stasis_offload.asterisk.leg_report import UP
from stasis_offload.calls.call import Call
from stasis_offload.calls.concurrency import for_each
from stasis_offload.calls.registry import Registry
from stasis_offload.calls.snapshot import AsteriskSnapshot
from stasis_offload.calls.supervisor import Supervisor
from stasis_offload.errors import AriError
from stasis_offload.signalling import events as sig
from stasis_offload.signalling.causes import DialStatus
from stasis_offload.signalling.dial_args import DialRequest, parse_dial
from stasis_offload.signalling.option_arguments import DialArgumentError
from stasis_offload.signalling.resuming import resume
from stasis_offload.signalling.state import Dialing


class Adoption:
    """The adoption of the calls of one snapshot, several at a time, those first that a party has left.

    Events about a call that waits for its turn are held until then, and give it the next turn. Those of a call whose adoption
    has failed are held on.
    """

    def __init__(
        self,
        snapshot: AsteriskSnapshot,
        *,
        registry: Registry,
        supervisor: Supervisor,
        ari: AriClient,
        on_adopted: Callable[[Call], None],
        on_event: Callable[[ev.Event], None],
    ) -> None:
        self._snapshot = snapshot
        self._registry = registry
        self._supervisor = supervisor
        self._ari = ari
        self._on_adopted = on_adopted
        self._on_event = on_event
        left_behind = (call for call in self._left_behind() if registry.get(call) is None)
        self._waiting = dict.fromkeys(sorted(left_behind, key=snapshot.is_whole))
        self._urgent: deque[str] = deque()
        self._held: dict[str, list[ev.Event]] = defaultdict(list)
        self._adopting: set[str] = set()
        self._failure: AriError | None = None
        self._adopted = 0
        self._log = structlog.get_logger(__name__)

    def holds(self, event: ev.Event) -> bool:
        """Hold an event back until its call is adopted; return False if it is about no call that waits."""
        call = self._call_of(event)
        if call not in self._waiting and call not in self._adopting:
            return False
        self._held[call].append(event)
        self._urgent.append(call)
        return True

    def not_routed(self) -> list[ev.Event]:
        """Return the events that are held; those of one call are in their order."""
        return [event for events in self._held.values() for event in events]

    async def run(self) -> None:
        """Adopt the calls.

        Raises:
            AriError: at least one call could not be adopted, or is not known to be one; the others are.

        """
        await for_each(self._turns(), self._adopt)
        if self._adopted:
            self._log.info("calls.adopted", calls=self._adopted)
        if self._failure:
            raise self._failure

    def _left_behind(self) -> Iterator[str]:
        """Yield the calls: of a caller in the application, or of whoever is in its bridge."""
        snapshot = self._snapshot
        for channel in snapshot.channels.values():
            if channel.id == snapshot.call_of(channel.id) and snapshot.arguments(channel) is not None:
                yield channel.id
        for call, members in snapshot.members.items():
            if members and call not in snapshot.channels:
                yield call

    def _turns(self) -> Iterator[str]:
        in_order = deque(self._waiting)
        while self._waiting:
            call = (self._urgent or in_order).popleft()
            if call in self._waiting:
                del self._waiting[call]
                yield call

    async def _adopt(self, call: str) -> None:
        self._adopting.add(call)
        caller = self._snapshot.channels.get(call)
        try:
            adopted = await (self._adopt_by_caller(caller) if caller else self._adopt_without_caller(call))
        except AriError as error:
            self._failure = error
            return
        self._adopting.discard(call)
        if adopted:
            self._adopted += 1
            self._on_adopted(adopted)
        for event in self._held.pop(call, ()):
            self._on_event(event)

    async def _adopt_by_caller(self, caller: Channel) -> Call | None:
        mine = self._snapshot.callees(caller.id)
        try:
            request = parse_dial(self._snapshot.arguments(caller) or (), caller.place)
        except DialArgumentError as error:
            if not mine:
                self._supervisor.reject(caller.id, error)
            return None
        if not self._snapshot.in_bridge(caller.id) and not await self._lives(caller):
            return None
        status = await self._ari.get_variable(caller.id, "DIALSTATUS")
        packets = await self._earlier_packets(caller.id)
        # Before the two are bridged, what an option asks for may have been under way: it begins again.
        answered = status == DialStatus.ANSWER and (not mine or bool(self._snapshot.members.get(caller.id)))
        if self._registry.get(caller.id):
            return None
        self._log.debug("call.adopted", call=caller.id, answered=answered)
        if not mine and not status:
            return self._supervisor.adopt(caller, Dialing(request))
        now = asyncio.get_running_loop().time()
        up = {n: channel.state == UP for n, channel in mine.items()}
        dialing = resume(request, answered=answered, callees=up, now=now)
        entry = self._snapshot.entry(caller.id)
        call = self._supervisor.adopt(caller, dialing, earlier_packets=packets, entry=entry)
        for channel in mine.values():
            call.legs.set_name(channel.id, channel.name)
        if answered and dialing.winner is not None and up.get(dialing.winner):
            # As if just bridged: the machine starts the media, and calls that a Local pair joins are merged.
            call.post(sig.CalleeBridged(dialing.winner))
        return call

    async def _adopt_without_caller(self, call: str) -> Call | None:
        """Adopt a call whose caller was replaced or is gone: no channel has its dial string any more."""
        member = self._snapshot.channels[self._snapshot.members[call][0]]
        packets = await self._earlier_packets(member.id)
        if self._registry.get(call):
            return None
        self._log.debug("call.adopted", call=call, answered=True)
        up = {n: channel.state == UP for n, channel in self._snapshot.callees(call).items()}
        request = DialRequest(targets=("",) * max(up, default=1))
        dialing = resume(request, answered=True, callees=up, now=asyncio.get_running_loop().time())
        entry = self._snapshot.entry(call)
        caller = replace(member, id=call)
        return self._supervisor.adopt(caller, dialing, earlier_packets=packets, entry=entry)

    async def _lives(self, caller: Channel) -> bool:
        """Return whether a channel that Asterisk lists is one: it may still list one that has ended."""
        return await self._ari.get_variable(caller.id, "UNIQUEID") is not None

    async def _earlier_packets(self, caller: str) -> int:
        """Return what an earlier process wrote last of a call's packets."""
        written = await self._ari.get_variable(caller, "OFFLOAD_PACKETS")
        return int(written) if written and written.isdecimal() else 0

    def _call_of(self, event: ev.Event) -> str:
        """Return the call of an event that its call must not miss; empty for others."""
        match event:
            case ev.StasisStart(channel, replaces=str(replaced)):
                in_place = self._snapshot.in_bridge(channel.id) and not self._snapshot.in_bridge(replaced)
                return self._snapshot.call_of(channel.id if in_place else replaced)
            case ev.StasisStart(channel, args):
                if self._registry.ids.call_of_callee(channel.id) and not args:
                    return self._snapshot.call_of(channel.id)
                # A caller enters after whatever is held of its channel.
                return channel.id if channel.id in self._held else ""
            case (
                ev.StasisEnd(channel)
                | ev.ChannelDestroyed(channel)
                | ev.HangupRequested(channel)
                | ev.DialChanged(channel)
                | ev.Diverted(channel)
            ):
                return self._snapshot.call_of(channel)
            case ev.EnteredBridge(bridge):
                return self._registry.ids.call_of_bridge(bridge) or ""
            case _:
                return ""
