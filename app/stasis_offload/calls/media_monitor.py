"""Quality of one call, from the RTCP and RTP that the switch mirrors."""

from structlog.typing import FilteringBoundLogger

from stasis_offload.errors import BadPacketError
from stasis_offload.media import events as ev
from stasis_offload.media.path import Leg
from stasis_offload.media.quality import Quality, Stream
from stasis_offload.media.state import Placement, State
from stasis_offload.openflow.flow import FlowCount
from stasis_offload.packets.address import MAX_PORT
from stasis_offload.packets.frame import parse_udp
from stasis_offload.packets.rtcp import parse_rtcp


class MediaMonitor:
    """The quality of one call, as far as the switch has carried it."""

    def __init__(self, *, log: FilteringBoundLogger) -> None:
        self.quality = Quality()
        self._log = log

    def on_rtcp(
        self, leg: Leg, frame: bytes, *, placement: Placement, now: float
    ) -> ev.RtcpPortLearned | None:
        """Handle an RTCP packet of a leg; return the event for the media machine, if there is one."""
        if placement.state is not State.OFFLOADED or placement.path is None:
            return None
        try:
            datagram = parse_udp(frame)
            packets = parse_rtcp(datagram.payload)
        except BadPacketError as error:
            self._log.info("media.not_rtcp", leg=leg, error=str(error))
            return None
        other = placement.reports[leg.other]
        if other.ssrc_rx is not None:
            stream = Stream(ssrc=other.ssrc_rx, codec=other.format_rx, ptime=other.ptime)
            self.quality = self.quality.with_rtcp(leg, packets, stream=stream, now=now)
        port = datagram.source.port
        known = placement.rtcp_ports.get(leg, min(placement.path.attachment(leg).remote.port + 1, MAX_PORT))
        return None if port == known else ev.RtcpPortLearned(leg, port)

    def on_rtp_sample(self, observed: ev.PacketObserved, *, placement: Placement) -> None:
        """Handle a forwarded RTP packet of a leg; `placement` has the counter of its flow at that moment."""
        if observed.by_switch and observed.leg in placement.unsampled and observed.packet:
            counted = placement.counts.get(observed.leg, FlowCount()).packets
            self.quality = self.quality.with_rtp_sample(
                observed.leg, ssrc=observed.packet.ssrc, sequence=observed.packet.sequence, packets=counted
            )

    def on_relayed(self) -> None:
        """Record that the call returned to Asterisk."""
        self.quality = self.quality.with_counters_reset()
