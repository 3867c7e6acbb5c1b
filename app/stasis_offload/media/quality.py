"""Per-leg quality (loss, jitter, RTT, MOS) from the RTP and RTCP that the switch mirrors. Unknown is None.

A leg's RTCP reports what it receives of the other leg, end to end. The sequence numbers of its RTP, compared with the
counter of its flow, give what was lost before the switch.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from stasis_offload.media.emodel import CLOCK_RATES, IMPAIRMENTS, mos, rating
from stasis_offload.media.path import Leg
from stasis_offload.packets.rtcp import Bye, Packet, ReportBlock, SenderReport

# Seconds. A larger value is no round trip: two clocks disagree, or a report was delayed.
_MAX_RTT = 5.0
# No voice stream is faster (2.5 ms is the shortest frame of Opus): a faster one restarted.
_MAX_PACKETS_PER_S = 400
# Where RFC 3550 A.1 draws the line between packets lost or late and a sequence that restarted.
_MAX_DROPOUT = 3000
_MAX_MISORDER = 100
# A switch's counter lags up to 0.5 s, 25 packets at 50/s; of this many packets that is less than 1%.
_MIN_EXPECTED = 3000
# Asterisk reports a packet time of 0 when it does not enforce one; this is then the usual one (RFC 3551 4.2).
_USUAL_PTIME = 20


@dataclass(frozen=True, slots=True)
class Stream:
    """The RTP that a leg sends now: its SSRC, Asterisk's name of its format, ms per packet (0: not known)."""

    ssrc: int
    codec: str
    ptime: int = 0


@dataclass(frozen=True, slots=True)
class LegQuality:
    """What one leg receives, and what of its own media is lost before the switch; None is not known.

    `loss` is the fraction (0 to 1) of what the other leg sent it that it did not get: since the first report that
    was mirrored, `recent_loss` only up to its last report. `jitter_ms` is as its last report has it, `rtt_ms` the round
    trip from the switch to the leg and back, `mos` 1 to 4.5. `upstream_loss` is the fraction of what this leg
    sent that never reached the switch, exact to 0.01 at first and more exact the longer
    the call lasts.
    """

    loss: float | None = None
    recent_loss: float | None = None
    jitter_ms: float | None = None
    rtt_ms: float | None = None
    mos: float | None = None
    upstream_loss: float | None = None

    def variable(self) -> str:
        """Return the value of a channel variable, like Asterisk's RTPAUDIOQOS: losses in percent, no unknowns."""
        percent = [None if loss is None else 100 * loss for loss in (self.loss, self.upstream_loss)]
        fields = (
            ("mos", self.mos, 2),
            ("loss", percent[0], 2),
            ("jitter_ms", self.jitter_ms, 1),
            ("rtt_ms", self.rtt_ms, 0),
            ("upstream_loss", percent[1], 2),
        )
        return ";".join(f"{name}={value:.{digits}f}" for name, value, digits in fields if value is not None)


@dataclass(frozen=True, slots=True)
class _Sent:
    """The last sender report of a leg: how a receiver will refer to it, and when it passed the switch."""

    ssrc: int
    short_ntp: int
    at: float


@dataclass(frozen=True, slots=True)
class _Reception:
    """The last report on what a leg receives, and packets between such reports, of all streams it was sent."""

    stream: Stream
    block: ReportBlock
    at: float
    expected: int = 0
    lost: int = 0

    def then(self, stream: Stream, block: ReportBlock, at: float) -> "_Reception":
        expected = _signed(block.highest_sequence - self.block.highest_sequence, bits=32)
        steady = 0 <= expected <= _MAX_DROPOUT + _MAX_PACKETS_PER_S * (at - self.at)
        if block.ssrc != self.block.ssrc or not steady:
            return replace(self, stream=stream, block=block, at=at)
        # Late packets make an interval's loss negative, which counts as none (RFC 3550 A.3).
        lost = min(max(block.cumulative_lost - self.block.cumulative_lost, 0), expected)
        return _Reception(stream, block, at, expected=self.expected + expected, lost=self.lost + lost)

    @property
    def loss(self) -> float:
        return self.lost / self.expected if self.expected else self.block.fraction_lost

    @property
    def jitter_ms(self) -> float | None:
        clock_rate = CLOCK_RATES.get(self.stream.codec)
        return 1000 * self.block.jitter / clock_rate if clock_rate else None


@dataclass(frozen=True, slots=True)
class _Arrivals:
    """What a leg sent and the switch counted, since the sequence and the count were first compared."""

    ssrc: int
    sequence: int
    packets: int
    expected: int = 0
    lost: int = 0

    def then(self, ssrc: int, sequence: int, packets: int) -> "_Arrivals | None":
        """Return the arrivals up to the next sample; None if it does not continue them."""
        counted = packets - self.packets
        # Both grow alike but for what was lost, so 16 bits do, however long ago the last sample was.
        lost = _signed(sequence - self.sequence - counted, bits=16)
        if ssrc != self.ssrc or counted < 0 or not -_MAX_MISORDER <= lost <= max(_MAX_DROPOUT, counted):
            return None
        expected = self.expected + counted + lost
        return _Arrivals(ssrc, sequence, packets, expected=expected, lost=self.lost + lost)


@dataclass(frozen=True, slots=True)
class _LegHistory:
    """The history of one leg. `expected` and `lost` are of the arrivals before the present ones."""

    sent: _Sent | None = None
    reception: _Reception | None = None
    rtt: float | None = None
    arrivals: _Arrivals | None = None
    expected: int = 0
    lost: int = 0

    def reported(
        self, block: ReportBlock, *, stream: Stream, now: float, sent: _Sent | None
    ) -> "_LegHistory":
        if self.reception is None:
            reception = _Reception(stream, block, now)
        else:
            reception = self.reception.then(stream, block, now)
        rtt = _round_trip(block, now=now, sent=sent)
        return replace(self, reception=reception, rtt=self.rtt if rtt is None else rtt)

    def closed(self) -> "_LegHistory":
        """Add the present arrivals to the earlier ones if there are enough of them, and restart."""
        now = self.arrivals
        if now is None or now.expected < _MIN_EXPECTED:
            return replace(self, arrivals=None)
        return replace(self, arrivals=None, expected=self.expected + now.expected, lost=self.lost + now.lost)

    @property
    def upstream_loss(self) -> float | None:
        total = self.closed()
        return max(total.lost / total.expected, 0.0) if total.expected else None


@dataclass(frozen=True, slots=True)
class Quality:
    """What is known of one call's quality: a value, and every step returns the next. It does not grow.

    `now` is seconds of one monotonic clock, the same for all steps.
    """

    caller: _LegHistory = _LegHistory()
    callee: _LegHistory = _LegHistory()

    def with_rtcp(self, leg: Leg, packets: Iterable[Packet], *, stream: Stream, now: float) -> "Quality":
        """Add RTCP of a leg that passed the switch at `now`.

        `stream` is the present RTP of the other leg, which this leg receives. Reports on any other SSRC are ignored.
        """
        end, sent = self._end(leg), self._end(leg.other).sent
        for packet in packets:
            if isinstance(packet, Bye):
                continue
            if isinstance(packet, SenderReport):
                short_ntp = packet.ntp >> 16 & 0xFFFF_FFFF
                end = replace(end, sent=_Sent(ssrc=packet.ssrc, short_ntp=short_ntp, at=now))
            for block in packet.blocks:
                if block.ssrc == stream.ssrc:
                    end = end.reported(block, stream=stream, now=now, sent=sent)
        return self._with(leg, end)

    def with_rtp_sample(self, leg: Leg, *, ssrc: int, sequence: int, packets: int) -> "Quality":
        """Compare the sequence number of a leg's RTP packet with the counter of its flow at that moment.

        What is sent between the two readings would count as loss.
        """
        end = self._end(leg)
        arrivals = end.arrivals.then(ssrc, sequence, packets) if end.arrivals else None
        if arrivals is None:
            end, arrivals = end.closed(), _Arrivals(ssrc, sequence, packets)
        return self._with(leg, replace(end, arrivals=arrivals))

    def with_counters_reset(self) -> "Quality":
        """Record a return to Asterisk: the counters restart at 0, the results are kept."""
        return Quality(caller=self.caller.closed(), callee=self.callee.closed())

    def of(self, leg: Leg) -> LegQuality:
        """Return all that is known of one leg now."""
        end = self._end(leg)
        reception = end.reception
        return LegQuality(
            loss=reception.loss if reception else None,
            recent_loss=reception.block.fraction_lost if reception else None,
            jitter_ms=reception.jitter_ms if reception else None,
            rtt_ms=None if end.rtt is None else 1000 * end.rtt,
            mos=self._mos(reception) if reception else None,
            upstream_loss=end.upstream_loss,
        )

    def _mos(self, reception: _Reception) -> float | None:
        """Return the MOS of what is received; an unknown delay counts as 0, the jitter buffer as twice the jitter."""
        impairment = IMPAIRMENTS.get(reception.stream.codec)
        if impairment is None or reception.jitter_ms is None:
            return None
        network = 1000 * sum(end.rtt or 0.0 for end in (self.caller, self.callee)) / 2
        delay_ms = network + 2 * reception.jitter_ms + (reception.stream.ptime or _USUAL_PTIME)
        return mos(rating(impairment, loss=reception.loss, delay_ms=delay_ms))

    def _end(self, leg: Leg) -> _LegHistory:
        return self.caller if leg is Leg.CALLER else self.callee

    def _with(self, leg: Leg, end: _LegHistory) -> "Quality":
        return replace(self, caller=end) if leg is Leg.CALLER else replace(self, callee=end)


def _round_trip(block: ReportBlock, *, now: float, sent: _Sent | None) -> float | None:
    """Return the seconds from the switch to the reporting leg and back (RFC 3550 6.4.1); None if unknown."""
    if sent is None or not block.last_sr or (block.ssrc, block.last_sr) != (sent.ssrc, sent.short_ntp):
        return None
    rtt = now - sent.at - block.delay_since_last_sr / 0x1_0000
    return rtt if 0 <= rtt <= _MAX_RTT else None


def _signed(value: int, *, bits: int) -> int:
    """Return the difference of two counters of so many bits, whichever of them wrapped."""
    half = 1 << bits - 1
    return (value + half) % (2 * half) - half
