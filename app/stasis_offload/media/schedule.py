"""When the packets of a leg come if nothing delays them: their RTP timestamps are the sender's clock (RFC 3550 5.1)."""

from collections.abc import Mapping
from dataclasses import dataclass

from stasis_offload.asterisk.leg_report import LegReport
from stasis_offload.media.emodel import CLOCK_RATES
from stasis_offload.media.path import Leg, ObservedPacket
from stasis_offload.packets.rtp import signed

# Seconds. Two clocks that differ by 100 ppm are 3 ms apart by then.
_MAX_AGE = 30.0
# How far a late packet moves the schedule: a way that became longer by 40 ms is known after some ten packets.
_WEIGHT = 0.125
# Seconds. A packet that is later than this follows a pause in which the sender's clock stood still.
_MAX_DELAY = 0.1


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a packet of a stream, by its timestamp, would have come without delay (s)."""

    ssrc: int
    timestamp: int
    at: float
    clock_rate: int

    def arrival(self, packet: ObservedPacket) -> float | None:
        """Return when a packet of the stream would have come without delay; None for one of another stream."""
        if packet.ssrc != self.ssrc:
            return None
        return self.at + signed(packet.timestamp - self.timestamp, bits=32) / self.clock_rate

    def with_packet(self, packet: ObservedPacket, at: float) -> "Schedule":
        """Return the schedule after one more packet: an early one sets it, a late one moves it a little."""
        arrival = self.arrival(packet)
        if arrival is not None and 0 <= at - arrival <= _MAX_DELAY and at - self.at <= _MAX_AGE:
            at = arrival + _WEIGHT * (at - arrival)
        return Schedule(packet.ssrc, packet.timestamp, at, self.clock_rate)


def schedules_with(
    schedules: Mapping[Leg, Schedule], report: LegReport, leg: Leg, packet: ObservedPacket, at: float
) -> Mapping[Leg, Schedule]:
    """Return the schedules after one more packet of a leg; one of a digit has the time of its beginning, and tells nothing."""
    clock_rate = CLOCK_RATES.get(report.format_rx)
    if clock_rate is None or packet.payload_type != report.audio_pt_rx:
        return schedules
    known = schedules.get(leg)
    if known is None or known.clock_rate != clock_rate:
        known = Schedule(packet.ssrc, packet.timestamp, at, clock_rate)
    return {**schedules, leg: known.with_packet(packet, at)}
