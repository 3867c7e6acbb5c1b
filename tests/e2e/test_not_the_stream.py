"""What comes by the addresses of the audio and is not: the other phone does not get it, and Asterisk answers as ever."""

import struct
from dataclasses import replace

import pytest

from lab import control
from lab.capture import Capture
from lab.control import wait_until
from stasis_offload.packets.address import Address
from tests.support.edge_call import (
    ALICE_PORT,
    BOB,
    BOB_PORT,
    Conversation,
    assert_carried,
    conversation,
    phones,
)
from tests.support.observed import FLOWS, logged
from tests.support.phone import EDGE, sdp

BOBS, ALICES = Address.parse(f"{EDGE}:{BOB_PORT}"), Address.parse(f"{EDGE}:{ALICE_PORT}")
TIMES = 6

# RFC 5389 6, with a transaction of its own; the answer repeats it.
_TRANSACTION = b"not-the-call"
STUN = struct.pack("!HHI", 0x0001, 0, 0x2112A442) + _TRANSACTION
STUN_ANSWER = b"\x01\x01"
# RFC 6189 5: the preamble, the magic cookie, and the beginning of a Hello.
ZRTP = struct.pack("!HHII", 0x1000, 1, 0x5A525450, BOB) + b"\x50\x5a\x00\x1dHello   1.10" + bytes(88)
# RFC 3550 6.4.2, without a report block.
EMPTY_REPORT = struct.pack("!BBHI", 0x80, 201, 1, BOB)
# One that says it is longer than it is.
GARBLED = struct.pack("!BBHI", 0x80, 201, 2, BOB)
# Asterisk reports every 5 s (rtp.conf, rtcpinterval), and what it sends then shows where RTCP goes to.
ASTERISK_REPORTS = 6.0

_SEND = """
import socket, sys
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sender.bind((sys.argv[1], int(sys.argv[2])))
for _ in range(int(sys.argv[5])):
    sender.sendto(bytes.fromhex(sys.argv[6]), (sys.argv[3], int(sys.argv[4])))
"""


def send(call: Conversation, payload: bytes, *, above: int = 0) -> None:
    """Send a datagram some times from the port of Bob's audio to where his audio goes, or from and to ports above."""
    host, _, port = call.bob.media.rpartition(":")
    words = (EDGE, str(BOB_PORT + above), host, str(int(port) + above), str(TIMES), payload.hex())
    control.execute("edge", "python3", "-c", _SEND, *words)


def arrived(capture: Capture, at: Address) -> list[bytes]:
    """List the payloads of the datagrams at an address that are neither RTP nor RTCP."""
    return [o.datagram.payload for o in capture.other if o.arrived and o.datagram.destination == at]


@pytest.mark.parametrize(
    "payload",
    [STUN, ZRTP, b"", b"\x00", b"\r\n\r\n", EMPTY_REPORT],
    ids=["STUN", "ZRTP", "empty", "one byte", "keepalive", "RTCP"],
)
def test_it_does_not_reach_the_other_phone_while_the_switch_carries_the_call(payload: bytes) -> None:
    with conversation() as call:
        start = call.carried()
        send(call, payload)
        end = call.passed(0.5)
    assert_carried(call.capture, start, end)
    assert arrived(call.capture, ALICES) == []
    reports = [each.datagram.destination for each in call.capture.rtcp if each.arrived]
    assert ALICES not in reports
    # Asterisk answers a STUN request, and sends one of its own for each.
    answers = [got for got in arrived(call.capture, BOBS) if got.startswith(STUN_ANSWER)]
    assert len(answers) == (TIMES if payload == STUN else 0)
    assert all(_TRANSACTION in answer for answer in answers)


@pytest.mark.parametrize("payload", [STUN, b"\x00" * 4, GARBLED], ids=["STUN", "keepalive", "half a report"])
def test_what_is_no_rtcp_does_not_go_from_the_port_of_rtcp_to_the_other_phone(payload: bytes) -> None:
    with conversation() as call:
        call.voices.set("bob", rtcp=0.5)
        call.carried()
        wait_until(lambda: len(control.flows()) == FLOWS, within=10, what="all flows to be there")
        start = call.passed(ASTERISK_REPORTS)
        send(call, payload, above=1)
        end = call.passed(1)
        assert call.returns() == []
    assert_carried(call.capture, start, end)
    alices, bobs = (replace(at, port=at.port + 1) for at in (ALICES, BOBS))
    got = [each.datagram for each in call.capture.rtcp if each.arrived and start <= each.at < end]
    assert {datagram.destination for datagram in got} == {alices}
    assert payload not in [datagram.payload for datagram in got]
    assert arrived(call.capture, alices) == []
    # As on the port of RTP.
    answers = [answer for answer in arrived(call.capture, bobs) if answer.startswith(STUN_ANSWER)]
    assert len(answers) == (TIMES if payload == STUN else 0)
    assert all(_TRANSACTION in answer for answer in answers)


def test_a_phones_own_keepalives_and_stun_do_not_keep_its_call_from_the_switch() -> None:
    with phones() as call:
        call.connect(sdp(BOB_PORT), sdp(ALICE_PORT))
        call.speak()
        for payload in (STUN, b"\r\n\r\n"):
            send(call, payload)
        start = call.carried()
        end = call.passed(0.5)
        log = logged(call.begun)
    assert "foreign-media" not in str(log)
    assert_carried(call.capture, start, end)
