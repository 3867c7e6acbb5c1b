"""Digits of a call whose audio the switch carries (RFC 4733): Asterisk passes them on, as ever."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab import control
from lab.capture import FROM_ASTERISK, FROM_SWITCH, Capture, Packet
from tests.support.edge_call import ALICE, ALICE_PORT, BOB, BOB_PORT, Conversation, assert_carried, phones
from tests.support.phone import sdp


def packets_of(streams_of: str, capture: Capture, ssrc: int, payload_type: int) -> list[Packet]:
    """List the packets of a payload type that were sent, or arrived, under an SSRC."""
    streams = capture.sent if streams_of == "sent" else capture.arriving
    found = (packet for stream in streams if stream.ssrc == ssrc for packet in stream.packets)
    return sorted((p for p in found if p.payload_type == payload_type), key=lambda packet: packet.at)


def dial_digits(call: Conversation, *, bob: int, alice: int) -> None:
    """Have both send three digits, each by its own payload type."""
    for _ in range(3):
        call.voices.set("bob", digit=bob)
        call.voices.set("alice", digit=alice)
        call.passed(0.5)


def assert_digits(capture: Capture, *, bob: int, alice: int, ttl: int) -> None:
    """Assert that the digits of both arrived whole, in order, by the far leg's payload type and from there alone."""
    for ssrc, near, far in ((BOB, bob, alice), (ALICE, alice, bob)):
        sent = packets_of("sent", capture, ssrc, near)
        arrived = packets_of("arriving", capture, ssrc, far)
        assert len(sent) == 30
        assert [packet.sequence for packet in arrived] == [packet.sequence for packet in sent]
        assert {packet.ttl for packet in arrived} == {ttl}


@pytest.mark.parametrize(("bob", "alice"), [(101, 101), (96, 101)], ids=["one number", "two numbers"])
def test_digits_arrive_in_order_by_the_far_legs_number_and_speech_goes_on(bob: int, alice: int) -> None:
    with phones() as call:
        call.connect(sdp(BOB_PORT, event=bob), sdp(ALICE_PORT, event=alice))
        call.speak()
        start = call.carried()
        call.passed(1.5)
        dial_digits(call, bob=bob, alice=alice)
        end = call.passed(0.5)
    assert_carried(call.capture, start, end)
    assert_digits(call.capture, bob=bob, alice=alice, ttl=FROM_ASTERISK)


@contextmanager
def opus_call(*, bob: int, event_rate: int) -> Iterator[tuple[Conversation, int]]:
    """Have two phones talk by Opus, whose clock rate is 48,000 Hz; yield Alice's payload type of digits too.

    She answers with the one that Asterisk offers for the clock rate.
    """
    opus = {107: "opus/48000/2"}
    with phones(callee="phone-opus") as call:
        offer = sdp(BOB_PORT, formats=opus, event=bob, event_rate=event_rate)
        call.bob.call("custom", offer, user="opus")
        offered = re.search(rf"a=rtpmap:(\d+) telephone-event/{event_rate}\r", call.alice.invited().text)
        assert offered
        alice = int(offered[1])
        call.alice.answer(sdp(ALICE_PORT, formats=opus, event=alice, event_rate=event_rate))
        assert " 200 " in call.bob.answered().start
        call.speak()
        for name in ("bob", "alice"):
            call.voices.set(name, pt=107)
        yield call, alice


def test_digits_beside_opus_pass_from_end_to_end_by_one_number() -> None:
    with opus_call(bob=101, event_rate=48000) as (call, alice):
        start = call.carried()
        dial_digits(call, bob=101, alice=alice)
        end = call.passed(0.5)
    assert_carried(call.capture, start, end)
    assert_digits(call.capture, bob=101, alice=alice, ttl=FROM_SWITCH)


def test_digits_beside_opus_at_their_own_clock_rate_need_asterisk_where_their_numbers_differ() -> None:
    with opus_call(bob=96, event_rate=8000) as (call, alice):
        call.relayed("event-payload-type-mismatch")
        both = f"caller telephone-event/8000 96, callee telephone-event/8000 {alice}"
        assert control.calls()[0]["detail"] == both
        dial_digits(call, bob=96, alice=alice)
        call.passed(0.5)
    assert_digits(call.capture, bob=96, alice=alice, ttl=FROM_ASTERISK)
