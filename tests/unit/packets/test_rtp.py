"""RTP and RTCP headers by RFC 3550, and what a switch's copy of a packet shows of them."""

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.errors import BadPacketError
from stasis_offload.media.path import Headers, ObservedPacket, parse_observed_packet
from stasis_offload.packets.frame import Tag
from stasis_offload.packets.rtp import RtpHeader, parse_rtp
from tests.support.packets import at, frame, rtp
from tests.support.strategies import UINT16, UINT32
from tests.unit.packets.test_frame import PLAIN

# Payload types that share a port with RTCP without being taken for it (RFC 5761 4).
PAYLOAD_TYPES = st.integers(0, 63) | st.integers(96, 127)


@given(
    payload_type=PAYLOAD_TYPES,
    marker=st.booleans(),
    sequence=UINT16,
    timestamp=UINT32,
    ssrc=UINT32,
    sources=st.integers(0, 15),
    extension=st.none() | st.integers(0, 4),
)
def test_a_header_is_read_as_it_was_sent(  # noqa: PLR0913 - its fields
    *,
    payload_type: int,
    marker: bool,
    sequence: int,
    timestamp: int,
    ssrc: int,
    sources: int,
    extension: int | None,
) -> None:
    first = 0x80 | (extension is not None) << 4 | sources
    fixed = struct.pack("!BBHII", first, marker << 7 | payload_type, sequence, timestamp, ssrc)
    more = bytes(4 * sources)
    if extension is not None:
        more += struct.pack("!HH", 0xBEDE, extension) + bytes(4 * extension)
    assert parse_rtp(fixed + more + bytes(160)) == RtpHeader(
        payload_type=payload_type,
        marker=marker,
        sequence=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        size=len(fixed + more),
    )


@given(st.binary(max_size=40))
def test_any_bytes_are_rtp_or_a_bad_packet(data: bytes) -> None:
    try:
        assert 12 <= parse_rtp(data).size <= len(data)
    except BadPacketError as error:
        assert str(error)  # noqa: PT017 - whichever it is


def test_a_packet_cut_within_its_extension_counts_as_far_as_it_goes() -> None:
    whole = struct.pack("!BBHIIHH", 0x90, 0, 1, 2, 3, 0xBEDE, 20)
    assert [parse_rtp(whole[:cut]).size for cut in (12, 14, 16)] == [12, 14, 16]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (bytes(11), "RTP header cut short: 11 of 12 bytes"),
        (bytes(12), "RTP version 0, expected 2"),
        (b"\xc0" + bytes(11), "RTP version 3, expected 2"),
        (b"\x80\xc8" + bytes(10), "RTCP packet type 200 where RTP was expected"),
    ],
)
def test_what_is_not_rtp_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(BadPacketError, match=why):
        parse_rtp(data)


def test_the_first_128_bytes_of_a_frame_show_all_of_a_sighting() -> None:
    payload = rtp(sequence=7, payload_type=8, ssrc=0xCAFE)
    wire = frame(replace(PLAIN, tag=Tag(12), payload=payload))
    assert parse_observed_packet(at(3), wire[:128]) == ObservedPacket(
        headers=Headers(
            in_port=at(3),
            tag=Tag(12),
            eth_src=PLAIN.eth_src,
            eth_dst=PLAIN.eth_dst,
            source=PLAIN.source,
            destination=PLAIN.destination,
            dscp=0,
        ),
        ttl=PLAIN.ttl,
        size=len(payload),
        payload_type=8,
        sequence=7,
        timestamp=parse_rtp(payload).timestamp,
        ssrc=0xCAFE,
        head=payload[12:16],
    )


def test_a_frame_that_carries_something_else_is_no_sighting() -> None:
    with pytest.raises(BadPacketError, match="RTP version 0"):
        parse_observed_packet(at(3), frame(replace(PLAIN, payload=bytes(20))))
