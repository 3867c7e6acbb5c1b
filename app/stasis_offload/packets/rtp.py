"""Parses RTP headers (RFC 3550). Anything else is an error that gives the reason."""

from dataclasses import dataclass
from struct import Struct

from stasis_offload.errors import BadPacketError
from stasis_offload.packets.frame import check_size
from stasis_offload.packets.rtcp import RTCP_TYPES

_RTP = Struct("!BBHII")

_VERSION = 2


@dataclass(frozen=True, slots=True)
class RtpHeader:
    """The fixed header of an RTP packet (RFC 3550 5.1).

    `size` is the number of bytes before the payload: 12, the CSRC list and the header extension. For a packet
    truncated before its payload, it is the number of bytes present.
    """

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    size: int


def parse_rtp(data: bytes) -> RtpHeader:
    """Parse the header of an RTP packet that may be truncated.

    Raises:
        BadPacketError: fewer than 12 bytes, a version other than 2, or RTCP.

    """
    check_size(data, _RTP, "RTP header")
    first, second, sequence, timestamp, ssrc = _RTP.unpack_from(data)
    if first >> 6 != _VERSION:
        raise BadPacketError(f"RTP version {first >> 6}, expected {_VERSION}")
    if second in RTCP_TYPES:
        raise BadPacketError(f"RTCP packet type {second} where RTP was expected")
    size = _RTP.size + 4 * (first & 0x0F)
    if first & 0x10:
        words = int.from_bytes(data[size + 2 : size + 4], "big")
        size += 4 + 4 * words
    return RtpHeader(
        payload_type=second & 0x7F,
        marker=bool(second & 0x80),
        sequence=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        size=min(size, len(data)),
    )


def signed(value: int, *, bits: int) -> int:
    """Return the difference of two counters of so many bits, whichever of them wrapped."""
    half = 1 << bits - 1
    return (value + half) % (2 * half) - half
