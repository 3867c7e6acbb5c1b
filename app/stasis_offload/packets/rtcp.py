"""Parses RTCP (RFC 3550): the reports of one end of a call on what it sent and received."""

from dataclasses import dataclass
from struct import Struct

from stasis_offload.errors import BadPacketError
from stasis_offload.packets.frame import check_size

# Values of the second byte of an RTCP packet, which no RTP packet on a shared port has (RFC 5761 4).
RTCP_TYPES = range(192, 224)

_VERSION = 2
_SENDER_REPORT = 200
_RECEIVER_REPORT = 201
_BYE = 203

_HEADER = Struct("!BBH")
_SSRC = Struct("!I")
_SENDER_INFO = Struct("!IQIII")
_BLOCK = Struct("!IB3sIIII")


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """A receiver's report on one stream (RFC 3550 6.4.1).

    `fraction_lost` is 0.0 to 255/256 of the packets expected since the receiver's previous report;
    `cumulative_lost` counts packets since reception began and is negative when duplicates outnumber losses.
    `highest_sequence` is extended (cycles above 16 bits), `jitter` is in the stream's timestamp units.
    `last_sr` is the middle 32 bits of the NTP timestamp of the last sender report received, 0 for none, and
    `delay_since_last_sr` the time since then in units of 1/65536 s.
    """

    ssrc: int
    fraction_lost: float
    cumulative_lost: int
    highest_sequence: int
    jitter: int
    last_sr: int
    delay_since_last_sr: int


@dataclass(frozen=True, slots=True)
class SenderReport:
    """What `ssrc` has sent so far, and received (RFC 3550 6.4.1); `ntp` is seconds since 1900 in 32.32 bits."""

    ssrc: int
    ntp: int
    rtp_timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...]


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """What `ssrc`, which sends no RTP, has received (RFC 3550 6.4.2)."""

    ssrc: int
    blocks: tuple[ReportBlock, ...]


@dataclass(frozen=True, slots=True)
class Bye:
    """The sources that are leaving (RFC 3550 6.6)."""

    ssrcs: tuple[int, ...]


Packet = SenderReport | ReceiverReport | Bye


def parse_rtcp(data: bytes) -> tuple[Packet, ...]:
    """Parse a compound packet, or a part of one (RFC 5506), that may be truncated.

    Reports and BYE are returned, in order; any other RTCP packet is skipped. A packet longer than the data is
    truncated: its complete report blocks (for a BYE, its complete sources) are kept, and a report without its
    complete fixed part is omitted. Truncation may thus lose values, even all, but never alters one.

    Raises:
        BadPacketError: the first header is incomplete; a header has a version other than 2 or a type outside
            RTCP's; or a packet's length is too small for its item count.

    """
    check_size(data, _HEADER, "RTCP header")
    packets = []
    offset = 0
    while len(data) - offset >= _HEADER.size:
        first, kind, words = _HEADER.unpack_from(data, offset)
        if first >> 6 != _VERSION:
            raise BadPacketError(f"RTCP version {first >> 6} at byte {offset}, expected {_VERSION}")
        if kind not in RTCP_TYPES:
            raise BadPacketError(f"RTCP type at byte {offset}: {kind} is not one")
        size = 4 * words
        offset += _HEADER.size
        packet = _parse_packet(kind, count=first & 0x1F, size=size, body=data[offset : offset + size])
        if packet is not None:
            packets.append(packet)
        offset += size
    return tuple(packets)


def _parse_packet(kind: int, *, count: int, size: int, body: bytes) -> Packet | None:
    """Parse the bytes after a header; `size` is the length by the header, `body` the part of it that is present."""
    if kind == _SENDER_REPORT:
        _check_room(size, _SENDER_INFO.size + count * _BLOCK.size, "RTCP sender report")
        if len(body) < _SENDER_INFO.size:
            return None
        ssrc, ntp, rtp_timestamp, packets, octets = _SENDER_INFO.unpack_from(body)
        return SenderReport(
            ssrc=ssrc,
            ntp=ntp,
            rtp_timestamp=rtp_timestamp,
            packets=packets,
            octets=octets,
            blocks=_parse_blocks(body[_SENDER_INFO.size :], count),
        )
    if kind == _RECEIVER_REPORT:
        _check_room(size, _SSRC.size + count * _BLOCK.size, "RTCP receiver report")
        if len(body) < _SSRC.size:
            return None
        (ssrc,) = _SSRC.unpack_from(body)
        return ReceiverReport(ssrc=ssrc, blocks=_parse_blocks(body[_SSRC.size :], count))
    if kind == _BYE:
        _check_room(size, count * _SSRC.size, "RTCP BYE")
        return Bye(ssrcs=tuple(ssrc for (ssrc,) in _SSRC.iter_unpack(_whole(body, _SSRC, count))))
    return None


def _parse_blocks(body: bytes, count: int) -> tuple[ReportBlock, ...]:
    return tuple(
        ReportBlock(
            ssrc=ssrc,
            fraction_lost=fraction / 256,
            cumulative_lost=int.from_bytes(lost, "big", signed=True),
            highest_sequence=highest,
            jitter=jitter,
            last_sr=last_sr,
            delay_since_last_sr=delay,
        )
        for ssrc, fraction, lost, highest, jitter, last_sr, delay in _BLOCK.iter_unpack(
            _whole(body, _BLOCK, count)
        )
    )


def _whole(body: bytes, layout: Struct, count: int) -> bytes:
    """Return the first `count` items of `body`, or as many as are complete."""
    return body[: min(count, len(body) // layout.size) * layout.size]


def _check_room(size: int, needed: int, what: str) -> None:
    if size < needed:
        raise BadPacketError(f"{what} says it is {size} bytes long and has {needed} in it")
