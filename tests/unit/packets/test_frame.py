"""Frames as they come from the wire, whole, cut short or something else; and as we put them there."""

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.errors import BadPacketError
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Datagram, Envelope, Tag, build_udp, parse_udp, take_apart
from tests.support.packets import frame
from tests.support.strategies import DSCPS, FAMILIES, MACS, TAGS, addresses


def datagrams(family: int) -> st.SearchStrategy[Datagram]:
    return st.builds(
        lambda datagram: replace(datagram, size=len(datagram.payload)),
        st.builds(
            Datagram,
            eth_src=MACS,
            eth_dst=MACS,
            tag=TAGS,
            source=addresses(family),
            destination=addresses(family),
            ttl=st.integers(0, 255),
            size=st.just(0),
            payload=st.binary(max_size=40),
            dscp=DSCPS,
        ),
    )


DATAGRAMS = FAMILIES.flatmap(datagrams)

PLAIN = Datagram(
    eth_src="02:00:00:00:00:0a",
    eth_dst="02:00:00:00:00:01",
    tag=None,
    source=Address.parse("198.18.0.10:4000"),
    destination=Address.parse("198.18.0.1:10000"),
    ttl=64,
    size=20,
    payload=bytes(range(20)),
)
SIX = replace(
    PLAIN, source=Address.parse("[2001:db8::a]:4000"), destination=Address.parse("[2001:db8::1]:10000")
)


def patched(wire: bytes, offset: int, new: bytes) -> bytes:
    return wire[:offset] + new + wire[offset + len(new) :]


@given(DATAGRAMS, st.binary(max_size=20))
def test_a_datagram_is_read_as_it_was_sent_and_without_ethernets_padding(
    sent: Datagram, padding: bytes
) -> None:
    assert parse_udp(frame(sent) + padding) == sent


@given(DATAGRAMS, st.binary(max_size=20))
def test_a_whole_frame_taken_apart_has_the_payload_and_ttl_that_are_read(
    sent: Datagram, padding: bytes
) -> None:
    taken = take_apart(frame(sent) + padding)
    assert taken is not None
    assert taken[1:] == (sent.ttl, sent.payload)


@given(DATAGRAMS, DATAGRAMS, st.data())
def test_what_is_taken_apart_is_read_alike_and_has_the_same_headers_only_if_they_are_read_alike(
    one: Datagram, another: Datagram, data: st.DataObject
) -> None:
    other = data.draw(st.sampled_from([another, replace(one, ttl=another.ttl, payload=another.payload)]))
    wires = [frame(one), frame(other)]
    if data.draw(st.booleans()):
        offset = data.draw(st.integers(0, len(wires[1]) - 1))
        wires[1] = patched(wires[1], offset, data.draw(st.binary(min_size=1, max_size=1)))
    (first, *_), taken = take_apart(wires[0]) or (b"",), take_apart(wires[1])
    if taken is None:
        return
    read = parse_udp(wires[1])
    assert taken[1:] == (read.ttl, read.payload)
    if taken[0] == first:
        assert replace(read, ttl=one.ttl, size=one.size, payload=one.payload) == parse_udp(wires[0])


@given(DATAGRAMS, st.integers(0, 255), st.binary(max_size=40))
def test_an_envelope_makes_the_frame_that_is_built_of_a_whole_datagram(
    of: Datagram, ttl: int, payload: bytes
) -> None:
    whole = replace(of, ttl=ttl, size=len(payload), payload=payload)
    assert Envelope(of).wrap(payload, ttl=ttl) == build_udp(whole)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_datagram_or_a_bad_packet(wire: bytes) -> None:
    try:
        parse_udp(wire)
    except BadPacketError as error:
        assert str(error)  # noqa: PT017 - whichever it is


@given(DATAGRAMS, st.data())
def test_a_frame_with_any_byte_changed_is_a_datagram_or_a_bad_packet(
    sent: Datagram, data: st.DataObject
) -> None:
    wire = frame(sent)
    offset = data.draw(st.integers(0, len(wire) - 1))
    try:
        parse_udp(patched(wire, offset, data.draw(st.binary(min_size=1, max_size=1))))
    except BadPacketError as error:
        assert str(error)  # noqa: PT017 - whichever it is


@given(DATAGRAMS, st.data())
def test_a_frame_cut_after_its_udp_header_says_how_much_was_sent(sent: Datagram, data: st.DataObject) -> None:
    wire = frame(sent)
    missing = data.draw(st.integers(0, len(sent.payload)))
    got = parse_udp(wire[: len(wire) - missing])
    assert got == replace(sent, payload=sent.payload[: sent.size - missing])


def test_ipv4_options_are_skipped() -> None:
    wire = frame(PLAIN)
    with_option = patched(wire[:34], 14, b"\x46\x00\x00\x34") + b"\x01\x01\x01\x00" + wire[34:]
    assert parse_udp(with_option) == PLAIN


@pytest.mark.parametrize(
    ("wire", "why"),
    [
        (b"", "Ethernet header cut short: 0 of 14 bytes"),
        (frame(replace(PLAIN, tag=Tag(7)))[:16], "802.1Q tag cut short: 2 of 4 bytes"),
        (frame(PLAIN)[:33], "IPv4 header cut short: 19 of 20 bytes"),
        (frame(PLAIN)[:41], "UDP header cut short: 7 of 8 bytes"),
        (frame(SIX)[:53], "IPv6 header cut short: 39 of 40 bytes"),
        (frame(SIX)[:61], "UDP header cut short: 7 of 8 bytes"),
        (patched(frame(PLAIN), 12, b"\x08\x06"), "EtherType 0x0806 is neither IPv4 nor IPv6"),
        (patched(frame(PLAIN), 12, b"\x88\xa8"), "EtherType 0x88a8"),
        (patched(frame(replace(PLAIN, tag=Tag(7))), 16, b"\x81\x00"), "EtherType 0x8100"),
        (patched(frame(PLAIN), 14, b"\x65"), "not an IPv4 header"),
        (patched(frame(PLAIN), 14, b"\x44"), "not an IPv4 header"),
        (patched(frame(PLAIN), 16, b"\x00\x13"), "not an IPv4 header"),
        (patched(frame(PLAIN), 20, b"\x20\x00"), "a fragment"),
        (patched(frame(PLAIN), 20, b"\x00\x01"), "a fragment"),
        (patched(frame(PLAIN), 23, b"\x06"), "IP protocol 6 is not UDP"),
        (patched(frame(SIX), 14, b"\x45"), "not an IPv6 header"),
        (patched(frame(SIX), 20, b"\x2c"), "IPv6 next header 44 is not UDP"),
        (patched(frame(PLAIN), 38, b"\x00\x07"), "UDP length 7 in 28 bytes of IP payload"),
        (patched(frame(PLAIN), 38, b"\x00\x1d"), "UDP length 29 in 28 bytes of IP payload"),
    ],
)
def test_what_is_not_one_whole_udp_header_is_refused_with_the_reason(wire: bytes, why: str) -> None:
    with pytest.raises(BadPacketError, match=why):
        parse_udp(wire)


def ones_sum(data: bytes) -> int:
    """Return the ones' complement sum of 16-bit words: 0xFFFF over anything whose checksum is right."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    return total % 0xFFFF or 0xFFFF


def udp_of(wire: bytes, sent: Datagram) -> bytes:
    return wire[len(wire) - 8 - len(sent.payload) :]


@given(DATAGRAMS)
def test_a_frame_of_ours_is_read_back_as_what_it_was_built_from(sent: Datagram) -> None:
    assert parse_udp(build_udp(sent)) == sent


@given(DATAGRAMS)
def test_a_frame_of_ours_has_right_checksums(sent: Datagram) -> None:
    wire = build_udp(sent)
    segment = udp_of(wire, sent)
    hosts = sent.source.host.packed + sent.destination.host.packed
    assert ones_sum(hosts + struct.pack("!HH", 17, len(segment)) + segment) == 0xFFFF
    if sent.source.host.version == 4:
        assert ones_sum(wire[-len(segment) - 20 : -len(segment)]) == 0xFFFF


@pytest.mark.parametrize("plain", [PLAIN, SIX])
def test_a_checksum_of_zero_is_never_sent(plain: Datagram) -> None:
    zeros = replace(plain, payload=bytes(2), size=2)
    checksum = udp_of(build_udp(zeros), zeros)[6:8]
    summing_up = replace(zeros, payload=checksum)
    assert udp_of(build_udp(summing_up), summing_up)[6:8] == b"\xff\xff"


def test_a_frame_of_ours_is_exactly_this() -> None:
    sent = replace(PLAIN, tag=Tag(12), payload=bytes.fromhex("80c90001 0000cafe"), size=8)
    assert build_udp(sent) == bytes.fromhex(
        "020000000001 02000000000a 8100 000c 0800"
        "4500 0024 0000 4000 40 11 ae99 c612000a c6120001"
        "0fa0 2710 0010 f124 80c90001 0000cafe"
    )


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (replace(PLAIN, destination=SIX.destination), "two address families"),
        (replace(PLAIN, payload=b""), "0 bytes of payload for a datagram of 20"),
        (replace(PLAIN, payload=bytes(65508), size=65508), "65508 bytes of payload"),
    ],
)
def test_what_is_not_one_datagram_is_not_built(bad: Datagram, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        build_udp(bad)


def test_the_longest_datagram_is_built() -> None:
    longest = replace(PLAIN, payload=bytes(65507), size=65507)
    assert parse_udp(build_udp(longest)) == longest
