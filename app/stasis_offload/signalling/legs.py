"""Which channel each leg of a call currently is. A leg outlives its channel when another one replaces it.

Asterisk announces a replacement before it swaps it in (StasisStart.replace_channel, res/stasis/stasis_bridge.c), and
the swap may still fail. Nothing changes until the replacement is in the bridge or the replaced channel has ended.
"""

from collections.abc import Sequence

from stasis_offload.asterisk.ari_events import (
    Channel,
    ChannelDestroyed,
    DialChanged,
    DigitReceived,
    Diverted,
    HangupRequested,
    StasisEnd,
    StasisStart,
)
from stasis_offload.signalling import events as ev
from stasis_offload.signalling.ari_mapping import event_from_ari
from stasis_offload.signalling.call_ids import CALLER, CallIds

LegEvent = (
    StasisStart | StasisEnd | ChannelDestroyed | HangupRequested | DialChanged | Diverted | DigitReceived
)


class Legs:
    """The channels of one call by id and name, and the leg that each currently is (call_ids.CALLER).

    `entry` is which of its caller's calls it is (CallIds.callee).
    """

    def __init__(self, caller: Channel, ids: CallIds) -> None:
        self._ids = ids
        self.entry = 0
        self._call = caller.id
        self._names = {caller.id: caller.name}
        self._replacements: dict[int, str] = {}
        self._pending: dict[int, str] = {}
        self._cause = 0

    def channel(self, n: int) -> str:
        """Return the id of the channel that leg n currently is, or will be once created."""
        return self._replacements.get(n) or (
            self._ids.callee(self._call, n, entry=self.entry) if n else self._call
        )

    def leg(self, channel: str) -> int | None:
        """Return the leg that a channel currently is; None if it was replaced or belongs to another call."""
        for n, replacement in self._replacements.items():
            if replacement == channel:
                return n
        # A caller may have been a callee, and another program took it from that call.
        dialled = None if channel == self._call else self._ids.call_of_callee(channel)
        call, n = dialled or (channel, CALLER)
        mine = call == self._call and (n == CALLER or self._ids.entry_of_callee(channel) == self.entry)
        return n if mine and n not in self._replacements else None

    def name(self, n: int) -> str | None:
        """Return the name of the channel that leg n currently is."""
        return self._names.get(self.channel(n))

    def set_name(self, channel: str, name: str) -> None:
        """Store the name of a channel."""
        self._names[channel] = name

    def translate(self, event: LegEvent) -> ev.Event | None:
        """Return the signalling event for an ARI event about a channel; None if there is none."""
        channel = event.channel.id if isinstance(event, StasisStart) else event.channel
        leg = self.leg(channel)
        if leg is None:
            return None
        if leg in self._pending:
            # The transferor may hang up before Asterisk swaps the replacement in.
            return (
                self._commit_replacement(leg, joined=False)
                if isinstance(event, StasisEnd | ChannelDestroyed)
                else None
            )
        return event_from_ari(self._as_destroyed(event) if leg in self._replacements else event, leg)

    def pick_up(self, replacement: Channel, *, replaces: str) -> ev.CalleePickedUp | None:
        """Make a channel that is up the callee that `replaces` currently is; return None if there is no such callee.

        Whoever picks up a call that rings is answered before the swap (main/pickup.c, ast_do_pickup; res_pjsip_refer.c,
        refer_incoming_invite_request). Asterisk announces it when it is in the application, so that commands reach it.
        What follows has no other event that could be relied on: a masquerade enters no bridge, and a channel swapped out
        of Asterisk's own bridge for dialling stays in the application (res/stasis/control.c, depart_channel).
        """
        leg = self.leg(replaces)
        if not leg or leg in self._pending or self.leg(replacement.id) is not None:
            return None
        self._replacements[leg] = replacement.id
        self._names[replacement.id] = replacement.name
        return ev.CalleePickedUp(leg, replaces)

    def announce_replacement(self, replacement: str, name: str, *, replaces: str) -> bool:
        """Register a pending replacement for the leg that `replaces` currently is; return False if there is none."""
        leg = self.leg(replaces)
        if leg is None or leg in self._pending or self.leg(replacement) is not None:
            return False
        self._pending[leg] = replacement
        self._names[replacement] = name
        return True

    def has_pending(self, n: int) -> bool:
        """Return whether a replacement for leg n is announced and not in place yet."""
        return n in self._pending

    def cancel_replacement(self, replacement: str) -> None:
        """Drop a pending replacement."""
        self._pending = {leg: channel for leg, channel in self._pending.items() if channel != replacement}

    def on_entered_bridge(self, channel: str) -> ev.Event | None:
        """Complete the replacement whose channel entered the bridge; return None if it is not pending."""
        leg = next((leg for leg, pending in self._pending.items() if pending == channel), None)
        return None if leg is None else self._commit_replacement(leg, joined=True)

    def unannounced(self, members: Sequence[str], legs: Sequence[int]) -> tuple[tuple[int, str], ...]:
        """Return the legs missing from the bridge, each with an unknown channel in the bridge to replace it."""
        missing = [n for n in legs if self.channel(n) not in members]
        unknown = [channel for channel in members if self.leg(channel) is None]
        return tuple(zip(missing, unknown, strict=False))

    def _commit_replacement(self, leg: int, *, joined: bool) -> ev.Event:
        old = self.channel(leg)
        self._replacements[leg] = self._pending.pop(leg)
        return ev.CallerReplaced(old, joined) if leg == CALLER else ev.CalleeReplaced(leg, old, joined)

    def _as_destroyed(self, event: LegEvent) -> LegEvent:
        """Turn the StasisEnd of a replacement into ChannelDestroyed: Asterisk sends no later event about it.

        A channel that we created has one more subscription, and its end is reported (res_stasis.c, app_send_end_msg;
        res/stasis/app.c, unsubscribe).
        """
        if isinstance(event, HangupRequested):
            self._cause = event.cause
        return ChannelDestroyed(event.channel, self._cause) if isinstance(event, StasisEnd) else event
