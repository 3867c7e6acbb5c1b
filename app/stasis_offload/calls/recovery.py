"""Recovery after a lost connection or a restart: adopts calls, posts missed events, removes orphans."""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from typing import NoReturn

import structlog

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.asterisk.ari_events import STASIS, Channel, Event
from stasis_offload.asterisk.leg_report import UP
from stasis_offload.calls.adoption import Adoption
from stasis_offload.calls.call import Call
from stasis_offload.calls.concurrency import for_each
from stasis_offload.calls.registry import Registry
from stasis_offload.calls.snapshot import AsteriskSnapshot
from stasis_offload.calls.supervisor import Supervisor
from stasis_offload.calls.transfers import Transfers
from stasis_offload.errors import AriError
from stasis_offload.signalling.ari_mapping import started
from stasis_offload.signalling.call_ids import CALLER, bridge_id, call_of_callee
from stasis_offload.signalling.resuming import ended, missed
from stasis_offload.signalling.state import Callee, Phase

DIAL = "Dial"
# Seconds between two attempts to read Asterisk's state, and between two reconciliations.
RETRY_INTERVAL = 1.0
RECONCILE_INTERVAL = 60.0
# States of a callee in which its end is yet to be reported.
_EXISTING = (Callee.DIALLED, Callee.HANGING_UP, Callee.DISMISSED, Callee.RELEASED, Callee.SENT_ON)


class Recovery:
    """Compares the calls of this process with Asterisk's channels: whenever events may have been missed, and each minute.

    `on_event` is what routes an event of Asterisk to its call.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        supervisor: Supervisor,
        transfers: Transfers,
        ari: AriClient,
        app: str,
        on_event: Callable[[Event], None],
    ) -> None:
        self._registry = registry
        self._supervisor = supervisor
        self._transfers = transfers
        self._ari = ari
        self._app = app
        self._on_event = on_event
        self._adoption: Adoption | None = None
        self._begun = asyncio.Event()
        self._log = structlog.get_logger(__name__)

    def begin(self) -> None:
        """Begin, or begin again: events arrive from this moment on."""
        self._begun.set()

    def holds(self, event: Event) -> bool:
        """Hold an event back whose call is about to be adopted; return False if it is to be routed now."""
        return self._adoption is not None and self._adoption.holds(event)

    async def run(self) -> NoReturn:
        """Recover after each `begin`; while nothing has begun, reconcile once a minute."""
        while True:
            if await self._has_begun(within=RECONCILE_INTERVAL):
                await self._recover_again_until_done()
            else:
                with suppress(AriError):  # while the connection is lost, all of that is to come
                    await self._reconcile()

    async def _has_begun(self, *, within: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._begun.wait()
        return self._begun.is_set()

    async def _recover_again_until_done(self) -> None:
        """Recover; after an error again, unless a new connection begins everything anew."""
        self._begun.clear()
        # Those that may have missed events: of before, and each that is adopted, in whichever attempt.
        known = {call.id for call in self._registry}
        while True:
            try:
                await self._recover(known)
            except AriError as error:
                self._log.warning("recovery.failed", error=str(error))
            else:
                return
            if await self._has_begun(within=RETRY_INTERVAL):
                return

    async def _recover(self, known: set[str]) -> None:
        """Adopt calls of an earlier process, post the events that calls have missed, remove orphans.

        Before anything else the media of calls returns whose channels are gone: another Asterisk may use their ports. What
        happens to an adopted call arrives as an event; what happened before is in the second snapshot. The ids of
        adopted calls are added to `known`.
        """
        self._return_media({channel.id for channel in await self._ari.channels()})
        await self._adopt_calls(await self._snapshot(), known)
        snapshot = await self._snapshot()
        for call in self._registry:
            if call.id in known:
                self._replay_missed(call, snapshot)
        await self._remove_orphans(snapshot)

    def _return_media(self, channels: Collection[str]) -> None:
        """Take the calls out of the switch of which a leg is none of Asterisk's channels any more."""
        for call in self._registry:
            winner = call.dialing.winner
            legs = [call.legs.channel(leg) for leg in (CALLER, winner) if leg is not None]
            if any(leg not in channels for leg in legs) and call.media.started:
                call.media.relay_until_start()

    async def _adopt_calls(self, snapshot: AsteriskSnapshot, known: set[str]) -> None:
        """Adopt the calls of an earlier process, and add their ids to `known`."""

        def on_adopted(call: Call) -> None:
            known.add(call.id)
            if call.dialing.phase is Phase.TALKING and not snapshot.is_whole(call.id):
                self._replay_missed(call, snapshot)  # the other party waits to be released

        self._adoption = Adoption(
            snapshot,
            registry=self._registry,
            supervisor=self._supervisor,
            ari=self._ari,
            on_adopted=on_adopted,
            on_event=self._on_event,
        )
        try:
            await self._adoption.run()
        finally:
            self._adoption = None

    def _replay_missed(self, call: Call, snapshot: AsteriskSnapshot) -> None:
        """Post the events that a call has missed."""
        if call.dialing.phase is Phase.TALKING and call.dialing.winner:
            members = [member for member in snapshot.members.get(call.id, ()) if snapshot.is_ours(member)]
            for leg, replacement in call.legs.unannounced(members, (CALLER, call.dialing.winner)):
                self._transfers.commit_unannounced(call, leg, snapshot.channels[replacement])
        up = {
            n: snapshot.channels[channel].state == UP
            for n, _ in enumerate(call.dialing.callees, start=1)
            if (channel := call.legs.channel(n)) in snapshot.channels
            and not snapshot.channels[channel].is_elsewhere
        }
        here = snapshot.is_ours(call.legs.channel(CALLER))
        for event in missed(call.dialing, caller_here=here, callees=up):
            call.post(event)
        if call.dialing.phase is Phase.NEW and here:
            call.post(started(snapshot.channels[call.legs.channel(CALLER)]))

    async def _remove_orphans(self, snapshot: AsteriskSnapshot) -> None:
        """Hang up callees and destroy bridges whose caller is in no Stasis application any more."""
        owned = {channel.id for channel in snapshot.channels.values() if channel.application == STASIS}
        for channel, found in snapshot.channels.items():
            call = snapshot.call_of(channel)
            is_callee = (
                call_of_callee(channel) and not found.is_elsewhere and snapshot.arguments(found) is None
            )
            if is_callee and call not in owned and self._registry.get(call) is None:
                self._supervisor.hang_up_orphan(channel)
        for call in snapshot.members:
            if call not in owned and self._registry.get(call) is None:
                await self._ari.destroy_bridge(bridge_id(call))

    async def _reconcile(self) -> None:
        """End the legs whose channels are no more: their end was missed."""
        before = {(call.id, channel) for call in self._registry for _, channel in _channels(call)}
        there = {channel.id for channel in await self._ari.channels()}
        missing = {(call, channel) for call, channel in before if channel not in there}
        if not missing:
            return
        await asyncio.sleep(RETRY_INTERVAL)  # an end that is just being reported arrives by itself
        for call in self._registry:
            for leg, channel in _channels(call):
                if (call.id, channel) in missing:
                    self._log.warning("channel.end_missed", call=call.id, channel=channel)
                    call.post(ended(leg))

    async def _snapshot(self) -> AsteriskSnapshot:
        channels = await for_each(await self._ari.channels(), self._as_in_stasis)
        return AsteriskSnapshot(channels, await self._ari.bridges(), app=self._app)

    async def _as_in_stasis(self, channel: Channel) -> Channel:
        """Return a caller in OffloadDial(), which Asterisk shows as one in Dial(), as in Stasis(); others as they are."""
        if channel.application != DIAL:
            return channel
        app = await self._ari.get_variable(channel.id, "OFFLOAD_DIAL()")
        return (
            replace(channel, application=STASIS, arguments=f"{app},{channel.arguments}") if app else channel
        )


def _channels(call: Call) -> list[tuple[int, str]]:
    """List the legs of a call whose channels have been seen and whose ends have not, with the ids of the channels."""
    callees = enumerate(call.dialing.callees, start=1)
    legs = [n for n, callee in callees if callee in _EXISTING and call.legs.name(n)]
    return [(leg, call.legs.channel(leg)) for leg in ([] if call.left else [CALLER]) + legs]
