"""Recovery after a lost connection or a restart: adopts calls, posts missed events, removes orphans."""

import asyncio
from collections.abc import Callable, Collection, Mapping
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
from stasis_offload.calls.held_events import HeldEvents
from stasis_offload.calls.registry import Registry
from stasis_offload.calls.snapshot import AsteriskSnapshot
from stasis_offload.calls.supervisor import Supervisor
from stasis_offload.calls.transfers import Transfers
from stasis_offload.errors import AriError
from stasis_offload.signalling import events as sig
from stasis_offload.signalling.ari_mapping import started
from stasis_offload.signalling.call_ids import CALLER
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
        on_event: Callable[[Event], None],
    ) -> None:
        self._registry = registry
        self._supervisor = supervisor
        self._transfers = transfers
        self._ari = ari
        self._on_event = on_event
        self._adoption: Adoption | None = None
        self._held: HeldEvents | None = None
        self._behind: set[str] = set()
        self._begun = asyncio.Event()
        self._log = structlog.get_logger(__name__)

    def begin(self) -> None:
        """Begin, or begin again: events arrive from this moment on."""
        self._held = HeldEvents(self._registry)
        # Those that may have missed events: of before, and each that is adopted, in whichever attempt.
        self._behind = {call.id for call in self._registry}
        self._begun.set()

    def holds(self, event: Event) -> bool:
        """Hold an event back whose call may be, or is, about to be adopted; return False if it is to be routed now."""
        if self._adoption is not None and self._adoption.holds(event):
            return True
        return self._held is not None and self._held.holds(event)

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
        while True:
            try:
                await self._recover()
            except AriError as error:
                self._log.warning("recovery.failed", error=str(error))
            else:
                return
            if await self._has_begun(within=RETRY_INTERVAL):
                return

    async def _recover(self) -> None:
        """Adopt calls of an earlier process, post the events that calls have missed, remove orphans.

        Before anything else the media of calls returns whose channels are gone: another Asterisk may use their ports. What
        happens to an adopted call arrives as an event; what happened before is in the second snapshot.
        """
        legs = self._legs()
        self._return_media({channel.id for channel in await self._ari.channels()}, legs)
        first = await self._snapshot()
        if self._begun.is_set():
            return  # what is held since belongs to a later reading, and must not be routed after what comes now
        for call in self._registry:
            # The other party waits to be released.
            if (
                call.id in self._behind
                and not first.is_whole(call.id)
                and call.dialing.phase is Phase.TALKING
            ):
                self._replay_missed(call, first, legs.get(call.id, {}))
        await self._adopt_calls(first)
        legs = self._legs()
        second = await self._snapshot()
        for call in self._registry:
            if call.id in self._behind:
                self._replay_missed(call, second, legs.get(call.id, {}))
        for channel in first.idle & second.idle:
            if not self._registry.knows(channel):
                self._supervisor.start(second.channels[channel], ())
        await self._remove_orphans(second, known=legs)

    def _legs(self) -> dict[str, dict[int, str]]:
        """Return, by call, the channel of each leg whose absence from what is read next would mean something."""
        return {call.id: _existing(call) for call in self._registry}

    def _return_media(self, channels: Collection[str], legs: Mapping[str, Mapping[int, str]]) -> None:
        """Take the calls out of the switch of which a leg was, and is, none of Asterisk's channels any more."""
        for call in self._registry:
            was = legs.get(call.id, {})
            parties = [leg for leg in (CALLER, call.dialing.winner) if leg is not None]
            gone = any(
                (channel := call.legs.channel(leg)) == was.get(leg) and channel not in channels
                for leg in parties
            )
            if gone and call.media.started:
                call.media.relay_until_start()

    async def _adopt_calls(self, snapshot: AsteriskSnapshot) -> None:
        """Adopt the calls of an earlier process; they are `behind` from then on."""

        def on_adopted(call: Call) -> None:
            self._behind.add(call.id)
            legs = _existing(call)
            self._commit_unannounced(call, snapshot, legs)
            if call.dialing.phase is Phase.TALKING and not snapshot.is_whole(call.id):
                self._replay_missed(call, snapshot, legs)  # the other party waits to be released

        adoption = Adoption(
            snapshot,
            registry=self._registry,
            supervisor=self._supervisor,
            ari=self._ari,
            on_adopted=on_adopted,
            on_event=self._on_event,
        )
        events = self._adoption.not_routed() if self._adoption is not None else []
        self._adoption = adoption
        if self._held is not None:
            events += self._held.events
            self._held = None
        for event in events:
            if not adoption.holds(event):
                self._on_event(event)
        await adoption.run()
        self._adoption = None

    def _commit_unannounced(self, call: Call, snapshot: AsteriskSnapshot, legs: Mapping[int, str]) -> None:
        """Make those the legs of a call that are in its bridge in their places; `legs` as for `_replay_missed`."""
        if call.dialing.phase is not Phase.TALKING or not call.dialing.winner:
            return
        was = legs.values()
        members = [
            member
            for member in snapshot.members.get(call.id, ())
            if snapshot.is_ours(member) and (member not in was or call.legs.leg(member) is not None)
        ]
        parties = [leg for leg in (CALLER, call.dialing.winner) if call.legs.channel(leg) == legs.get(leg)]
        for leg, replacement in call.legs.unannounced(members, parties):
            self._transfers.commit_unannounced(call, leg, snapshot.channels[replacement])

    def _replay_missed(self, call: Call, snapshot: AsteriskSnapshot, legs: Mapping[int, str]) -> None:
        """Post the events that a call has missed; `legs` are its channels when the reading of the snapshot began.

        Of a leg that has become another channel since, the snapshot says nothing.
        """
        self._commit_unannounced(call, snapshot, legs)
        callees = {n: call.legs.channel(n) for n, _ in enumerate(call.dialing.callees, start=1)}
        up = {
            n: found.state == UP
            for n, channel in callees.items()
            if (found := snapshot.channels.get(channel)) and not snapshot.is_elsewhere(found)
        }
        absent = [n for n, channel in callees.items() if n not in up and channel == legs.get(n)]
        caller = call.legs.channel(CALLER)
        here = snapshot.is_ours(caller)
        left = not here and caller == legs.get(CALLER)
        if snapshot.is_taken(caller) and snapshot.is_taken(callees.get(call.dialing.winner or 0, "")):
            call.post(sig.HandOver(begun=True))
        for event in missed(call.dialing, caller_left=left, callees=up, absent=absent):
            call.post(event)
        if call.dialing.phase is Phase.NEW and here:
            call.post(started(snapshot.channels[caller]))

    async def _remove_orphans(self, snapshot: AsteriskSnapshot, *, known: Collection[str]) -> None:
        """Hang up callees and destroy bridges whose caller is not in our application any more.

        Not those of calls that were known when the reading of the snapshot began: they end their channels themselves, or
        have sent them on since.
        """
        owned = {channel for channel in snapshot.channels if snapshot.is_ours(channel)}
        for channel, found in snapshot.channels.items():
            call = snapshot.call_of(channel)
            is_callee = (
                self._registry.ids.call_of_callee(channel)
                and not snapshot.is_elsewhere(found)
                and snapshot.arguments(found) is None
            )
            if is_callee and call not in owned and call not in known and self._registry.get(call) is None:
                self._supervisor.hang_up_orphan(channel)
        for call in snapshot.members:
            if call not in owned and call not in known and self._registry.get(call) is None:
                await self._ari.destroy_bridge(self._registry.ids.bridge(call))

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
        return AsteriskSnapshot(channels, await self._ari.bridges(), ids=self._registry.ids)

    async def _as_in_stasis(self, channel: Channel) -> Channel:
        """Return a caller in OffloadDial(), which Asterisk shows as one in Dial(), as in Stasis(); others as they are."""
        if channel.application != DIAL:
            return channel
        app = await self._ari.get_variable(channel.id, "OFFLOAD_DIAL()")
        return (
            replace(channel, application=STASIS, arguments=f"{app},{channel.arguments}") if app else channel
        )


def _existing(call: Call) -> dict[int, str]:
    """Return the channels of a call's legs by their numbers, without those that may not have been created yet."""
    callees = enumerate(call.dialing.callees, start=1)
    legs = [n for n, callee in callees if callee is not Callee.CREATING]
    return {leg: call.legs.channel(leg) for leg in (CALLER, *legs)}


def _channels(call: Call) -> list[tuple[int, str]]:
    """List the legs of a call whose channels have been seen and whose ends have not, with the ids of the channels."""
    callees = enumerate(call.dialing.callees, start=1)
    legs = [n for n, callee in callees if callee in _EXISTING and call.legs.name(n)]
    return [(leg, call.legs.channel(leg)) for leg in ([] if call.left else [CALLER]) + legs]
