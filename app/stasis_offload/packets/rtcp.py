"""RTCP out of bytes, by RFC 3550: what one end of a call reports of what it sent and what it heard."""

from dataclasses import dataclass
from struct import Struct

from stasis_offload.errors import BadPacketError
from stasis_offload.packets.frame import check_size

# The second byte of every RTCP packet, and of no RTP packet that might share its port (RFC 5761 4).
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
    """What a receiver says of one stream (RFC 3550 6.4.1).

    `fraction_lost` is 0.0 to 255/256, of what was expected since the receiver's previous report;
    `cumulative_lost` counts packets since its reception began and is negative when duplicates outnumber losses.
    `highest_sequence` is the extended one (cycles above 16 bits), `jitter` in the stream's timestamp units.
    `last_sr` is the middle 32 bits of the NTP timestamp of the last sender report it got, 0 for none, and
    `delay_since_last_sr` what it waited since, in units of 1/65536 s.
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
    """What `ssrc` sent so far, and heard (RFC 3550 6.4.1); `ntp` is 32.32 bits of seconds since 1900."""

    ssrc: int
    ntp: int
    rtp_timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...]


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """What `ssrc`, which sends nothing, heard (RFC 3550 6.4.2)."""

    ssrc: int
    blocks: tuple[ReportBlock, ...]


@dataclass(frozen=True, slots=True)
class Bye:
    """The sources that end (RFC 3550 6.6)."""

    ssrcs: tuple[int, ...]


Packet = SenderReport | ReceiverReport | Bye


def parse_rtcp(data: bytes) -> tuple[Packet, ...]:
    """Read a compound packet, or a part of one (RFC 5506), whose end may be missing.

    Reports and BYE are returned, in order; any other RTCP packet is skipped. A packet that goes on beyond the
    data was cut: of it, the report blocks (of a BYE, the sources) that are whole are kept, and a report
    without its whole fixed part is left out. So a cut may return less, down to nothing, but never anything else.

    Raises:
        BadPacketError: the first header is not whole; some header has a version other than 2 or a type that
            is not of RTCP; or a packet says it is shorter than what it says it has in it.

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


def empty_receiver_report(ssrc: int) -> bytes:
    """Build the report of `ssrc` that says nothing of anybody: no report blocks (RFC 3550 6.4.2), 8 bytes."""
    return _HEADER.pack(_VERSION << 6, _RECEIVER_REPORT, 1) + _SSRC.pack(ssrc)


def _parse_packet(kind: int, *, count: int, size: int, body: bytes) -> Packet | None:
    """Read what follows a header; `size` is what it says follows, `body` as much of that as there is."""
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
    """Return the first `count` items of `body`, or as many as are whole."""
    return body[: min(count, len(body) // layout.size) * layout.size]


def _check_room(size: int, needed: int, what: str) -> None:
    if size < needed:
        raise BadPacketError(f"{what} says it is {size} bytes long and has {needed} in it")
