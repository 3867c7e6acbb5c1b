"""The phones at the edge are phones: they call and are called, and what they say is heard."""

from lab import control
from lab.capture import captured
from lab.control import wait_until
from lab.talker_client import talker
from tests.support.observed import media_moved, passed_the_switch
from tests.support.phone import CALLEE_PORT, CALLER_PORT, EDGE, Phone, sdp


def test_two_phones_call_each_other_and_the_switch_carries_every_packet() -> None:
    control.asterisk("asterisk2", "dialplan set global LAB_ARGS PJSIP/alice@phone")
    with (
        captured("edge") as capture,
        talker() as voices,
        Phone("bob", port=CALLER_PORT) as bob,
        Phone("alice", port=CALLEE_PORT) as alice,
    ):
        bob.call("custom", sdp(40000))
        alice.invited()
        alice.answer(sdp(42000))
        assert "200" in bob.answered().start
        voices.set("bob", from_=f"{EDGE}:40000", to=bob.media, ssrc=1)
        voices.set("alice", from_=f"{EDGE}:42000", to=alice.media, ssrc=2)
        media_moved()
        wait_until(lambda: min(control.calls()[0]["packets"].values()) > 120, within=10, what="media")
        voices.set("bob", silent=1)
        voices.set("alice", silent=1)
        passed_the_switch()
    for stream in capture.end_to_end:
        assert (stream.lost, stream.duplicated) == (0, 0), stream.packets
        assert len(stream.by_switch()) > 50
    for speaker in (1, 2):
        said = [packet.talk for packet in capture.said(speaker)]
        assert [packet.talk for packet in capture.heard(speaker)][-100:] == said[-100:]
