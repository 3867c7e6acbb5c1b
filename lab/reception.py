"""What arrives at a stream of lab/rtp_talker.py, for its reports; runs in the container, standard library only."""

import struct
from dataclasses import dataclass, field

RATE = 8000
VERSION = 2
SENDER_REPORT = 200

RTP = struct.Struct("!BBHII")
SENDER_REPORT_HEAD = struct.Struct("!BBHIIIIII")
_BLOCK = struct.Struct("!IIIIII")

# A sequence that jumps further ahead, or further back, begins anew, if two packets say so (RFC 3550 A.1).
_MAX_DROPOUT = 3000
_MAX_MISORDER = 100


@dataclass
class Source:
    """What has arrived of one SSRC (RFC 3550 A.1, A.3, A.8).

    When Asterisk begins to bridge natively it may send a packet of its own numbers with the SSRC of the other party.
    """

    ssrc: int
    first: int
    highest: int
    transit: int
    packets: int = 0
    jitter: float = 0.0
    expected_before: int = 0
    packets_before: int = 0
    after_jump: int | None = None

    def count(self, sequence: int, transit: int) -> None:
        """Count an RTP packet."""
        ahead = (sequence - self.highest + 0x8000) % 0x10000 - 0x8000
        if -_MAX_MISORDER < ahead < _MAX_DROPOUT:
            self.highest += max(ahead, 0)
        elif sequence == self.after_jump:
            self.first = self.highest = sequence
            self.packets = self.expected_before = self.packets_before = 0
        else:
            self.after_jump = (sequence + 1) & 0xFFFF
            return
        self.packets += 1
        moved = (transit - self.transit + 0x80000000) % 0x100000000 - 0x80000000
        self.jitter += (abs(moved) - self.jitter) / 16
        self.transit = transit


@dataclass
class Heard:
    """What arrives at a stream's sockets, as a report tells it (RFC 3550 6.2.1, 6.4.1); times in s."""

    sources: dict[int, Source] = field(default_factory=dict)
    source: Source | None = None
    report: int = 0
    report_at: float = 0.0

    def rtp(self, data: bytes, now: float) -> None:
        """Count an RTP packet of its source, which is the one that is reported from now on."""
        if len(data) < RTP.size or data[0] >> 6 != VERSION:
            return
        _, _, sequence, timestamp, ssrc = RTP.unpack_from(data)
        transit = int(now * RATE) - timestamp
        self.source = self.sources.setdefault(ssrc, Source(ssrc, sequence, sequence, transit))
        self.source.count(sequence, transit)

    def rtcp(self, data: bytes, now: float) -> None:
        """Keep the middle of a sender report's time, for our next report to give back."""
        if len(data) >= SENDER_REPORT_HEAD.size and data[1] == SENDER_REPORT:
            seconds, fraction = SENDER_REPORT_HEAD.unpack_from(data)[4:6]
            self.report, self.report_at = (seconds & 0xFFFF) << 16 | fraction >> 16, now

    def block(self, now: float) -> bytes:
        """Write the report block; nothing when nothing was heard."""
        heard = self.source
        if heard is None:
            return b""
        expected = heard.highest - heard.first + 1
        span, got = expected - heard.expected_before, heard.packets - heard.packets_before
        heard.expected_before, heard.packets_before = expected, heard.packets
        fraction = min(255, (span - got) * 256 // span) if span > got else 0
        lost = max(expected - heard.packets, 0)
        delay = int((now - self.report_at) * 65536) if self.report else 0
        return _BLOCK.pack(
            heard.ssrc,
            fraction << 24 | lost,
            heard.highest & 0xFFFFFFFF,
            int(heard.jitter),
            self.report,
            delay,
        )
