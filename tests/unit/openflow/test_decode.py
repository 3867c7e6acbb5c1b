"""What comes from the switch: each message as os_ken writes it, and whatever else bytes can be."""

import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from os_ken.ofproto import ofproto_v1_3 as ofp
from os_ken.ofproto import ofproto_v1_3_parser as messages

from stasis_offload.errors import OpenFlowError
from stasis_offload.openflow import decode, encode
from stasis_offload.openflow.decode import Framer, Message
from stasis_offload.openflow.events import FlowRemoved, PacketIn, Port, PortDown, Removal
from stasis_offload.openflow.flow import FlowCount
from tests.support.strategies import UINT32, UINT64

SWITCH = SimpleNamespace(ofproto=ofp, ofproto_parser=messages)

BODIES = st.binary(max_size=80)


def received(data: bytes) -> Message:
    (message,) = Framer().feed(data)
    return message


def encoded(message: Any) -> Message:
    message.serialize()
    return received(bytes(message.buf))


def multipart(kind: int, body: bytes, *, more: bool = False) -> Message:
    return Message(
        version=4, kind=ofp.OFPT_MULTIPART_REPLY, xid=1, body=struct.pack("!HH4x", kind, more) + body
    )


def flow_stats(cookie: int, packets: int, octets: int, *, match: bytes = bytes(8)) -> bytes:
    length = 48 + len(match)
    return (
        struct.pack(ofp.OFP_FLOW_STATS_0_PACK_STR, length, 0, 1, 0, 0, 0, 0, 0, cookie, packets, octets)
        + match
    )


@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(0, 255), UINT32, st.binary(max_size=30)), max_size=5),
    st.data(),
)
def test_messages_are_the_same_however_the_stream_is_cut(
    sent: list[tuple[int, int, int, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(
        struct.pack("!BBHI", version, kind, 8 + len(body), xid) + body for version, kind, xid, body in sent
    )
    framer, got = Framer(), list[Message]()
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        got += framer.feed(stream[:cut])
        stream = stream[cut:]
    assert got == [Message(version, kind, xid, body) for version, kind, xid, body in sent]


@given(st.lists(BODIES))
def test_any_stream_is_messages_or_an_openflow_error(chunks: list[bytes]) -> None:
    framer = Framer()
    try:
        for chunk in chunks:
            assert all(8 + len(message.body) <= 0xFFFF for message in framer.feed(chunk))
    except OpenFlowError as error:
        assert "is not an OpenFlow switch" in str(error)  # noqa: PT017 - it need not be raised


@pytest.mark.parametrize(
    ("data", "start"),
    [
        (b"HTTP/1.1 400 Bad Request", "48 54 54 50 2f 31 2e 31"),
        (b"\x04\x00\x00\x07\x00\x00\x00\x00", "04 00 00 07 00 00 00 00"),
        (b"\x00\x00\x00\x08\x00\x00\x00\x00", "00 00 00 08 00 00 00 00"),
    ],
)
def test_a_peer_that_speaks_something_else_is_quoted(data: bytes, start: str) -> None:
    with pytest.raises(OpenFlowError, match=start):
        list(Framer().feed(data))


PARSERS: tuple[Callable[[Message], object], ...] = (
    decode.parse_hello,
    decode.parse_error,
    decode.parse_features,
    decode.has_more,
    decode.parse_config,
    lambda message: list(decode.parse_contents(message)),
    decode.parse_packet_in,
    decode.parse_flow_removed,
    decode.parse_port_status,
    lambda message: decode.parse_description([message]),
    lambda message: decode.parse_ports([message]),
    lambda message: list(decode.parse_flow_stats([message])),
    lambda message: list(decode.parse_flows([message])),
)


@pytest.mark.parametrize("parse", PARSERS)
@given(
    version=st.integers(1, 6),
    body=BODIES,
    start=st.sampled_from((b"", *(bytes((0, kind)) for kind in (0, 1, 9, 10, 11, 13)))),
)
def test_any_body_is_a_value_or_an_openflow_error(
    parse: Callable[[Message], object], version: int, body: bytes, start: bytes
) -> None:
    try:
        parse(Message(version=version, kind=19, xid=1, body=start + body))
    except OpenFlowError as error:
        assert "switch" in str(error)  # noqa: PT017 - it need not be raised


def test_a_hello_with_a_bitmap_offers_what_the_bitmap_says() -> None:
    bitmap = struct.pack("!HHII", ofp.OFPHET_VERSIONBITMAP, 12, 0b101_0010, 1)
    assert decode.parse_hello(Message(version=6, kind=0, xid=1, body=bitmap)) == {1, 4, 6, 32}


def test_our_own_hello_offers_1_3_and_nothing_else() -> None:
    assert decode.parse_hello(received(encode.hello(1))) == {4}


def test_a_hello_without_a_bitmap_offers_every_version_up_to_its_own() -> None:
    assert decode.parse_hello(received(b"\x05\x00\x00\x08\x00\x00\x00\x01")) == {1, 2, 3, 4, 5}


def test_an_unknown_element_of_a_hello_is_skipped_with_its_padding() -> None:
    unknown = b"\x00\x09\x00\x06\xff\xff\x00\x00"
    bitmap = b"\x00\x01\x00\x08\x00\x00\x00\x10"
    assert decode.parse_hello(Message(version=6, kind=0, xid=1, body=unknown + bitmap)) == {4}


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            messages.OFPErrorMsg(SWITCH, ofp.OFPET_BAD_MATCH, ofp.OFPBMC_BAD_PREREQ, encode.barrier(1)),
            "the switch refused OFPT_BARRIER_REQUEST(20): OFPET_BAD_MATCH(4) OFPBMC_BAD_PREREQ(9)",
        ),
        (
            messages.OFPErrorMsg(SWITCH, ofp.OFPET_FLOW_MOD_FAILED, ofp.OFPFMFC_TABLE_FULL, b"\x04"),
            "the switch refused a message: OFPET_FLOW_MOD_FAILED(5) OFPFMFC_TABLE_FULL(1)",
        ),
        (
            messages.OFPErrorMsg(SWITCH, ofp.OFPET_HELLO_FAILED, ofp.OFPHFC_INCOMPATIBLE, b"no version"),
            "the switch refused the connection: OFPHFC_INCOMPATIBLE(0) no version",
        ),
        (
            messages.OFPErrorMsg(SWITCH, 99, 98, b""),
            "the switch refused a message: Unknown(99) Unknown(98)",
        ),
    ],
)
def test_an_error_is_put_into_the_words_of_the_specification(message: Any, text: str) -> None:
    assert decode.parse_error(encoded(message)) == text


def test_an_error_of_the_bundle_extension_is_named_as_well() -> None:
    body = struct.pack("!HHI", ofp.OFPET_EXPERIMENTER, 2313, 0x4F4E4600) + encode.commit_bundle(1, 1)
    error = decode.parse_error(Message(version=4, kind=1, xid=1, body=body))
    assert error == "the switch refused OFPT_EXPERIMENTER(4): ONFERR_ET_FAILED(2313)"


def test_features_are_the_datapath_id_and_the_number_of_tables() -> None:
    features = messages.OFPSwitchFeatures(SWITCH, 0xAA55, 256, 254, 0, 0)
    body = struct.pack(ofp.OFP_SWITCH_FEATURES_PACK_STR, features.datapath_id, 256, 254, 0, 0, 0)
    assert decode.parse_features(Message(version=4, kind=6, xid=1, body=body)) == (0xAA55, 254)


def test_a_description_may_come_in_parts() -> None:
    texts = (b"Nicira, Inc.", b"Open vSwitch", b"4.0.0", b"None", b"br\xfcdge")
    body = struct.pack(ofp.OFP_DESC_PACK_STR, *texts)
    parts = [multipart(ofp.OFPMP_DESC, body[:100], more=True), multipart(ofp.OFPMP_DESC, body[100:])]
    assert [decode.has_more(part) for part in parts] == [True, False]
    assert decode.parse_description(parts) == decode.Description(
        manufacturer="Nicira, Inc.", hardware="Open vSwitch", software="4.0.0", datapath="br�dge"
    )


def test_ports_are_numbers_and_names() -> None:
    body = b"".join(
        struct.pack(ofp.OFP_PORT_PACK_STR, number, bytes(6), name, *(8 * [0]))
        for number, name in ((1, b"eth0"), (ofp.OFPP_LOCAL, b"breth0"))
    )
    expected = (Port(1, "eth0"), Port(0xFFFF_FFFE, "breth0"))
    assert decode.parse_ports([multipart(ofp.OFPMP_PORT_DESC, body)]) == expected


@given(st.lists(st.tuples(UINT64, UINT64, UINT64, st.integers(1, 9))), st.integers(0, 5))
def test_flow_statistics_are_counts_by_cookie(rows: list[tuple[int, int, int, int]], split: int) -> None:
    entries = [flow_stats(cookie, packets, octets, match=bytes(8 * n)) for cookie, packets, octets, n in rows]
    parts = [multipart(ofp.OFPMP_FLOW, b"".join(some)) for some in (entries[:split], entries[split:])]
    expected = [(cookie, FlowCount(packets, octets)) for cookie, packets, octets, _ in rows]
    assert list(decode.parse_flow_stats(parts)) == expected


def test_the_content_of_a_flow_is_all_but_its_age_and_its_counters() -> None:
    rest = bytes(range(24))
    fixed = (48 + len(rest), 77, 9, 9, 30, 10, 11, 1)
    entry = struct.pack(ofp.OFP_FLOW_STATS_0_PACK_STR, *fixed, 5, 6, 7) + rest
    expected = [(5, struct.pack("!BHHHH", 77, 30, 10, 11, 1) + rest)]
    assert list(decode.parse_contents(multipart(ofp.OFPMP_FLOW, entry))) == expected


@given(st.integers(0, 3), st.integers(0, 0xFFFF))
def test_how_a_switch_handles_fragments_stays_as_it_is(flags: int, miss_send_len: int) -> None:
    reply = struct.pack(ofp.OFP_SWITCH_CONFIG_PACK_STR, flags, miss_send_len)
    assert decode.parse_config(Message(4, ofp.OFPT_GET_CONFIG_REPLY, 1, reply)) == flags
    (told,) = Framer().feed(encode.subscribe(1, flags=flags))
    assert decode.parse_config(told) == flags


def test_an_answer_to_another_question_is_an_error() -> None:
    with pytest.raises(OpenFlowError, match="request of type 1 with type 13"):
        list(decode.parse_flow_stats([multipart(ofp.OFPMP_PORT_DESC, bytes(64))]))


@given(UINT64, UINT32, st.binary(max_size=60))
def test_a_packet_in_is_its_cookie_its_port_and_its_bytes(cookie: int, in_port: int, frame: bytes) -> None:
    match = messages.OFPMatch(metadata=7, in_port=in_port, tunnel_id=3)
    fields = bytearray()
    match.serialize(fields, 0)
    fixed = struct.pack(ofp.OFP_PACKET_IN_PACK_STR, 0xFFFF_FFFF, len(frame), ofp.OFPR_ACTION, 0, cookie)
    body = fixed + bytes(fields) + bytes(2) + frame
    message = Message(version=4, kind=10, xid=0, body=body)
    assert decode.parse_packet_in(message) == PacketIn(cookie=cookie, in_port=in_port, frame=frame)


def test_a_packet_in_without_a_port_is_broken() -> None:
    fixed = struct.pack(ofp.OFP_PACKET_IN_PACK_STR, 0xFFFF_FFFF, 0, 1, 0, 5)
    with pytest.raises(OpenFlowError, match="names no port"):
        decode.parse_packet_in(
            Message(version=4, kind=10, xid=0, body=fixed + b"\x00\x01\x00\x04" + bytes(6))
        )


@pytest.mark.parametrize(
    ("number", "reason"),
    [(0, Removal.IDLE), (1, Removal.HARD), (2, Removal.DELETE), (3, Removal.OTHER), (9, Removal.OTHER)],
)
def test_a_flow_removed_says_why_and_what_it_counted(number: int, reason: Removal) -> None:
    body = struct.pack(ofp.OFP_FLOW_REMOVED_PACK_STR0, 5, 1, number, 0, 9, 9, 10, 0, 50, 10700) + bytes(8)
    message = Message(version=4, kind=11, xid=0, body=body)
    assert decode.parse_flow_removed(message) == FlowRemoved(5, reason, FlowCount(50, 10700))


@pytest.mark.parametrize(
    ("reason", "config", "state", "down"),
    [
        (ofp.OFPPR_ADD, 0, ofp.OFPPS_LIVE, False),
        (ofp.OFPPR_MODIFY, 0, ofp.OFPPS_LIVE, False),
        (ofp.OFPPR_MODIFY, 0, ofp.OFPPS_LINK_DOWN, True),
        (ofp.OFPPR_MODIFY, 0, ofp.OFPPS_BLOCKED, True),
        (ofp.OFPPR_MODIFY, ofp.OFPPC_PORT_DOWN, 0, True),
        (ofp.OFPPR_DELETE, 0, ofp.OFPPS_LIVE, True),
    ],
)
def test_a_port_status_says_of_a_port_that_it_carries_nothing_any_more(
    reason: int, config: int, state: int, *, down: bool
) -> None:
    port = (7, b"\2\0\0\0\0\7", b"p7", config, state, 0, 0, 0, 0, 0, 0)
    message = Message(
        version=4, kind=12, xid=0, body=struct.pack(ofp.OFP_PORT_STATUS_PACK_STR, reason, *port)
    )
    assert decode.parse_port_status(message) == (PortDown(7) if down else None)
