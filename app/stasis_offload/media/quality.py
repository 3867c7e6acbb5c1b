"""Per-leg quality (loss, jitter, RTT, MOS) from the RTP and RTCP that the switch mirrors. Unknown is None.

A leg's RTCP reports what it receives of the other leg, end to end. The sequence numbers of its RTP, compared with the
counter of its flow, give what was lost before the switch.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from stasis_offload.media.emodel import IMPAIRMENTS, mos, rating
from stasis_offload.media.path import Leg
from stasis_offload.media.reception import USUAL_PTIME, Reception, Stream
from stasis_offload.packets.rtcp import Bye, Packet, ReceiverReport, ReportBlock, SenderReport
from stasis_offload.packets.rtp import signed

# Seconds. A larger value is no round trip: two clocks disagree, or a report was delayed.
_MAX_RTT = 5.0
# Where RFC 3550 A.1 draws the line between packets lost or late and a sequence that restarted.
_MAX_DROPOUT = 3000
_MAX_MISORDER = 100
# Open vSwitch collects the counters of its datapath every 0.5 s, and whenever it translates its flows again (udpif_revalidator
# in ofproto/ofproto-dpif-upcall.c), as it must before it shows a sample: the counter that is read next is a packet or two
# behind. Of this many packets even 0.5 s of another switch are less than 1%.
_MIN_EXPECTED = 3000


@dataclass(frozen=True, slots=True)
class LegQuality:
    """What one leg receives, and what of its own media is lost before the switch; None is not known.

    `loss` is the fraction (0 to 1) of what the other leg sent it that it did not get: since the first report of
    each stay in the switch, `recent_loss` only up to its last report. A leg that reports no progress although packets
    were forwarded to it has a `recent_loss` and a `mos` of 1. `jitter_ms` is as its last report has it, `rtt_ms` the round
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
        lost = signed(sequence - self.sequence - counted, bits=16)
        if ssrc != self.ssrc or counted < 0 or not -_MAX_MISORDER <= lost <= max(_MAX_DROPOUT, counted):
            return None
        expected = self.expected + counted + lost
        return _Arrivals(ssrc, sequence, packets, expected=expected, lost=self.lost + lost)


@dataclass(frozen=True, slots=True)
class _LegHistory:
    """The history of one leg. `expected` and `lost` are of the arrivals before the present ones.

    `returned` is whether the call has returned to Asterisk, so that a first report is of that time too.
    """

    sent: _Sent | None = None
    reception: Reception | None = None
    returned: bool = False
    rtt: float | None = None
    arrivals: _Arrivals | None = None
    expected: int = 0
    lost: int = 0

    def reported(
        self, report: SenderReport | ReceiverReport, *, stream: Stream | None, now: float, other: _Sent | None
    ) -> "_LegHistory":
        """Add what a report says of itself and of the stream, if there is one; nothing was received yet while its highest number is 0.

        `other` is the last sender report of the other leg.
        """
        sent, reception, rtt = self.sent, self.reception, self.rtt
        if isinstance(report, SenderReport):
            sent = _Sent(ssrc=report.ssrc, short_ntp=report.ntp >> 16 & 0xFFFF_FFFF, at=now)
        if stream:
            blocks = [block for block in report.blocks if block.ssrc == stream.ssrc]
            for block in blocks:
                seconds = _round_trip(block, now=now, sent=other)
                rtt = rtt if seconds is None else seconds
                if reception:
                    reception = reception.reported(stream, block, now=now)
                elif block.highest_sequence:
                    first_loss = None if self.returned else block.fraction_lost
                    reception = Reception(
                        stream, now, jitter=block.jitter, block=block, first_loss=first_loss
                    )
            if reception and not blocks:
                reception = reception.of_another() if report.blocks else reception.left_out(now)
        # Not `replace`, which takes four times as long.
        return _LegHistory(
            sent, reception, self.returned, rtt, self.arrivals, expected=self.expected, lost=self.lost
        )

    def ended(self) -> "_LegHistory":
        """Record the end of a stay."""
        reception = self.reception.ended() if self.reception else None
        return replace(self.closed(), reception=reception, returned=True)

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

    def with_rtcp(
        self, leg: Leg, packets: Iterable[Packet], *, stream: Stream | None, now: float
    ) -> "Quality":
        """Add RTCP of a leg that passed the switch at `now`.

        `stream` is the present RTP of the other leg, which this leg receives; None while reports may still be of
        the time before.
        """
        end, other = self._end(leg), self._end(leg.other).sent
        for packet in packets:
            if isinstance(packet, Bye):
                continue
            end = end.reported(packet, stream=stream, now=now, other=other)
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

    def with_count(self, leg: Leg, packets: int, *, now: float) -> "Quality":
        """Add a reading of the counter of what was forwarded to a leg, in the present stay."""
        end = self._end(leg)
        if end.reception is None:
            return self
        return self._with(leg, replace(end, reception=end.reception.counted(packets, now=now)))

    def with_return(self) -> "Quality":
        """Record a return to Asterisk: counters and reports restart, the results are kept."""
        return Quality(caller=self.caller.ended(), callee=self.callee.ended())

    def wants_count(self, leg: Leg, now: float) -> bool:
        """Return whether a leg reports no progress, so that what is forwarded to it is to be counted."""
        reception = self._end(leg).reception
        return reception is not None and reception.wants_count(now)

    def is_deaf(self, leg: Leg) -> bool:
        """Return whether a leg does not receive what the switch forwards to it."""
        reception = self._end(leg).reception
        return reception is not None and reception.is_deaf

    def of(self, leg: Leg) -> LegQuality:
        """Return all that is known of one leg now."""
        end = self._end(leg)
        reception = end.reception
        return LegQuality(
            loss=reception.loss if reception else None,
            recent_loss=reception.recent_loss if reception else None,
            jitter_ms=reception.jitter_ms if reception else None,
            rtt_ms=None if end.rtt is None else 1000 * end.rtt,
            mos=self._mos(reception) if reception else None,
            upstream_loss=end.upstream_loss,
        )

    def _mos(self, reception: Reception) -> float | None:
        """Return the MOS of what is received; an unknown delay counts as 0, the jitter buffer as twice the jitter."""
        impairment = IMPAIRMENTS.get(reception.stream.codec)
        if impairment is None or reception.loss is None:
            return None
        if not reception.receives:
            return 1.0
        if reception.jitter_ms is None:
            return None
        network = 1000 * sum(end.rtt or 0.0 for end in (self.caller, self.callee)) / 2
        delay_ms = network + 2 * reception.jitter_ms + (reception.stream.ptime or USUAL_PTIME)
        return mos(rating(impairment, loss=reception.loss, delay_ms=delay_ms))

    def _end(self, leg: Leg) -> _LegHistory:
        return self.caller if leg is Leg.CALLER else self.callee

    def _with(self, leg: Leg, end: _LegHistory) -> "Quality":
        return Quality(end, self.callee) if leg is Leg.CALLER else Quality(self.caller, end)


def _round_trip(block: ReportBlock, *, now: float, sent: _Sent | None) -> float | None:
    """Return the seconds from the switch to the reporting leg and back (RFC 3550 6.4.1); None if unknown."""
    if sent is None or not block.last_sr or (block.ssrc, block.last_sr) != (sent.ssrc, sent.short_ntp):
        return None
    rtt = now - sent.at - block.delay_since_last_sr / 0x1_0000
    return rtt if 0 <= rtt <= _MAX_RTT else None
