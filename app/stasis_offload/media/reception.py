"""What one leg reports of the stream that it receives, beside what the switch forwarded to it meanwhile."""

from dataclasses import dataclass, replace

from stasis_offload.media.emodel import CLOCK_RATES
from stasis_offload.packets.rtcp import ReportBlock
from stasis_offload.packets.rtp import signed

# No voice stream is faster (2.5 ms is the shortest frame of Opus): a faster one restarted.
_MAX_PACKETS_PER_S = 400
# Where RFC 3550 A.1 draws the line between packets lost or late and a sequence that restarted.
_MAX_DROPOUT = 3000
# Seconds. Jitter is a mean difference between times in transit (RFC 3550 A.8), which are below this (_MAX_RTT in
# quality.py). A larger value is in other units: twinkle's is some 158,000,000.
_MAX_JITTER = 5.0
# Asterisk reports a packet time of 0 when it does not enforce one; this is then the usual one (RFC 3551 4.2).
USUAL_PTIME = 20

# Seconds between two readings of a counter that are compared: a counter lags up to 0.5 s (_MIN_EXPECTED in quality.py).
_MIN_INTERVAL = 2.0
# The part of the usual packets that must be forwarded in an interval: audio of 60 ms a packet is a third of them, and
# comfort noise, which Asterisk may drop, is less.
_WENT_ON = 0.3
# Such intervals, each with a report that shows no progress; with the report before them, that is three reports.
_DEAF_INTERVALS = 2
# Seconds. A leg that has received nothing since its last report may leave the stream out of the next one (RFC 3550 6.4);
# two parties report every 5 s or sooner, at random up to 1.5 times as late (6.3.1).
_LEFT_OUT_AFTER = 10.0


@dataclass(frozen=True, slots=True)
class Stream:
    """The RTP that a leg sends now: its SSRC, Asterisk's name of its format, ms per packet (0: not known)."""

    ssrc: int
    codec: str
    ptime: int = 0


@dataclass(frozen=True, slots=True)
class _Stall:
    """Successive reports of a leg without progress.

    `at` and `packets` are the last reading of the counter of what is forwarded to the leg, `reported` whether a report
    came since. `intervals` are those in which the stream went on, `unheard` the packets forwarded in them.
    """

    at: float | None = None
    packets: int = 0
    reported: bool = True
    intervals: int = 0
    unheard: int = 0

    def wants_count(self, now: float) -> bool:
        return self.at is None or (self.reported and now - self.at >= _MIN_INTERVAL)

    def counted(self, packets: int, *, ptime: int, now: float) -> "_Stall":
        if not self.wants_count(now):
            return self
        after = replace(self, at=now, packets=packets, reported=False)
        if self.at is None:
            return after
        forwarded = packets - self.packets
        if forwarded * ptime < _WENT_ON * 1000 * (now - self.at):
            return after  # the other leg is silent
        return replace(after, intervals=self.intervals + 1, unheard=self.unheard + forwarded)


@dataclass(frozen=True, slots=True)
class Reception:
    """What a leg has reported of its reception while the switch carried the call.

    `block` is its last report in the present stay, `at` when its highest sequence number last grew; `expected` and
    `lost` are packets between reports of one stay, of all stays and streams. `first_loss` is the loss before the first
    report of all, None if another stay preceded that.
    """

    stream: Stream
    at: float
    jitter: int = 0
    block: ReportBlock | None = None
    first_loss: float | None = None
    expected: int = 0
    lost: int = 0
    stall: _Stall | None = None

    def reported(self, stream: Stream, block: ReportBlock, *, now: float) -> "Reception":
        """Add a report on the stream; the first of a stay is of no use while its highest number is 0."""
        if self.block is None and not block.highest_sequence:
            return self
        if self.block is None or block.ssrc != self.block.ssrc:
            return self._restarted_by(stream, block, now)
        expected = signed(block.highest_sequence - self.block.highest_sequence, bits=32)
        if expected == 0:
            stall = replace(self.stall or _Stall(), reported=True)
            return replace(self, stream=stream, jitter=block.jitter, block=block, stall=stall)
        if not 0 < expected <= _MAX_DROPOUT + _MAX_PACKETS_PER_S * (now - self.at):
            return self._restarted_by(stream, block, now)
        # Late packets make an interval's loss negative, which counts as none (RFC 3550 A.3). A receiver that restarts
        # after a long gap (A.1) does not count what it missed; the switch did.
        lost = max(block.cumulative_lost - self.block.cumulative_lost, self._unheard)
        lost = min(lost, expected)
        # Not `replace`, which takes four times as long.
        return Reception(
            stream,
            now,
            jitter=block.jitter,
            block=block,
            first_loss=self.first_loss,
            expected=self.expected + expected,
            lost=self.lost + lost,
        )

    def _restarted_by(self, stream: Stream, block: ReportBlock, now: float) -> "Reception":
        return replace(self.restarted(), stream=stream, at=now, jitter=block.jitter, block=block)

    def left_out(self, now: float) -> "Reception":
        """Add a report that does not mention the stream."""
        if self.block is None or now - self.at < _LEFT_OUT_AFTER:
            return self
        return replace(self, stall=replace(self.stall or _Stall(), reported=True))

    def of_another(self) -> "Reception":
        """Record a report on another stream, so that the leg does receive."""
        return replace(self, stall=None)

    def counted(self, packets: int, *, now: float) -> "Reception":
        """Add a reading of the counter of what is forwarded to the leg."""
        if self.stall is None:
            return self
        ptime = self.stream.ptime or USUAL_PTIME
        return replace(self, stall=self.stall.counted(packets, ptime=ptime, now=now))

    def restarted(self) -> "Reception":
        """Keep what is known of the stream before: nothing that is reported next continues it."""
        return replace(
            self, expected=self.expected + self._unheard, lost=self.lost + self._unheard, stall=None
        )

    def ended(self) -> "Reception":
        """Record the end of a stay: what is reported next is not to be compared with what was reported in it."""
        return replace(self.restarted(), block=None)

    def wants_count(self, now: float) -> bool:
        """Return whether a reading of the counter would tell a deaf leg from a silent other one."""
        return self.stall is not None and self.stall.wants_count(now)

    @property
    def is_deaf(self) -> bool:
        """Whether three successive reports show no progress although the stream went on being forwarded."""
        return self.stall is not None and self.stall.intervals >= _DEAF_INTERVALS

    @property
    def receives(self) -> bool:
        """Whether nothing says that the leg receives nothing of what is forwarded to it now."""
        return not self._unheard

    @property
    def loss(self) -> float | None:
        """The part of what was sent to the leg that it did not get (0 to 1), over all stays."""
        expected = self.expected + self._unheard
        return (self.lost + self._unheard) / expected if expected else self.first_loss

    @property
    def recent_loss(self) -> float | None:
        """The same since the report before the last, in the present stay."""
        if self.block is None or self.loss is None:
            return None
        return self.block.fraction_lost if self.receives else 1.0

    @property
    def jitter_ms(self) -> float | None:
        """The jitter of what the leg receives; None if it cannot be."""
        clock_rate = CLOCK_RATES.get(self.stream.codec)
        if clock_rate is None or self.jitter > _MAX_JITTER * clock_rate:
            return None
        return 1000 * self.jitter / clock_rate

    @property
    def _unheard(self) -> int:
        return self.stall.unheard if self.stall else 0
