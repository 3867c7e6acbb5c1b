"""HEP3 as Asterisk's own modules send it."""

from dataclasses import replace
from struct import unpack_from

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.packets.address import Address
from stasis_offload.packets.hep import Agent, Capture, Kind, encode, rtcp_as_json
from stasis_offload.packets.rtcp import Bye, ReceiverReport, ReportBlock, parse_rtcp
from tests.support.strategies import UINT64

# A report of Asterisk 22.10.1 to a phone of the lab, and what its res_hep_rtcp sent a collector meanwhile.
RTCP = bytes.fromhex(
    "81c8000c000a11ceeeb775c5001eff0000000000000000fa00009c4000000b0b00000000000000fa0000001575c40a350000f581"
    "81ca000b000a11ce012432643231383536392d656337642d343534622d393765642d3061333236373162623632390000"
)
ASTERISKS = (
    bytes.fromhex(
        "4845503301d8"
        "00000001000702"  # IPv4
        "00000002000711"  # UDP
        "000000070008294b"
        "0000000800089c41"
        "00000009000a6b0cf745"
        "0000000a000a00000245"
        "0000000b000705"
        "0000000c000a000004d2"
        "00000003000ac612320c"
        "00000004000ac612320e"
        "0000000e0009666f6f"
        "000000110026343335353735633235646536346538306232373236643863646138326532393100000013000b6e6f646532"
        "0000000f0141"
    )
    + b'{"ssrc":659918,"type":200,"report_count":1,"sender_information":{"ntp_timestamp_sec":"1796011845",'
    b'"ntp_timestamp_usec":"473","rtp_timestamp":0,"packets":250,"octets":40000},"report_blocks":[{"source_ssrc":2827,'
    b'"fraction_lost":0,"packets_lost":0,"highest_seq_no":250,"ia_jitter":21,"lsr":"1975781941","dlsr":62849}]}'
)
[REPORT] = parse_rtcp(RTCP)
assert not isinstance(REPORT, Bye)
CAPTURE = Capture(
    kind=Kind.RTCP,
    at=1796011845.000581,
    source=Address.parse("198.18.50.12:10571"),
    destination=Address.parse("198.18.50.14:40001"),
    channel="PJSIP/phone-00000004",
    call_id="435575c25de64e80b2726d8cda82e291",
    payload=rtcp_as_json(REPORT),
)
AGENT = Agent(capture_id=1234, name="node2", password="foo")


def chunks(datagram: bytes) -> dict[int, bytes]:
    """Take a datagram apart, which must have the length that it says."""
    assert datagram[:4] == b"HEP3"
    assert int.from_bytes(datagram[4:6], "big") == len(datagram)
    found, at = {}, 6
    while at < len(datagram):
        vendor, kind, length = unpack_from("!HHH", datagram, at)
        assert vendor == 0
        found[kind] = datagram[at + 6 : at + length]
        at += length
    return found


def test_a_report_becomes_the_bytes_that_asterisk_sends_of_it() -> None:
    assert encode(CAPTURE, AGENT) == ASTERISKS


def test_over_ipv6_the_addresses_are_in_the_other_chunks() -> None:
    capture = replace(
        CAPTURE, source=Address.parse("[2001:db8::1]:1"), destination=Address.parse("[2001:db8::2]:2")
    )
    found = chunks(encode(capture, AGENT))
    assert found[0x01] == bytes([10])
    assert (found[0x05][-1], found[0x06][-1]) == (1, 2)
    assert len(found[0x05]) == len(found[0x06]) == 16
    assert not found.keys() & {0x03, 0x04}


def test_without_a_password_and_a_name_there_are_no_chunks_of_them() -> None:
    assert chunks(encode(CAPTURE, AGENT)).keys() - chunks(encode(CAPTURE, Agent())).keys() == {0x0E, 0x13}


@pytest.mark.parametrize(
    ("call_id", "by_channel", "correlation"),
    [
        ("a@b", False, "a@b"),
        ("a@b", True, "PJSIP/phone-00000004"),
        (None, False, "PJSIP/phone-00000004"),
        ("ü", False, "ü"),
    ],
)
def test_the_correlation_id_is_the_call_id_or_else_the_channel(
    call_id: str | None, correlation: str, *, by_channel: bool
) -> None:
    datagram = encode(replace(CAPTURE, call_id=call_id), Agent(by_channel=by_channel))
    assert chunks(datagram)[0x11].decode() == correlation


def test_a_receiver_reports_no_sender_and_lost_packets_below_zero_are_24_bits() -> None:
    block = ReportBlock(
        ssrc=1,
        fraction_lost=255 / 256,
        cumulative_lost=-1,
        highest_sequence=2,
        jitter=3,
        last_sr=4,
        delay_since_last_sr=5,
    )
    assert rtcp_as_json(ReceiverReport(ssrc=9, blocks=(block,))) == (
        '{"ssrc":9,"type":201,"report_count":1,"sender_information":null,"report_blocks":[{"source_ssrc":1,'
        '"fraction_lost":255,"packets_lost":16777215,"highest_seq_no":2,"ia_jitter":3,"lsr":"4","dlsr":5}]}'
    )


@given(ntp=UINT64, at=st.floats(0, 2**32 - 1))
def test_no_time_is_too_late_or_too_early(ntp: int, at: float) -> None:
    assert not isinstance(REPORT, Bye | ReceiverReport)
    payload = rtcp_as_json(replace(REPORT, ntp=ntp))
    found = chunks(encode(replace(CAPTURE, at=at, payload=payload), AGENT))
    assert found[0x0F].decode() == payload
    assert int.from_bytes(found[0x0A], "big") < 1_000_000
