"""A phone that offers T.38 in the middle of a call, accepted and refused.

Either way Asterisk never again bridges the call natively: a session that has once had to do with T.38 keeps a mark of
it, for which chan_pjsip forbids that (chan_pjsip_get_rtp_peer() in channels/chan_pjsip.c), and the leg that it asked
for T.38 itself even counts as a fax ever after. So the call stays relayed.
"""

import time

from tests.support.edge_call import (
    ALICE,
    ALICE_PORT,
    BOB,
    BOB_PORT,
    Conversation,
    assert_by_asterisk,
    assert_by_switch,
    assert_whole,
    phones,
)
from tests.support.phone import sdp, t38

FAX_PORT = 43000


def connect(call: Conversation) -> float:
    call.connect(sdp(BOB_PORT), sdp(ALICE_PORT), user="fax")
    call.speak()
    return call.carried()


def assert_heard(call: Conversation, talks: tuple[float, float], talks_again: tuple[float, float]) -> None:
    """Both were heard whole, at first by way of the switch, after the fax by way of Asterisk."""
    for speaker in (BOB, ALICE):
        assert_whole(call.capture, speaker, *talks)
        assert_by_switch(call.capture, speaker, *talks)
        assert_whole(call.capture, speaker, *talks_again)
        assert_by_asterisk(call.capture, speaker, *talks_again)


def test_a_fax_is_asterisks_and_so_is_speech_after_it() -> None:
    with phones(callee="phone-t38") as call:
        talking, fax = connect(call), time.time()
        call.alice.offer(t38(FAX_PORT))
        assert "m=image" in call.bob.invited().text
        call.bob.answer(t38(FAX_PORT + 2))
        assert " 200 " in call.alice.answered().start
        call.relayed("t38:caller")
        faxing, speech = time.time(), call.passed(0.5)
        for phone, port in ((call.alice, ALICE_PORT), (call.bob, BOB_PORT)):
            assert " 200 " in phone.reinvite(sdp(port)).start
        call.speak()
        speaking, end = call.passed(0.5), call.passed(0.5)
        call.relayed("t38:caller")
    heard = call.capture.heard(BOB) + call.capture.heard(ALICE)
    assert not any(packet.by_switch for packet in heard if faxing < packet.at < speech)
    assert_heard(call, (talking, fax), (speaking, end))


def test_a_fax_that_is_refused_leaves_speech_with_asterisk() -> None:
    with phones(callee="phone-t38") as call:
        talking, fax = connect(call), time.time()
        call.alice.offer(t38(FAX_PORT))
        assert "m=image" in call.bob.invited().text
        call.bob.refuse()
        assert " 488 " in call.alice.answered().start
        call.relayed("glue-forbids:caller")
        speaking, end = call.passed(0.5), call.passed(0.5)
    assert_heard(call, (talking, fax), (speaking, end))
