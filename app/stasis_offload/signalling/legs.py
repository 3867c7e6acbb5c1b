"""A leg of a call outlives its channel: a newcomer that takes a channel's place in the bridge stands for its leg.

Asterisk announces a newcomer before it swaps it in (StasisStart.replace_channel, res/stasis/stasis_bridge.c), and may
still fail to. Until it is in the bridge, or the channel that it replaces is gone, everything is as before.
"""

from collections.abc import Sequence

from stasis_offload.asterisk.ari_events import (
    Channel,
    ChannelDestroyed,
    DialChanged,
    HangupRequested,
    StasisEnd,
    StasisStart,
)
from stasis_offload.signalling import events as ev
from stasis_offload.signalling.ari_mapping import event_from_ari
from stasis_offload.signalling.call_ids import CALLER, call_of_callee, callee_id

LegEvent = StasisStart | StasisEnd | ChannelDestroyed | HangupRequested | DialChanged


class Legs:
    """The channels of one call, by their ids and names, and which leg each of them is now (signals.py)."""

    def __init__(self, caller: Channel) -> None:
        self._call = caller.id
        self._names = {caller.id: caller.name}
        self._replacements: dict[int, str] = {}
        self._pending: dict[int, str] = {}
        self._cause = 0

    def channel(self, n: int) -> str:
        """Return the id of the channel that leg n is, or would be, at present."""
        return self._replacements.get(n) or (callee_id(self._call, n) if n else self._call)

    def leg(self, channel: str) -> int | None:
        """Return which leg a channel is at present; None for one that was replaced, or is none of the call's."""
        for n, stand_in in self._replacements.items():
            if stand_in == channel:
                return n
        call, n = call_of_callee(channel) or (channel, CALLER)
        return n if call == self._call and n not in self._replacements else None

    def name(self, n: int) -> str | None:
        """Return the name of the channel that leg n is at present."""
        return self._names.get(self.channel(n))

    def set_name(self, channel: str, name: str) -> None:
        """Learn the name of a channel."""
        self._names[channel] = name

    def translate(self, event: LegEvent) -> ev.Event | None:
        """Return what an event about a channel means to the call; None for nothing."""
        channel = event.channel.id if isinstance(event, StasisStart) else event.channel
        leg = self.leg(channel)
        if leg is None:
            return None
        if leg in self._pending:
            # Whoever asked for the transfer may hang up sooner than Asterisk swaps the newcomer in.
            return (
                self._commit_replacement(leg, joined=False)
                if isinstance(event, StasisEnd | ChannelDestroyed)
                else None
            )
        return event_from_ari(self._as_destroyed(event) if leg in self._replacements else event, leg)

    def announce_replacement(self, newcomer: str, name: str, *, replaces: str) -> bool:
        """Take it that a newcomer will stand for the leg that `replaces` is; False when there is no such leg."""
        leg = self.leg(replaces)
        if leg is None or leg in self._pending or self.leg(newcomer) is not None:
            return False
        self._pending[leg] = newcomer
        self._names[newcomer] = name
        return True

    def has_pending(self, n: int) -> bool:
        """Whether a newcomer was announced for leg n and is not there yet."""
        return n in self._pending

    def cancel_replacement(self, newcomer: str) -> None:
        """Take it that a newcomer will not come."""
        self._pending = {leg: channel for leg, channel in self._pending.items() if channel != newcomer}

    def on_entered_bridge(self, channel: str) -> ev.Event | None:
        """Return what it means that a channel is in the bridge now."""
        leg = next((leg for leg, coming in self._pending.items() if coming == channel), None)
        return None if leg is None else self._commit_replacement(leg, joined=True)

    def unannounced(self, members: Sequence[str], legs: Sequence[int]) -> tuple[tuple[int, str], ...]:
        """Return who must stand for which of these legs, by who is in the bridge: strangers for the missing."""
        missing = [n for n in legs if self.channel(n) not in members]
        strangers = [channel for channel in members if self.leg(channel) is None]
        return tuple(zip(missing, strangers, strict=False))

    def _commit_replacement(self, leg: int, *, joined: bool) -> ev.Event:
        old = self.channel(leg)
        self._replacements[leg] = self._pending.pop(leg)
        return ev.CallerReplaced(old, joined) if leg == CALLER else ev.CalleeReplaced(leg, old, joined)

    def _as_destroyed(self, event: LegEvent) -> LegEvent:
        """Take a newcomer for gone when it leaves us, for that ends Asterisk's telling us of it.

        A channel that we made is counted once more and tells its end (res_stasis.c, app_send_end_msg;
        res/stasis/app.c, unsubscribe).
        """
        if isinstance(event, HangupRequested):
            self._cause = event.cause
        return ChannelDestroyed(event.channel, self._cause) if isinstance(event, StasisEnd) else event
