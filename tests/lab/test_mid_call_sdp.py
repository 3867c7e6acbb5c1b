"""Offers within a call that change where its media goes, which way, or what it is."""

import time

import pytest
from conversation import (
    ALICE,
    ALICE_PORT,
    BOB,
    BOB_PORT,
    OVERLAP,
    Conversation,
    assert_by_switch,
    assert_whole,
    conversation,
    phones,
)
from phone import ALAW, EDGE, SECOND, ULAW, Phone, sdp

from lab.capture import SipMessage
from stasis_offload.media import Address

MOVED_PORT = 42100


def assert_carried(call: Conversation, start: float, end: float) -> None:
    """The switch carried both voices between two moments, and both were heard whole."""
    for speaker in (BOB, ALICE):
        assert_whole(call.capture, speaker, start, end)
        assert_by_switch(call.capture, speaker, start, end)


@pytest.mark.parametrize("host", [EDGE, SECOND], ids=["port", "address and port"])
@pytest.mark.parametrize("offer", [Phone.reinvite, Phone.update], ids=["INVITE", "UPDATE"])
def test_media_follows_a_party_that_moves_and_nothing_is_sent_where_it_was(offer: object, host: str) -> None:
    assert callable(offer)
    old, new = f"{EDGE}:{ALICE_PORT}", f"{host}:{MOVED_PORT}"
    with conversation() as call:
        talking = call.carried()
        accepted = offer(call.alice, sdp(MOVED_PORT, host=host))
        assert isinstance(accepted, SipMessage)
        assert " 200 " in accepted.start
        call.voices.set("alice", from_=new, to=call.alice.media)
        moved = time.time()
        carried, end = call.carried(), call.passed(0.5)
    stale = [p.at - accepted.at for p in call.capture.heard(BOB, at=Address.parse(old)) if p.at > accepted.at]
    assert all(late <= OVERLAP for late in stale), stale
    assert_whole(call.capture, BOB, talking, end)
    assert carried > moved
    assert_whole(call.capture, BOB, carried, end, at=new)
    assert_carried(call, carried, end)


def test_a_party_that_changes_its_codec_is_transcoded_by_asterisk_until_the_other_changes_too() -> None:
    both = ULAW | ALAW
    with phones() as call:
        call.connect(sdp(BOB_PORT, formats=ULAW), sdp(ALICE_PORT, formats=both))
        call.speak()
        talking, change = call.carried(), time.time()
        assert " 200 " in call.alice.reinvite(sdp(ALICE_PORT, formats=ALAW)).start
        call.voices.set("alice", pt=8)
        call.relayed("codec-mismatch")
        transcoded, bob_changes = time.time(), call.passed(0.5)
        assert " 200 " in call.bob.reinvite(sdp(BOB_PORT, formats=ALAW)).start
        call.voices.set("bob", pt=8)
        carried, end = call.carried(), call.passed(0.5)
    assert_carried(call, talking, change)
    arriving = [p for stream in call.capture.arriving for p in stream.packets]
    meanwhile = [p for p in arriving if transcoded < p.at < bob_changes]
    assert {packet.payload_type for packet in meanwhile} == {0, 8}
    assert not any(packet.by_switch for packet in meanwhile)
    assert_carried(call, carried, end)


def test_a_party_that_only_listens_for_a_while_hears_every_word_meanwhile() -> None:
    with conversation() as call:
        talking = call.carried()
        call.voices.set("alice", silent=1)
        assert " 200 " in call.alice.reinvite(sdp(ALICE_PORT, direction="recvonly")).start
        call.relayed("no-media:callee")
        assert " 200 " in call.alice.reinvite(sdp(ALICE_PORT)).start
        call.voices.set("alice", silent=0)
        carried, end = call.carried(), call.passed(0.5)
    assert_whole(call.capture, BOB, talking, end)
    assert_carried(call, carried, end)


def test_early_media_is_asterisks_and_only_what_the_answer_says_is_switched() -> None:
    early, final = f"{EDGE}:{ALICE_PORT}", f"{EDGE}:{MOVED_PORT}"
    with phones() as call:
        call.bob.call("custom", sdp(BOB_PORT))
        call.alice.invited()
        call.alice.progress(sdp(ALICE_PORT))
        call.voices.set("alice", from_=early, to=call.alice.media, ssrc=ALICE)
        ringing = time.time()
        answer = call.passed(1.0)
        call.alice.answer(sdp(MOVED_PORT))
        assert " 200 " in call.bob.answered().start
        call.speak(alice=final)
        carried, end = call.carried(), call.passed(0.5)
    assert_whole(call.capture, ALICE, ringing + 0.2, answer)
    assert not any(packet.by_switch for packet in call.capture.heard(ALICE) if packet.at < answer)
    assert not any(packet.by_switch for packet in call.capture.heard(BOB, at=Address.parse(early)))
    assert_carried(call, carried, end)
