"""Replacement channels (transfer, INVITE with Replaces, pickup), and calls that a Local pair joins."""

from weakref import WeakValueDictionary

from stasis_offload.asterisk.ari_events import Channel
from stasis_offload.calls.background import Background
from stasis_offload.calls.call import Call
from stasis_offload.calls.gateways import Gateways
from stasis_offload.calls.registry import Registry
from stasis_offload.errors import AriError
from stasis_offload.signalling.legs import LegEvent
from stasis_offload.signalling.local_channels import (
    LocalPair,
    Parties,
    can_optimize,
    find_local_pair,
    other_half,
)


class Transfers:
    """Follows the channels that become a leg of a call."""

    def __init__(self, registry: Registry, *, gateways: Gateways, background: Background) -> None:
        self._registry = registry
        self._ari = gateways.ari
        self._rtpstreams = gateways.rtpstreams
        self._background = background
        # The calls of which a Local channel is, or was, a leg, by its name.
        self._by_local: WeakValueDictionary[str, Call] = WeakValueDictionary()

    def announce(self, channel: Channel, *, replaces: str) -> bool:
        """Register a channel that Asterisk puts, or will put, in another's place; return False if that is no leg."""
        call = self._registry.by_channel(replaces)
        if call is None or call.legs.leg(channel.id) is not None:
            # A recovery may have found it in its place before this event.
            its = self._registry.by_channel(channel.id)
            return its is not None and its.legs.leg(channel.id) is not None
        if call.pick_up(channel, replaces=replaces):
            self._registry.commit_replacement(call, channel.id)
            return True
        return self._registry.announce_replacement(call, channel.id, channel.name, replaces=replaces)

    def on_leg_event(self, channel: str, event: LegEvent) -> None:
        """Route an event about a channel to its call, and commit the replacement that becomes a leg by it."""
        call = self._registry.by_channel(channel)
        replacement = call.on_ari_event(event) if call else None
        if call and replacement:
            self._registry.commit_replacement(call, replacement)

    def on_entered_bridge(self, call: Call, channel: str) -> None:
        """Commit a pending replacement that is in the call's bridge now."""
        replacement = call.on_entered_bridge(channel)
        if replacement:
            self._registry.commit_replacement(call, replacement)
        self.on_bridge_changed(call)

    def on_bridge_changed(self, call: Call, *, rebuilt: bool = False) -> None:
        """Tell the call's media of the change, and join the call with another if a Local pair connects them."""
        call.on_bridge_changed(rebuilt=rebuilt)
        self.optimize(call)

    def commit_unannounced(self, call: Call, leg: int, channel: Channel) -> None:
        """Make a channel a leg that is in the call's bridge although no event has announced it."""
        self._registry.cancel_replacement(channel.id)
        replaces = call.legs.channel(leg)
        if self._registry.announce_replacement(call, channel.id, channel.name, replaces=replaces):
            self.on_entered_bridge(call, channel.id)

    def optimize(self, call: Call) -> None:
        """Join a call with the one that a Local pair connects it to, if there is one."""
        pair = self._local_pair(call)
        if pair:
            self._background.start(self._optimize(pair), call=pair.near)

    def _local_pair(self, call: Call) -> LocalPair | None:
        parties = call.parties
        others: list[tuple[str, Parties]] = []
        for name in parties.values():
            half = other_half(name)
            if half:
                self._by_local[name] = call
                other = self._by_local.get(half)
                if other and other is not call:
                    others.append((other.id, other.parties))
        return find_local_pair(call.id, parties, others)

    async def _optimize(self, pair: LocalPair) -> None:
        """Put the far leg into the near bridge; `on_entered_bridge` follows for both calls."""
        ids = self._registry.ids
        bridges = [await self._rtpstreams.report(ids.bridge(call)) for call in (pair.near, pair.far)]
        near, far = self._registry.get(pair.near), self._registry.get(pair.far)
        if not (near and far and self._local_pair(near) == pair and can_optimize(*bridges)):
            return
        leg = next(leg for leg in far.parties if leg != pair.far_leg)
        moving = far.legs.channel(leg)
        replaces = near.legs.channel(pair.near_leg)
        if not self._registry.announce_replacement(near, moving, far.parties[leg], replaces=replaces):
            return
        near.join_exclusion(far)
        try:
            await self._ari.join(moving, bridge=ids.bridge(near.id))
        except AriError:
            self._registry.cancel_replacement(moving)
            raise
