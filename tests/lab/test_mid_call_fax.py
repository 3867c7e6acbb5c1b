"""A phone that offers T.38 in the middle of a call, accepted and refused, and back to speech."""

import time

from conversation import (
    ALICE,
    ALICE_PORT,
    BOB,
    BOB_PORT,
    Conversation,
    assert_by_switch,
    assert_whole,
    phones,
)
from phone import sdp, t38

FAX_PORT = 43000


def connect(call: Conversation) -> float:
    call.connect(sdp(BOB_PORT), sdp(ALICE_PORT), user="fax")
    call.speak()
    return call.carried()


def assert_carried(call: Conversation, start: float, end: float) -> None:
    for speaker in (BOB, ALICE):
        assert_whole(call.capture, speaker, start, end)
        assert_by_switch(call.capture, speaker, start, end)


def test_a_fax_is_asterisks_and_speech_after_it_comes_back_to_the_switch() -> None:
    with phones(callee="phone-t38") as call:
        talking, fax = connect(call), time.time()
        call.alice.offer(t38(FAX_PORT))
        assert "m=image" in call.bob.invited().text
        call.bob.answer(t38(FAX_PORT + 2))
        assert " 200 " in call.alice.answered().start
        call.relayed("t38:caller")
        faxing, speech = time.time(), call.passed(0.5)
        call.alice.offer(sdp(ALICE_PORT))
        assert "m=audio" in call.bob.invited().text
        call.bob.answer(sdp(BOB_PORT))
        assert " 200 " in call.alice.answered().start
        call.speak()
        carried, end = call.carried(), call.passed(0.5)
    assert_carried(call, talking, fax)
    heard = call.capture.heard(BOB) + call.capture.heard(ALICE)
    assert not any(packet.by_switch for packet in heard if faxing < packet.at < speech)
    assert_carried(call, carried, end)


def test_a_fax_that_is_refused_leaves_speech_as_it_was_and_nobody_misses_a_word() -> None:
    with phones(callee="phone-t38") as call:
        talking = connect(call)
        call.alice.offer(t38(FAX_PORT))
        assert "m=image" in call.bob.invited().text
        call.bob.refuse()
        assert " 488 " in call.alice.answered().start
        carried, end = call.carried(), call.passed(0.5)
    for speaker in (BOB, ALICE):
        assert_whole(call.capture, speaker, talking, end)
    assert_carried(call, carried, end)
