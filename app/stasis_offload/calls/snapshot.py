"""What Asterisk has at one moment, sorted by our calls. No I/O."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from stasis_offload.asterisk.ari_events import STASIS, Bridge, Channel
from stasis_offload.asterisk.leg_report import PARTIES
from stasis_offload.signalling.call_ids import CallIds
from stasis_offload.signalling.dial_args import split_arguments


class AsteriskSnapshot:
    """What Asterisk has at one moment: `channels` by their ids, `members` of our bridges by the call; `ids` are our own."""

    def __init__(self, channels: Iterable[Channel], bridges: Collection[Bridge], *, ids: CallIds) -> None:
        self._ids = ids
        self.channels = {channel.id: channel for channel in channels}
        self.members = {
            call: tuple(channel for channel in bridge.channels if channel in self.channels)
            for bridge in bridges
            if (call := ids.call_of_bridge(bridge.id))
        }
        self._call_of = {channel: call for call, members in self.members.items() for channel in members}
        self._taken = {
            channel for bridge in bridges if not ids.call_of_bridge(bridge.id) for channel in bridge.channels
        }
        self._callees: dict[str, dict[int, Channel]] = defaultdict(dict)
        self._entries: dict[str, int] = {}
        for channel in sorted(self.channels.values(), key=lambda each: ids.entry_of_callee(each.id)):
            dialled = ids.call_of_callee(channel.id)
            if dialled and dialled[0] == self.call_of(channel.id) and not self.is_elsewhere(channel):
                call, n = dialled
                entry = ids.entry_of_callee(channel.id)
                if entry > self._entries.setdefault(call, entry):
                    self._entries[call] = entry
                    self._callees[call].clear()
                self._callees[call][n] = channel

    def call_of(self, channel: str) -> str:
        """Return the call that a channel is part of: that of its bridge, else that of its id."""
        if channel in self._call_of:
            return self._call_of[channel]
        dialled = self._ids.call_of_callee(channel)
        return dialled[0] if dialled else channel

    def callees(self, call: str) -> Mapping[int, Channel]:
        """Return the channels that were dialled for a call and are part of it, by the number of the target.

        If its caller called more than once, those of the last time.
        """
        return self._callees.get(call, {})

    def entry(self, call: str) -> int | None:
        """Return which of its caller's calls it is (CallIds.callee), as its callees' ids say; None without one."""
        return self._entries.get(call)

    @property
    def idle(self) -> frozenset[str]:
        """The channels in the application that we have not created, without arguments and in no bridge of ours.

        A replacement is one of them until Asterisk puts it in its place.
        """
        return frozenset(
            channel.id
            for channel in self.channels.values()
            if self.is_ours(channel.id)
            and self.arguments(channel) is None
            and not self._ids.call_of_callee(channel.id)
            and not self.in_bridge(channel.id)
        )

    def in_bridge(self, channel: str) -> bool:
        """Return whether a channel is in one of our bridges."""
        return channel in self._call_of

    def is_whole(self, call: str) -> bool:
        """Return whether both parties of a call are in its bridge."""
        return len(self.members.get(call, ())) == PARTIES

    def is_ours(self, channel: str) -> bool:
        """Return whether a channel exists and is in our application, and in no bridge but ours."""
        found = self.channels.get(channel)
        return found is not None and self._application(found) == self._ids.app

    def is_elsewhere(self, channel: Channel) -> bool:
        """Return whether a channel runs another application than ours, or is in a bridge that is not ours."""
        runs_another = channel.application != "" and self._application(channel) != self._ids.app
        return runs_another or self.is_taken(channel.id)

    def is_taken(self, channel: str) -> bool:
        """Return whether a channel is in a bridge that is not ours."""
        return channel in self._taken

    def arguments(self, channel: Channel) -> list[str] | None:
        """Return the arguments with which a caller entered the application; None for any other channel.

        Callees and replacements (res/stasis/stasis_bridge.c, bridge_stasis_run_cb) enter without.
        """
        if self._application(channel) != self._ids.app:
            return None
        return split_arguments(channel.arguments)[1:] or None

    def _application(self, channel: Channel) -> str | None:
        in_stasis = channel.application == STASIS and not self.is_taken(channel.id)
        return channel.arguments.partition(",")[0] if in_stasis else None
