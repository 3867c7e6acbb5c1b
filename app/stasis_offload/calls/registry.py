"""The calls of one Asterisk: found by id, by the channel of a leg, by bridge and by cookie. No I/O."""

from collections.abc import Iterator

from stasis_offload.calls.call import Call
from stasis_offload.calls.ended_calls import EndedCalls
from stasis_offload.media.roles import owner_of
from stasis_offload.openflow.flow import owner_in
from stasis_offload.signalling.call_ids import CallIds


class Registry:
    """Every call, by the unique id of the caller's channel; iteration is safe while calls come and go.

    A channel's id usually contains that of its call. A replacement's does not, so replacements are registered:
    pending from their announcement, committed once they are a leg. `ended` has what is kept of calls that are over.
    """

    def __init__(self, ids: CallIds) -> None:
        self.ids = ids
        self.ended = EndedCalls()
        self._calls: dict[str, Call] = {}
        self._by_owner: dict[int, Call] = {}
        self._replacements: dict[str, Call] = {}
        self._pending: dict[str, Call] = {}
        self._replacements_of: dict[Call, set[str]] = {}

    def __iter__(self) -> Iterator[Call]:
        return iter(tuple(self._calls.values()))

    def __len__(self) -> int:
        return len(self._calls)

    def get(self, call: str) -> Call | None:
        """Find a call by its id."""
        return self._calls.get(call)

    def by_bridge(self, bridge: str) -> Call | None:
        """Find the call that a bridge was created for."""
        return self._calls.get(self.ids.call_of_bridge(bridge) or "")

    def by_channel(self, channel: str) -> Call | None:
        """Find the call of which a channel is a leg, or that dialled it."""
        dialled = self.ids.call_of_callee(channel)
        return (
            self._replacements.get(channel)
            or self._calls.get(channel)
            or (self._calls.get(dialled[0]) if dialled else None)
        )

    def knows(self, channel: str) -> bool:
        """Return whether a channel is a leg of a call, or is announced as one."""
        return channel in self._pending or self.by_channel(channel) is not None

    def by_cookie(self, cookie: int) -> Call | None:
        """Find the call that owns a flow."""
        return self._by_owner.get(owner_in(cookie))

    def add(self, call: Call) -> None:
        """Add a call."""
        self._calls[call.id] = call
        self._by_owner[owner_of(call.id)] = call

    def remove(self, call: Call) -> None:
        """Remove a call that is over, and its replacements."""
        del self._calls[call.id]
        self._by_owner.pop(owner_of(call.id), None)
        for channel in self._replacements_of.pop(call, ()):
            for replacements in (self._replacements, self._pending):
                if replacements.get(channel) is call:
                    del replacements[channel]

    def announce_replacement(self, call: Call, channel: str, name: str, *, replaces: str) -> bool:
        """Register a pending replacement for the leg that `replaces` is; return False if the call has no such leg."""
        if not call.announce_replacement(channel, name, replaces=replaces):
            return False
        self._pending[channel] = call
        self._replacements_of.setdefault(call, set()).add(channel)
        return True

    def cancel_replacement(self, channel: str) -> None:
        """Remove a pending replacement; nothing happens if there is none."""
        call = self._pending.pop(channel, None)
        if call:
            call.legs.cancel_replacement(channel)

    def commit_replacement(self, call: Call, channel: str) -> None:
        """Register that a replacement is a leg of a call now, and remove it from the call it came from."""
        was = self.by_channel(channel)
        self._pending.pop(channel, None)
        self._replacements[channel] = call
        self._replacements_of.setdefault(call, set()).add(channel)
        if was and was is not call:
            was.drop_leg(channel)
