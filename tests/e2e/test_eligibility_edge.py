"""Calls that the switch must not carry because of what a phone says or sends: each by its reason, in Asterisk's hands."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab.capture import NODE2
from tests.support.edge_call import ALICE, ALICE_PORT, BOB, BOB_PORT, Conversation, phones
from tests.support.phone import EDGE, sdp

HERE, THERE = f"{EDGE}:{BOB_PORT}", f"{EDGE}:{ALICE_PORT}"
G726 = "G726-32/8000"


@contextmanager
def never_switched() -> Iterator[Conversation]:
    """Have two phones ready; at the end, no packet of the call came from the switch."""
    with phones() as call:
        yield call
    assert not any(stream.by_switch() for stream in call.capture.arriving)


def test_one_codec_by_different_payload_types() -> None:
    with phones(callee="phone-g726") as call:
        call.connect(sdp(BOB_PORT, formats={96: G726}), sdp(ALICE_PORT, formats={111: G726}), user="g726")
        call.speak()
        call.voices.set("bob", pt=96)
        call.voices.set("alice", pt=111)
        call.relayed("audio-payload-type-mismatch")
        call.passed(0.5)
    assert not any(stream.by_switch() for stream in call.capture.arriving)
    assert {p.payload_type for p in call.capture.heard(BOB)} == {111}
    assert {p.payload_type for p in call.capture.heard(ALICE)} == {96}


@pytest.mark.parametrize("wrong", [{"pt": 96}, {"garbage": 1}], ids=["another type", "not RTP"])
def test_what_is_no_rtp_of_the_agreed_payload_type(wrong: dict[str, int]) -> None:
    with never_switched() as call:
        call.connect(sdp(BOB_PORT), sdp(ALICE_PORT))
        call.voices.set("alice", from_=THERE, to=call.alice.media, ssrc=ALICE)
        call.voices.set("bob", from_=HERE, to=call.bob.media, ssrc=BOB, **wrong)
        call.relayed("foreign-media:caller")


def test_two_sources_at_one_address() -> None:
    with never_switched() as call:
        call.connect(sdp(BOB_PORT), sdp(ALICE_PORT))
        call.voices.set("bob", from_=HERE, to=call.bob.media, ssrc=BOB)
        call.voices.set("double", from_=HERE, to=call.bob.media, ssrc=BOB + 1)
        # A call whose second source has not sent yet is an ordinary one: it must have sent before Alice does.
        call.relayed("foreign-ssrc:caller")
        call.voices.set("alice", from_=THERE, to=call.alice.media, ssrc=ALICE)
        call.passed(0.5)
        call.relayed("foreign-ssrc:caller")


def test_packets_that_come_from_far_away() -> None:
    with never_switched() as call:
        call.connect(sdp(BOB_PORT), sdp(ALICE_PORT))
        call.voices.set("alice", from_=THERE, to=call.alice.media, ssrc=ALICE, ttl=15)
        call.voices.set("bob", from_=HERE, to=call.bob.media, ssrc=BOB)
        call.relayed("low-ttl:callee")


def test_an_address_to_which_nothing_can_be_sent() -> None:
    """0.0.0.0 would be a hold; loopback is the other that Asterisk takes at its word."""
    with never_switched() as call:
        call.connect(sdp(BOB_PORT), sdp(ALICE_PORT, host="127.0.0.1"))
        call.voices.set("bob", from_=HERE, to=call.bob.media, ssrc=BOB)
        call.relayed("null-address:callee")


def test_media_that_is_to_go_where_asterisk_itself_listens() -> None:
    with never_switched() as call:
        call.bob.call("custom", sdp(BOB_PORT))
        call.alice.invited()
        port = int(call.alice.media.rpartition(":")[2])
        call.alice.answer(sdp(port, host=NODE2))
        assert " 200 " in call.bob.answered().start
        call.voices.set("bob", from_=HERE, to=call.bob.media, ssrc=BOB)
        call.relayed("hairpin:callee")


@pytest.mark.parametrize("silent", ["caller", "callee"])
def test_a_party_that_never_speaks(silent: str) -> None:
    with never_switched() as call:
        call.connect(sdp(BOB_PORT), sdp(ALICE_PORT))
        if silent == "callee":
            call.voices.set("bob", from_=HERE, to=call.bob.media, ssrc=BOB)
        else:
            call.voices.set("alice", from_=THERE, to=call.alice.media, ssrc=ALICE)
        call.relayed(f"no-media:{silent}")
