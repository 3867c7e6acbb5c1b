"""RTCP by RFC 3550: read as it was sent, cut anywhere, or refused."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.errors import BadPacketError
from stasis_offload.packets.rtcp import (
    Bye,
    Packet,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    cname_of,
    is_rtcp,
    parse_rtcp,
    split_compound,
    with_cname,
)
from tests.support.strategies import UINT32, UINT64

BLOCKS = st.builds(
    ReportBlock,
    ssrc=UINT32,
    fraction_lost=st.integers(0, 255).map(lambda wire: wire / 256),
    cumulative_lost=st.integers(-(1 << 23), (1 << 23) - 1),
    highest_sequence=UINT32,
    jitter=UINT32,
    last_sr=UINT32,
    delay_since_last_sr=UINT32,
)
SOME_BLOCKS = st.lists(BLOCKS, max_size=31).map(tuple)
REPORTS = st.builds(
    SenderReport,
    ssrc=UINT32,
    ntp=UINT64,
    rtp_timestamp=UINT32,
    packets=UINT32,
    octets=UINT32,
    blocks=SOME_BLOCKS,
) | st.builds(ReceiverReport, ssrc=UINT32, blocks=SOME_BLOCKS)
PACKETS = REPORTS | st.builds(Bye, ssrcs=st.lists(UINT32, max_size=31).map(tuple))

BLOCK = ReportBlock(
    ssrc=0xCAFE,
    fraction_lost=0.25,
    cumulative_lost=-1,
    highest_sequence=0x0002_0003,
    jitter=160,
    last_sr=0x5678_9ABC,
    delay_since_last_sr=0x1_0000,
)
REPORT = SenderReport(
    ssrc=0xBEEF,
    ntp=0x1234_5678_9ABC_DEF0,
    rtp_timestamp=8000,
    packets=50,
    octets=8000,
    blocks=(BLOCK,),
)
SDES = struct.pack("!BBHIBB", 0x81, 202, 2, 0xBEEF, 1, 0) + bytes(2)


def header(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def wire(packet: Packet) -> bytes:
    match packet:
        case Bye(ssrcs=ssrcs):
            return header(203, len(ssrcs), struct.pack(f"!{len(ssrcs)}I", *ssrcs))
        case ReceiverReport(ssrc=ssrc, blocks=blocks):
            return header(201, len(blocks), struct.pack("!I", ssrc) + b"".join(map(wire_of_block, blocks)))
        case SenderReport(ssrc=ssrc, blocks=blocks):
            sent = packet.ntp >> 32, packet.ntp & 0xFFFF_FFFF, packet.rtp_timestamp
            info = struct.pack("!6I", ssrc, *sent, packet.packets, packet.octets)
            return header(200, len(blocks), info + b"".join(map(wire_of_block, blocks)))


def wire_of_block(block: ReportBlock) -> bytes:
    loss = int(block.fraction_lost * 256) << 24 | block.cumulative_lost & 0xFF_FFFF
    heard = block.highest_sequence, block.jitter, block.last_sr, block.delay_since_last_sr
    return struct.pack("!6I", block.ssrc, loss, *heard)


@given(st.lists(PACKETS, min_size=1, max_size=4))
def test_a_compound_packet_is_read_as_it_was_sent(sent: list[Packet]) -> None:
    assert parse_rtcp(b"".join(map(wire, sent))) == tuple(sent)


def test_a_report_is_read_from_exactly_these_bytes() -> None:
    data = bytes.fromhex(
        "81c8000c 0000beef 12345678 9abcdef0 00001f40 00000032 00001f40"
        "0000cafe 40ffffff 00020003 000000a0 56789abc 00010000"
    )
    assert parse_rtcp(data) == (REPORT,)


def test_other_packets_are_skipped_by_their_length() -> None:
    application = header(204, 0, struct.pack("!I", 0xBEEF) + b"name" + bytes(8))
    feedback = header(205, 1, bytes(12))
    sent = application + wire(REPORT) + SDES + feedback + wire(Bye(ssrcs=(0xBEEF,)))
    assert parse_rtcp(sent) == (REPORT, Bye(ssrcs=(0xBEEF,)))


def test_a_profiles_extension_and_the_reason_of_a_bye_are_no_part_of_them() -> None:
    extended = header(201, 1, struct.pack("!I", 1) + wire_of_block(BLOCK) + bytes(8))
    reasoned = header(203, 1, struct.pack("!I", 0xBEEF) + b"\x03end")
    assert parse_rtcp(extended + reasoned) == (
        ReceiverReport(ssrc=1, blocks=(BLOCK,)),
        Bye(ssrcs=(0xBEEF,)),
    )


def test_padding_is_no_part_of_a_report() -> None:
    padded = bytearray(header(201, 0, struct.pack("!I", 1) + b"\x00\x00\x00\x04"))
    padded[0] |= 0x20
    assert parse_rtcp(bytes(padded)) == (ReceiverReport(ssrc=1, blocks=()),)


def parts(packet: Packet) -> tuple[object, ...]:
    return packet.ssrcs if isinstance(packet, Bye) else packet.blocks


@given(st.lists(PACKETS, min_size=1, max_size=3), st.data())
def test_a_cut_packet_shows_less_and_nothing_else(sent: list[Packet], data: st.DataObject) -> None:
    whole = b"".join(map(wire, sent))
    got = parse_rtcp(whole[: data.draw(st.integers(4, len(whole)))])
    assert got[:-1] == tuple(sent[: len(got)])[:-1]
    for cut, packet in zip(got[-1:], sent[len(got) - 1 :], strict=False):
        assert type(cut) is type(packet)
        assert parts(cut) == parts(packet)[: len(parts(cut))]


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (4, ()),
        (27, ()),
        (28, (SenderReport(0xBEEF, REPORT.ntp, 8000, 50, 8000, ()),)),
        (51, (SenderReport(0xBEEF, REPORT.ntp, 8000, 50, 8000, ()),)),
        (52, (REPORT,)),
        (55, (REPORT,)),
        (59, (REPORT,)),
    ],
)
def test_of_a_cut_report_the_whole_blocks_are_kept(kept: int, expected: tuple[Packet, ...]) -> None:
    assert parse_rtcp((wire(REPORT) + SDES)[:kept]) == expected


@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda rest: b"\x81\xc8\x00\x0c" + rest))
def test_any_bytes_are_rtcp_or_a_bad_packet(data: bytes) -> None:
    try:
        parse_rtcp(data)
    except BadPacketError as error:
        assert "RTCP" in str(error)  # noqa: PT017 - whichever it is


@given(st.lists(PACKETS, min_size=1, max_size=2), st.data())
def test_rtcp_with_any_byte_changed_is_rtcp_or_a_bad_packet(sent: list[Packet], data: st.DataObject) -> None:
    changed = bytearray(b"".join(map(wire, sent)))
    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse_rtcp(bytes(changed))
    except BadPacketError as error:
        assert "RTCP" in str(error)  # noqa: PT017 - whichever it is


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "RTCP header cut short: 0 of 4 bytes"),
        (b"\x80\xc9\x00", "RTCP header cut short: 3 of 4 bytes"),
        (b"\x00\xc9\x00\x01" + bytes(4), "RTCP version 0 at byte 0, expected 2"),
        (b"\x80\x00\x00\x01" + bytes(168), "RTCP type at byte 0: 0 is not one"),
        (wire(REPORT) + bytes(4), "RTCP version 0 at byte 52"),
        (wire(REPORT) + b"\x80\xe0\x00\x00", "RTCP type at byte 52: 224"),
        (header(200, 1, bytes(24)), "RTCP sender report says it is 24 bytes long and has 48 in it"),
        (header(201, 2, bytes(28)), "RTCP receiver report says it is 28 bytes long and has 52 in it"),
        (header(203, 2, bytes(4)), "RTCP BYE says it is 4 bytes long and has 8 in it"),
    ],
)
def test_what_is_not_rtcp_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(BadPacketError, match=why):
        parse_rtcp(data)


def described(*items: tuple[int, bytes], ssrc: int = 0xBEEF) -> bytes:
    """Write a source description of one chunk (RFC 3550 6.5)."""
    listed = b"".join(struct.pack("!BB", kind, len(text)) + text for kind, text in items)
    return header(202, 1, struct.pack("!I", ssrc) + listed + bytes(4 - len(listed) % 4))


NAMED = described((1, b"alice@example.org"), (2, b"Alice Liddell"), (4, b"+44 1865 276492"))
RECEIVED = wire(ReceiverReport(ssrc=0xBEEF, blocks=(BLOCK,)))
GOODBYE = wire(Bye(ssrcs=(0xBEEF,)))


def test_the_name_of_a_compound_packet_takes_the_place_of_all_that_it_says_of_a_person() -> None:
    renamed = with_cname(wire(REPORT) + RECEIVED + NAMED + described((8, b"private")) + GOODBYE, b"abc")
    chunk = bytes.fromhex("81ca0003 0000beef 0103 616263 000000")
    assert renamed == wire(REPORT) + RECEIVED + chunk + GOODBYE


def test_a_compound_packet_without_a_name_gets_one() -> None:
    assert with_cname(RECEIVED + GOODBYE, b"abcdef") == RECEIVED + described((1, b"abcdef")) + GOODBYE


@given(st.lists(PACKETS, max_size=3), st.binary(max_size=255), st.lists(st.binary(max_size=30), max_size=2))
def test_any_name_can_be_given_and_is_the_only_one(
    rest: list[Packet], name: bytes, others: list[bytes]
) -> None:
    sent = [wire(REPORT), *(described((1, other)) for other in others), *map(wire, rest)]
    renamed = with_cname(b"".join(sent), name)
    assert cname_of(renamed) == name
    assert parse_rtcp(renamed) == parse_rtcp(b"".join(sent))
    assert [packet[1] for packet in split_compound(renamed)].count(202) == 1
    assert with_cname(renamed, name) == renamed


def test_the_name_that_asterisk_sends_is_read() -> None:
    uuid = b"5f3a7b0e-0000-4000-8000-0123456789ab"
    # ast_rtcp_generate_sdes in res/res_rtp_asterisk.c: the text, a null, and nulls up to a word.
    sdes = bytes.fromhex("81ca000b 0000beef 0124") + uuid + bytes(2)
    assert cname_of(RECEIVED + sdes) == uuid
    assert with_cname(RECEIVED + NAMED, uuid) == RECEIVED + sdes


@pytest.mark.parametrize(
    "sdes",
    [
        b"",
        header(202, 0, b""),
        described((2, b"no CNAME")),
        header(202, 1, struct.pack("!IBB", 1, 1, 9) + b"ab"),
    ],
)
def test_where_there_is_no_name_none_is_read(sdes: bytes) -> None:
    assert cname_of(RECEIVED + sdes) is None
    assert cname_of((RECEIVED + NAMED)[:-1]) is None


@given(st.lists(PACKETS, max_size=4))
def test_a_compound_packet_is_split_into_its_packets(rest: list[Packet]) -> None:
    sent = [RECEIVED, *map(wire, rest)]
    assert split_compound(b"".join(sent)) == tuple(sent)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOODBYE + RECEIVED,
        NAMED,
        bytes((RECEIVED[0] | 0x20,)) + RECEIVED[1:],
        RECEIVED + b"\0",
        RECEIVED + bytes(4),
        RECEIVED[:-4],
        RECEIVED + GOODBYE[:-4],
        header(201, 2, bytes(28)),
    ],
    ids=[
        "empty",
        "BYE first",
        "SDES alone",
        "padded first",
        "a byte more",
        "a word more",
        "short",
        "last short",
        "count",
    ],
)
def test_what_is_no_compound_packet_is_refused(data: bytes) -> None:
    with pytest.raises(BadPacketError, match="RTCP"):
        split_compound(data)


@pytest.mark.parametrize(
    ("data", "rtcp"),
    [
        (RECEIVED, True),
        (GOODBYE, True),
        (bytes.fromhex("000100002112a442") + bytes(12), False),
        (bytes.fromhex("8000000100000000"), False),
        (bytes.fromhex("16feff00"), False),
        (bytes(4), False),
        (b"\x80\xc9", False),
    ],
    ids=["report", "BYE", "STUN", "RTP", "DTLS", "zeros", "two bytes"],
)
def test_rtcp_is_told_from_what_shares_its_port(data: bytes, *, rtcp: bool) -> None:
    assert is_rtcp(data) == rtcp
