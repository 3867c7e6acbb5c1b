"""Quality of one call, from the RTCP and RTP that the switch mirrors."""

from collections.abc import Iterable, Mapping, Sequence

from structlog.typing import FilteringBoundLogger

from stasis_offload.errors import BadPacketError
from stasis_offload.media import events as ev
from stasis_offload.media.path import Leg, ObservedPacket
from stasis_offload.media.quality import Quality
from stasis_offload.media.reception import Stream
from stasis_offload.media.rtcp_relay import is_own
from stasis_offload.media.state import Placement, State
from stasis_offload.openflow.flow import FlowCount
from stasis_offload.packets.rtcp import Packet, parse_rtcp

# Seconds after the cutover until no report is under way that a leg sent before.
_SETTLED_AFTER = 1.0
# Seconds between a sample and the reading of its counter. The counter of a leg of which the other sends nothing may be
# read later, for another purpose: what was sent meanwhile would count as gained, and be missing from the next comparison.
_COUNTED_WITHIN = 0.5


class MediaMonitor:
    """The quality of one call, as far as the switch has carried it."""

    def __init__(self, *, log: FilteringBoundLogger) -> None:
        self.quality = Quality()
        self._log = log
        self._malformed: set[Leg] = set()
        self._uncounted: dict[Leg, tuple[ObservedPacket, float]] = {}

    def own_reports(self, received: ev.RtcpReceived, *, placement: Placement) -> Sequence[Packet]:
        """Return the packets of a leg's own RTCP while the switch carries the call; none of any other."""
        leg, datagram = received.leg, received.datagram
        if placement.state is not State.OFFLOADED:
            return ()
        try:
            packets = parse_rtcp(datagram.payload)
        except BadPacketError as error:
            if leg not in self._malformed:
                self._log.debug("media.not_rtcp", leg=leg, error=str(error))
            self._malformed.add(leg)
            return ()
        return packets if is_own(placement, leg, datagram) else ()

    def on_report(
        self, leg: Leg, packets: Iterable[Packet], *, placement: Placement, now: float
    ) -> Sequence[ev.ReceptionStalled]:
        """Handle a leg's own RTCP while the switch carries the call; return the events for the media machine."""
        other = placement.reports[leg.other]
        stream = None
        if other.ssrc_rx is not None and now - placement.since >= _SETTLED_AFTER:
            stream = Stream(ssrc=other.ssrc_rx, codec=other.format_rx, ptime=other.ptime)
        self.quality = self.quality.with_rtcp(leg, packets, stream=stream, now=now)
        return [ev.ReceptionStalled(leg)] if self.quality.wants_count(leg, now) else ()

    def on_rtp_sample(self, observed: ev.PacketObserved, *, placement: Placement, now: float) -> None:
        """Handle a forwarded RTP packet of a leg: the first of a stay, or one whose counter is read next."""
        if observed.by_switch and observed.leg in placement.unsampled and observed.packet:
            self._uncounted[observed.leg] = observed.packet, now
            if not placement.is_verified:
                self._compare_samples({observed.leg: FlowCount()}, now)

    def on_counters(self, counts: Mapping[Leg, FlowCount], *, now: float) -> Sequence[ev.LegDeaf]:
        """Compare samples and reports with the counters that were just read; {} if they were not."""
        self._compare_samples(counts, now)
        for leg, count in counts.items():
            self.quality = self.quality.with_count(leg.other, count.packets, now=now)
        return [ev.LegDeaf(leg) for leg in Leg if self.quality.is_deaf(leg)]

    def on_relayed(self) -> None:
        """Record that the call returned to Asterisk."""
        self.quality = self.quality.with_return()

    def _compare_samples(self, counts: Mapping[Leg, FlowCount], now: float) -> None:
        for leg, (packet, at) in self._uncounted.items():
            if leg in counts and now - at <= _COUNTED_WITHIN:
                self.quality = self.quality.with_rtp_sample(
                    leg, ssrc=packet.ssrc, sequence=packet.sequence, packets=counts[leg].packets
                )
        self._uncounted.clear()
