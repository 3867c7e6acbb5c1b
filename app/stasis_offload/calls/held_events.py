"""Events of calls that are not known, held until Asterisk's state has been read."""

from stasis_offload.asterisk import ari_events as ari
from stasis_offload.calls.registry import Registry


class HeldEvents:
    """`events` are those of calls that are not known, in their order.

    From a connection until Asterisk's state has been read, a replacement or a callee that enters the application may be that
    of a call which is about to be adopted, and anything else may be what that call must not miss.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.events: list[ari.Event] = []
        self._channels: set[str] = set()

    def holds(self, event: ari.Event) -> bool:
        """Hold an event back if its call is not known; return whether it is held."""
        match event:
            case ari.StasisStart(replaces=str(replaced)):
                held = self._registry.by_channel(replaced) is None
            case ari.StasisStart(channel, args):
                # A caller enters only after whatever is held of its channel.
                is_callee = self._registry.ids.call_of_callee(channel.id) and not args
                held = channel.id in self._channels or (
                    bool(is_callee) and self._registry.by_channel(channel.id) is None
                )
            case (
                ari.StasisEnd(channel)
                | ari.ChannelDestroyed(channel)
                | ari.HangupRequested(channel)
                | ari.DialChanged(channel)
                | ari.Diverted(channel)
            ):
                held = self._registry.by_channel(channel) is None
                if held:
                    self._channels.add(channel)
            case ari.EnteredBridge(bridge):
                ours = self._registry.ids.call_of_bridge(bridge) is not None
                held = ours and self._registry.by_bridge(bridge) is None
            case _:
                held = False
        if held:
            self.events.append(event)
        return held
