"""Routes each event of Asterisk and of the switches to the call that it concerns. Synchronous, in order."""

from collections.abc import Sequence
from typing import assert_never

import structlog

from stasis_offload.asterisk import ari_events as ari
from stasis_offload.calls.call import Call
from stasis_offload.calls.offload_gate import OffloadGate
from stasis_offload.calls.registry import Registry
from stasis_offload.calls.supervisor import Supervisor
from stasis_offload.calls.switch_outages import SwitchOutages
from stasis_offload.calls.transfers import Transfers
from stasis_offload.media import events as ev
from stasis_offload.media.path import SwitchPort
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.roles import role_of
from stasis_offload.openflow import events as switch
from stasis_offload.openflow.switch import Switch
from stasis_offload.signalling import events as sig
from stasis_offload.signalling.legs import LegEvent


class Dispatcher:
    """Router of events.

    `replaced` is True once another program has registered the Stasis application: the calls are that program's.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        switches: Sequence[Switch],
        supervisor: Supervisor,
        transfers: Transfers,
        gate: OffloadGate,
    ) -> None:
        self.replaced = False
        self._registry = registry
        self._supervisor = supervisor
        self._transfers = transfers
        self._gate = gate
        self._switches = switches
        self._outages = SwitchOutages(registry, switches=switches, gate=gate)
        self._log = structlog.get_logger(__name__)

    def on_ari(self, event: ari.Event) -> None:  # noqa: PLR0912 - one row an event
        """Route an event of Asterisk."""
        match event:
            case ari.AriUp(asterisk=version):
                self._log.info("ari.up", asterisk=version)
                self._gate.problems.pop("asterisk", None)
                self._gate.unblock(ReasonKind.ASTERISK_UNREACHABLE)
                for each in self._registry:
                    each.features.resume()
            case ari.AriDown(reason):
                self._log.warning("ari.down", reason=reason)
                self._gate.problems["asterisk"] = reason
                self._gate.block(ReasonKind.ASTERISK_UNREACHABLE)
            case ari.AriReplaced():
                self._log.error("ari.replaced")
                self.replaced = True
                self._gate.problems["asterisk"] = "another program has registered the Stasis application"
            case ari.StasisStart():
                self._on_start(event)
            case (
                ari.StasisEnd(channel)
                | ari.ChannelDestroyed(channel)
                | ari.HangupRequested(channel)
                | ari.DialChanged(channel)
                | ari.Diverted(channel)
                | ari.DigitReceived(channel)
            ):
                self._on_leg_event(channel, event)
            case ari.FeatureChanged(channel, feature):
                call = self._registry.by_channel(channel)
                if call:
                    call.features.on_state(call.legs.leg(channel), feature)
            case ari.PlaybackFinished(playback):
                self._on_playback_finished(playback)
            case ari.BridgePeer(channel) | ari.Unheld(channel) | ari.Held(channel):
                call = self._registry.by_channel(channel)
                if call and isinstance(event, ari.Unheld):
                    call.features.on_unheld()
                self._on_bridge_changed(call, rebuilt=not isinstance(event, ari.Held))
            case ari.EnteredBridge(bridge, channel):
                call = self._registry.by_bridge(bridge)
                if call:
                    self._transfers.on_entered_bridge(call, channel)
            case ari.LeftBridge(bridge, channel):
                self._on_left_bridge(self._registry.by_bridge(bridge), channel)
            case ari.BridgeDestroyed(bridge):
                self._on_bridge_changed(self._registry.by_bridge(bridge))
            case ari.Transferred(bridges, channels):
                for call in {self._registry.by_bridge(bridge) for bridge in bridges} | {
                    self._registry.by_channel(channel) for channel in channels
                }:
                    self._on_bridge_changed(call)
            case _:
                assert_never(event)

    def on_switch(self, number: int, event: switch.Event) -> None:
        """Route an event of the switch of this number."""
        match event:
            case switch.SwitchUp():
                self._outages.on_up(number, event)
            case switch.SwitchDown():
                self._outages.on_down(number, event)
            case switch.PacketIn(cookie, in_port, frame):
                call, role = self._registry.by_cookie(cookie), role_of(cookie)
                if call and role:
                    call.media.on_packet_in(role, in_port=SwitchPort(number, in_port), frame=frame)
            case switch.FlowRemoved(cookie):
                call, role = self._registry.by_cookie(cookie), role_of(cookie)
                if call and role:
                    call.media.on_flow_removed(role, event, switch=number)
            case switch.Refused(reason):
                self._log.warning("switch.refused", **self._switches[number].named, error=reason)
            case switch.PortDown(port):
                self._log.info("switch.port_down", **self._switches[number].named, port=port)
                for each in self._registry:
                    each.media.post(ev.PortDown(SwitchPort(number, port)))
            case _:
                assert_never(event)

    def _on_start(self, event: ari.StasisStart) -> None:
        channel = event.channel
        call, ids = self._registry.by_channel(channel.id), self._registry.ids
        is_callee = ids.call_of_callee(channel.id) is not None
        if event.replaces is not None:
            if not self._transfers.announce(channel, replaces=event.replaces):
                self._supervisor.hang_up_orphan(channel.id)
        elif is_callee and not event.args:
            if call is None or call.dialing.over or ids.entry_of_callee(channel.id) != call.legs.entry:
                self._supervisor.hang_up_orphan(channel.id)
            else:
                call.legs.set_name(channel.id, channel.name)
                call.on_ari_event(event)
        elif call is None or (is_callee and call.id != channel.id):
            # A callee that another program sent to an extension which dials is a caller.
            self._supervisor.start(channel, event.args)
        elif call.left:
            # The channel entered Stasis() again before its previous call was over.
            self._supervisor.restart_later(event)

    def _on_leg_event(self, channel: str, event: LegEvent) -> None:
        if isinstance(event, ari.StasisEnd | ari.ChannelDestroyed):
            self._supervisor.cancel_restart(channel)
            self._registry.cancel_replacement(channel)
        self._transfers.on_leg_event(channel, event)

    def _on_playback_finished(self, playback: str) -> None:
        found = self._registry.ids.call_of_playback(playback)
        call = self._registry.get(found[0]) if found else None
        if call and found:
            call.post(sig.Played(found[1]))

    def _on_left_bridge(self, call: Call | None, channel: str) -> None:
        leg = call.legs.leg(channel) if call else None
        if call and leg is not None:
            call.post(sig.LeftBridge(leg))
        self._on_bridge_changed(call)

    def _on_bridge_changed(self, call: Call | None, *, rebuilt: bool = False) -> None:
        if call:
            self._transfers.on_bridge_changed(call, rebuilt=rebuilt)
