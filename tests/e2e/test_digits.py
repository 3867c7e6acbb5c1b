"""Digits of a call whose audio the switch carries (RFC 4733): Asterisk passes them on, as ever."""

import pytest

from lab.capture import FROM_ASTERISK, Capture, Packet
from tests.support.edge_call import ALICE, ALICE_PORT, BOB, BOB_PORT, assert_carried, phones
from tests.support.phone import sdp


def packets_of(streams_of: str, capture: Capture, ssrc: int, payload_type: int) -> list[Packet]:
    """List the packets of a payload type that were sent, or arrived, under an SSRC."""
    streams = capture.sent if streams_of == "sent" else capture.arriving
    found = (packet for stream in streams if stream.ssrc == ssrc for packet in stream.packets)
    return sorted((p for p in found if p.payload_type == payload_type), key=lambda packet: packet.at)


@pytest.mark.parametrize(("bob", "alice"), [(101, 101), (96, 101)], ids=["one number", "two numbers"])
def test_digits_arrive_in_order_by_the_far_legs_number_and_speech_goes_on(bob: int, alice: int) -> None:
    with phones() as call:
        call.connect(sdp(BOB_PORT, event=bob), sdp(ALICE_PORT, event=alice))
        call.speak()
        start = call.carried()
        call.passed(1.5)
        for _ in range(3):
            call.voices.set("bob", digit=bob)
            call.voices.set("alice", digit=alice)
            call.passed(0.5)
        end = call.passed(0.5)
    assert_carried(call.capture, start, end)
    for ssrc, near, far in ((BOB, bob, alice), (ALICE, alice, bob)):
        sent = packets_of("sent", call.capture, ssrc, near)
        arrived = packets_of("arriving", call.capture, ssrc, far)
        assert len(sent) == 30
        assert [packet.sequence for packet in arrived] == [packet.sequence for packet in sent]
        assert {packet.ttl for packet in arrived} == {FROM_ASTERISK}
