"""Offers within a call that change where its media goes, which way, or what it is."""

import time
from collections.abc import Callable

import pytest

from lab import control
from lab.capture import SipMessage
from stasis_offload.packets.address import Address
from tests.support.edge_call import (
    ALICE,
    ALICE_PORT,
    BOB,
    BOB_PORT,
    assert_by_switch,
    assert_carried,
    assert_not_sent_on,
    assert_whole,
    conversation,
    phones,
)
from tests.support.phone import ALAW, EDGE, SECOND, ULAW, Phone, sdp

MOVED_PORT = 42100


@pytest.mark.parametrize("host", [EDGE, SECOND], ids=["port", "address and port"])
@pytest.mark.parametrize("offer", [Phone.reinvite, Phone.update], ids=["INVITE", "UPDATE"])
def test_media_follows_a_party_that_moves_and_nothing_is_sent_where_it_was(
    offer: Callable[[Phone, str], SipMessage], host: str
) -> None:
    old, new = f"{EDGE}:{ALICE_PORT}", f"{host}:{MOVED_PORT}"
    with conversation() as call:
        talking = call.carried()
        # Silent while she moves: a symmetric Asterisk sends to where it hears her, whatever the SDP says.
        call.voices.set("alice", silent=1)
        accepted = offer(call.alice, sdp(MOVED_PORT, host=host))
        assert " 200 " in accepted.start
        call.voices.set("alice", from_=new, to=call.alice.media, silent=0)
        carried, end = call.carried(), call.passed(0.5)
    assert_not_sent_on(call.capture, BOB, old, accepted.at)
    assert_whole(call.capture, BOB, talking, end)
    assert_whole(call.capture, BOB, carried, end, at=new)
    assert_carried(call.capture, carried, end)


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
    assert_carried(call.capture, talking, change)
    arriving = [p for stream in call.capture.arriving for p in stream.packets]
    meanwhile = [p for p in arriving if transcoded < p.at < bob_changes]
    assert {packet.payload_type for packet in meanwhile} == {0, 8}
    assert not any(packet.by_switch for packet in meanwhile)
    assert_carried(call.capture, carried, end)


def test_a_party_that_only_listens_for_a_while_hears_every_word_meanwhile_by_the_switch() -> None:
    with conversation() as call:
        talking = call.carried()
        call.voices.set("alice", silent=1)
        assert " 200 " in call.alice.reinvite(sdp(ALICE_PORT, direction="recvonly")).start
        call.passed(1.0)
        assert " 200 " in call.alice.reinvite(sdp(ALICE_PORT)).start
        call.voices.set("alice", silent=0)
        carried, end = call.carried(), call.passed(0.5)
        assert call.returns() == []
    assert_whole(call.capture, BOB, talking, end)
    assert_by_switch(call.capture, BOB, talking, end)
    assert_carried(call.capture, carried, end)


def test_early_media_is_asterisks_and_only_what_the_answer_says_is_switched() -> None:
    early, final = f"{EDGE}:{ALICE_PORT}", f"{EDGE}:{MOVED_PORT}"
    with phones() as call:
        call.bob.call("custom", sdp(BOB_PORT))
        call.alice.invited()
        call.alice.progress(sdp(ALICE_PORT))
        call.voices.set("alice", from_=early, to=call.alice.media, ssrc=ALICE)
        call.bob.alerted()
        ringing = time.time()
        answer = call.passed(1.0)
        call.voices.set("alice", silent=1)
        call.alice.answer(sdp(MOVED_PORT))
        assert " 200 " in call.bob.answered().start
        call.speak(alice=final)
        call.voices.set("alice", silent=0)
        carried, end = call.carried(), call.passed(0.5)
    assert_whole(call.capture, ALICE, ringing + 0.2 * control.BUSY, answer)
    assert not any(packet.by_switch for packet in call.capture.heard(ALICE) if packet.at < answer)
    assert not any(packet.by_switch for packet in call.capture.heard(BOB, at=Address.parse(early)))
    assert_carried(call.capture, carried, end)
