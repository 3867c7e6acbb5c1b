"""Parses RTCP (RFC 3550): the reports of one end of a call on what it sent and received, and whose they are."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from struct import Struct

from stasis_offload.errors import BadPacketError
from stasis_offload.packets.frame import check_size

# Values of the second byte of an RTCP packet, which no RTP packet on a shared port has (RFC 5761 4).
RTCP_TYPES = range(192, 224)

_VERSION = 2
_PADDED = 0x20
SENDER_REPORT = 200
RECEIVER_REPORT = 201
_REPORTS = (SENDER_REPORT, RECEIVER_REPORT)
_SOURCE_DESCRIPTION = 202
_BYE = 203

_CNAME = 1

_HEADER = Struct("!BBH")
_SSRC = Struct("!I")
_SENDER_INFO = Struct("!IQIII")
_BLOCK = Struct("!IB3sIIII")
_ITEM = Struct("!BB")
# Of each type that has a count: its name, and the sizes of what is before the items, and of each item.
_ITEMS = {
    SENDER_REPORT: ("RTCP sender report", _SENDER_INFO.size, _BLOCK.size),
    RECEIVER_REPORT: ("RTCP receiver report", _SSRC.size, _BLOCK.size),
    _BYE: ("RTCP BYE", 0, _SSRC.size),
}


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


def is_rtcp(data: bytes) -> bool:
    """Return whether a datagram is RTCP: not RTP, STUN or DTLS, which share ports with it (RFC 5761 4, RFC 7983 7)."""
    return len(data) >= _HEADER.size and data[0] >> 6 == _VERSION and data[1] in RTCP_TYPES


def cname_of(data: bytes) -> bytes | None:
    """Return the first CNAME in a compound packet; None if it has none, or is not whole."""
    try:
        packets = split_compound(data)
    except BadPacketError:
        return None
    for packet in packets:
        items = packet[_HEADER.size + _SSRC.size :]
        if packet[1] == _SOURCE_DESCRIPTION and len(items) > _ITEM.size:
            kind, size = _ITEM.unpack_from(items)
            if kind == _CNAME and len(items) >= _ITEM.size + size:
                return items[_ITEM.size : _ITEM.size + size]
    return None


def reporters(data: bytes) -> frozenset[int]:
    """Return the SSRCs of those whose reports are in RTCP; none if it is malformed."""
    try:
        packets = tuple(_walk(data))
    except BadPacketError:
        return frozenset()
    whole = (
        offset for offset, _, kind, _ in packets if kind in _REPORTS and len(data) - offset >= _ITEMS[kind][1]
    )
    return frozenset(_SSRC.unpack_from(data, offset)[0] for offset in whole)


def reporters_of(compound: Iterable[bytes]) -> set[int]:
    """Return the same as `reporters`, of the packets of a compound packet."""
    return {_SSRC.unpack_from(packet, _HEADER.size)[0] for packet in compound if packet[1] in _REPORTS}


def says_lost(data: bytes) -> bool:
    """Return whether a report in RTCP that may be truncated has a loss since the report before it."""
    try:
        packets = tuple(_walk(data))
    except BadPacketError:
        return False
    for offset, first, kind, size in packets:
        if kind in _REPORTS:
            begin = offset + _ITEMS[kind][1]
            blocks = _whole(data[begin : offset + size], _BLOCK, first & 0x1F)
            if any(blocks[_SSRC.size :: _BLOCK.size]):  # the fraction lost of each follows its SSRC
                return True
    return False


def with_cname(data: bytes, cname: bytes) -> bytes:
    """Return a compound packet with this CNAME of its sender in place of all that it says of persons (SDES).

    The CNAME, of at most 255 bytes, follows the reports: each compound packet has one (RFC 3550 6.1).
    Raises as `split_compound`.
    """
    return renamed(split_compound(data), cname)


def renamed(compound: Sequence[bytes], cname: bytes) -> bytes:
    """Return the same as `with_cname`, of the packets of a compound packet."""
    packets = [packet for packet in compound if packet[1] != _SOURCE_DESCRIPTION]
    reports = next(
        (number for number, packet in enumerate(packets) if packet[1] not in _REPORTS), len(packets)
    )
    sender = packets[0][_HEADER.size : _HEADER.size + _SSRC.size]
    items = _ITEM.pack(_CNAME, len(cname)) + cname
    chunk = sender + items + bytes(4 - len(items) % 4)  # at least one null ends the items (6.5)
    description = _HEADER.pack(_VERSION << 6 | 1, _SOURCE_DESCRIPTION, len(chunk) // 4) + chunk
    return b"".join((*packets[:reports], description, *packets[reports:]))


def split_compound(data: bytes) -> tuple[bytes, ...]:
    """Return the packets of a whole compound packet.

    Raises:
        BadPacketError: as `parse_rtcp`; or it is not valid by RFC 3550 A.2: the first packet is no report, or is
            padded, or the lengths do not add up.

    """
    packets = []
    for offset, _first, _kind, size in _walk(data):
        if offset + size > len(data):
            raise BadPacketError(f"RTCP packet cut short: {len(data) - offset} of {size} bytes")
        packets.append(data[offset - _HEADER.size : offset + size])
    if data[1] not in _REPORTS or data[0] & _PADDED:
        raise BadPacketError(f"RTCP begins with 0x{data[:2].hex()}, and not with a report")
    if sum(map(len, packets)) < len(data):
        raise BadPacketError("RTCP header cut short: there are bytes after the last packet")
    return tuple(packets)


def parse_rtcp(data: bytes) -> tuple[Packet, ...]:
    """Parse a compound packet, or a part of one (RFC 5506), that may be truncated.

    Reports and BYE are returned, in order; any other RTCP packet is skipped. A packet longer than the data is
    truncated: its complete report blocks (for a BYE, its complete sources) are kept, and a report without its
    complete fixed part is omitted. Truncation may thus lose values, even all, but never alters one.

    Raises:
        BadPacketError: the first header is incomplete; a header has a version other than 2 or a type outside
            RTCP's; or a packet's length is too small for its item count.

    """
    packets = []
    for offset, first, kind, size in _walk(data):
        packet = _parse_packet(kind, count=first & 0x1F, body=data[offset : offset + size])
        if packet is not None:
            packets.append(packet)
    return tuple(packets)


def parse_packets(compound: Iterable[bytes]) -> tuple[Packet, ...]:
    """Return the same as `parse_rtcp`, of the packets of a compound packet."""
    parsed = (
        _parse_packet(packet[1], count=packet[0] & 0x1F, body=packet[_HEADER.size :]) for packet in compound
    )
    return tuple(packet for packet in parsed if packet is not None)


def _walk(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield where each packet's body begins, the first byte of its header, its type, and the size that it says it has."""
    check_size(data, _HEADER, "RTCP header")
    offset = 0
    while len(data) - offset >= _HEADER.size:
        first, kind, words = _HEADER.unpack_from(data, offset)
        if first >> 6 != _VERSION:
            raise BadPacketError(f"RTCP version {first >> 6} at byte {offset}, expected {_VERSION}")
        if kind not in RTCP_TYPES:
            raise BadPacketError(f"RTCP type at byte {offset}: {kind} is not one")
        size = 4 * words
        offset += _HEADER.size
        if kind in _ITEMS:
            what, fixed, each = _ITEMS[kind]
            needed = fixed + (first & 0x1F) * each
            if size < needed:
                raise BadPacketError(f"{what} says it is {size} bytes long and has {needed} in it")
        yield offset, first, kind, size
        offset += size


def _parse_packet(kind: int, *, count: int, body: bytes) -> Packet | None:
    """Parse the bytes after a header, as far as they are present."""
    if kind == SENDER_REPORT:
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
    if kind == RECEIVER_REPORT:
        if len(body) < _SSRC.size:
            return None
        (ssrc,) = _SSRC.unpack_from(body)
        return ReceiverReport(ssrc=ssrc, blocks=_parse_blocks(body[_SSRC.size :], count))
    if kind == _BYE:
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
