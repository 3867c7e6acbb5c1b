"""Recovery after a lost connection or a restart: adopts calls, posts missed events, removes orphans."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace

import structlog

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.asterisk.ari_events import STASIS, Bridge, Channel
from stasis_offload.asterisk.leg_report import UP
from stasis_offload.calls.call import Call
from stasis_offload.calls.registry import Registry
from stasis_offload.calls.supervisor import Supervisor
from stasis_offload.calls.transfers import Transfers
from stasis_offload.errors import AriError
from stasis_offload.signalling import events as sig
from stasis_offload.signalling.ari_mapping import started
from stasis_offload.signalling.call_ids import CALLER, bridge_id, call_of_bridge, call_of_callee
from stasis_offload.signalling.causes import DialStatus
from stasis_offload.signalling.dial_args import DialRequest, parse_dial, split_arguments
from stasis_offload.signalling.option_arguments import DialArgumentError
from stasis_offload.signalling.resuming import missed, resume
from stasis_offload.signalling.state import Dialing, Phase

DIAL = "Dial"
# Seconds between two attempts to read Asterisk's state.
RETRY_INTERVAL = 1.0


class Recovery:
    """Compares the calls of this process with Asterisk's channels whenever events may have been missed."""

    def __init__(
        self,
        registry: Registry,
        *,
        supervisor: Supervisor,
        transfers: Transfers,
        ari: AriClient,
        app: str,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._registry = registry
        self._supervisor = supervisor
        self._transfers = transfers
        self._ari = ari
        self._app = app
        self._tasks = tasks
        self._running: asyncio.Task[None] | None = None
        self._log = structlog.get_logger(__name__)

    def begin(self) -> None:
        """Start or restart recovery: events arrive again from this moment on."""
        if self._running:
            self._running.cancel()
        self._running = self._tasks.create_task(self._run())

    async def _run(self) -> None:
        # Those that may have missed events: of before, and each that is adopted, in whichever attempt.
        known = {call.id for call in self._registry}
        while True:
            try:
                await self._recover(known)
            except AriError as error:
                self._log.warning("recovery.failed", error=str(error))
            else:
                return
            await asyncio.sleep(RETRY_INTERVAL)

    async def _recover(self, known: set[str]) -> None:
        """Adopt calls of an earlier process, post the events that calls have missed, remove orphans.

        What happens to an adopted call arrives as an event; what happened before is in the second snapshot. The ids of
        adopted calls are added to `known`.
        """
        await self._adopt_calls(await self._snapshot(), known)
        snapshot = await self._snapshot()
        for call in self._registry:
            if call.id in known:
                self._replay_missed(call, snapshot)
        await self._remove_orphans(snapshot)

    async def _adopt_calls(self, snapshot: "AsteriskSnapshot", known: set[str]) -> None:
        """Adopt the calls of an earlier process, and add their ids to `known`."""
        for channel in snapshot.channels.values():
            left_behind = (
                channel.id == snapshot.call_of(channel.id) and self._registry.get(channel.id) is None
            )
            if left_behind and self._arguments(channel) is not None and await self._adopt(channel, snapshot):
                known.add(channel.id)
        for call, members in snapshot.members.items():
            if members and call not in snapshot.channels and self._registry.get(call) is None:
                await self._adopt_without_caller(call, snapshot)
                known.add(call)

    async def _adopt(self, caller: Channel, snapshot: "AsteriskSnapshot") -> bool:
        """Adopt a call that an earlier process began, or that entered while no application was registered."""
        mine = snapshot.callees(caller.id)
        try:
            request = parse_dial(self._arguments(caller) or ())
        except DialArgumentError as error:
            if not mine:
                self._supervisor.reject(caller.id, error)
            return False
        status = await self._ari.get_variable(caller.id, "DIALSTATUS")
        packets = await self._earlier_packets(caller.id)
        # Before the two are bridged, what an option asks for may have been under way: it begins again.
        answered = status == DialStatus.ANSWER and (not mine or bool(snapshot.members.get(caller.id)))
        if self._registry.get(caller.id):
            return False
        self._log.info("call.adopted", call=caller.id, answered=answered)
        if not mine and not status:
            self._supervisor.adopt(caller, Dialing(request))
            return True
        now = asyncio.get_running_loop().time()
        up = {n: channel.state == UP for n, channel in mine.items()}
        dialing = resume(request, answered=answered, callees=up, now=now)
        call = self._supervisor.adopt(caller, dialing, earlier_packets=packets)
        for channel in mine.values():
            call.legs.set_name(channel.id, channel.name)
        if answered and dialing.winner is not None and up.get(dialing.winner):
            # As if just bridged: the machine starts the media, and calls that a Local pair joins are merged.
            call.post(sig.CalleeBridged(dialing.winner))
        return True

    async def _adopt_without_caller(self, call: str, snapshot: "AsteriskSnapshot") -> None:
        """Adopt a call whose caller was replaced: no channel has its dial string any more."""
        member = snapshot.channels[snapshot.members[call][0]]
        packets = await self._earlier_packets(member.id)
        if self._registry.get(call):
            return
        self._log.info("call.adopted", call=call, answered=True)
        up = {n: channel.state == UP for n, channel in snapshot.callees(call).items()}
        request = DialRequest(targets=("",) * max(up, default=1))
        dialing = resume(request, answered=True, callees=up, now=asyncio.get_running_loop().time())
        self._supervisor.adopt(replace(member, id=call), dialing, earlier_packets=packets)

    async def _earlier_packets(self, caller: str) -> int:
        """Return what an earlier process wrote last of a call's packets."""
        written = await self._ari.get_variable(caller, "OFFLOAD_PACKETS")
        return int(written) if written and written.isdecimal() else 0

    def _replay_missed(self, call: Call, snapshot: "AsteriskSnapshot") -> None:
        """Post the events that a call has missed."""
        if call.dialing.phase is Phase.TALKING and call.dialing.winner:
            members = [
                member for member in snapshot.members.get(call.id, ()) if self._is_ours(snapshot, member)
            ]
            for leg, replacement in call.legs.unannounced(members, (CALLER, call.dialing.winner)):
                self._transfers.commit_unannounced(call, leg, snapshot.channels[replacement])
        up = {
            n: snapshot.channels[channel].state == UP
            for n, _ in enumerate(call.dialing.callees, start=1)
            if (channel := call.legs.channel(n)) in snapshot.channels
            and not snapshot.channels[channel].is_elsewhere
        }
        here = self._is_ours(snapshot, call.legs.channel(CALLER))
        for event in missed(call.dialing, caller_here=here, callees=up):
            call.post(event)
        if call.dialing.phase is Phase.NEW and here:
            call.post(started(snapshot.channels[call.legs.channel(CALLER)]))

    async def _remove_orphans(self, snapshot: "AsteriskSnapshot") -> None:
        """Hang up callees and destroy bridges whose caller is in no Stasis application any more."""
        owned = {channel.id for channel in snapshot.channels.values() if channel.application == STASIS}
        for channel, found in snapshot.channels.items():
            call = snapshot.call_of(channel)
            is_callee = call_of_callee(channel) and not found.is_elsewhere and self._arguments(found) is None
            if is_callee and call not in owned and self._registry.get(call) is None:
                self._supervisor.hang_up_orphan(channel)
        for call in snapshot.members:
            if call not in owned and self._registry.get(call) is None:
                await self._ari.destroy_bridge(bridge_id(call))

    async def _snapshot(self) -> "AsteriskSnapshot":
        channels = [await self._as_in_stasis(channel) for channel in await self._ari.channels()]
        return AsteriskSnapshot(channels, await self._ari.bridges())

    async def _as_in_stasis(self, channel: Channel) -> Channel:
        """Return a caller in OffloadDial(), which Asterisk shows as one in Dial(), as in Stasis(); others as they are."""
        if channel.application != DIAL:
            return channel
        app = await self._ari.get_variable(channel.id, "OFFLOAD_DIAL()")
        return (
            replace(channel, application=STASIS, arguments=f"{app},{channel.arguments}") if app else channel
        )

    def _is_ours(self, snapshot: "AsteriskSnapshot", channel: str) -> bool:
        found = snapshot.channels.get(channel)
        return found is not None and self._application(found) == self._app

    def _arguments(self, channel: Channel) -> list[str] | None:
        """Return the arguments with which a caller entered the application; None for any other channel."""
        if self._application(channel) != self._app:
            return None
        arguments = split_arguments(channel.arguments)[1:]
        return None if call_of_callee(channel.id) and not arguments else arguments

    @staticmethod
    def _application(channel: Channel) -> str | None:
        return channel.arguments.partition(",")[0] if channel.application == STASIS else None


class AsteriskSnapshot:
    """What Asterisk has at one moment: `channels` by their ids, `members` of our bridges by the call."""

    def __init__(self, channels: Iterable[Channel], bridges: Iterable[Bridge]) -> None:
        self.channels = {channel.id: channel for channel in channels}
        self.members = {
            call: tuple(channel for channel in bridge.channels if channel in self.channels)
            for bridge in bridges
            if (call := call_of_bridge(bridge.id))
        }
        self._call_of = {channel: call for call, members in self.members.items() for channel in members}

    def call_of(self, channel: str) -> str:
        """Return the call that a channel is part of: that of its bridge, else that of its id."""
        dialled = call_of_callee(channel)
        return self._call_of.get(channel) or (dialled[0] if dialled else channel)

    def callees(self, call: str) -> Mapping[int, Channel]:
        """Return the channels that were dialled for a call and are part of it, by the number of the target."""
        dialled = ((call_of_callee(channel.id), channel) for channel in self.channels.values())
        return {
            found[1]: channel
            for found, channel in dialled
            if found and found[0] == call and self.call_of(channel.id) == call and not channel.is_elsewhere
        }
