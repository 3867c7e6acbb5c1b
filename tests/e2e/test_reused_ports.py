"""A call gets the RTP ports of one that has just ended, whose phones go on sending there."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab import control
from lab.capture import FROM_SWITCH
from lab.control import wait_until
from lab.talker_client import talker
from tests.support.edge_call import ALICE_PORT, BOB_PORT, assert_carried, phones
from tests.support.observed import reports_pass
from tests.support.phone import EDGE, sdp

NEW_BOB_PORT, NEW_ALICE_PORT = 40100, 42100
OLD = {BOB_PORT: 0x01DB0B, ALICE_PORT: 0x01DA11CE}
_CONF = "/etc/asterisk/rtp.conf"


@contextmanager
def two_ports() -> Iterator[None]:
    """Have Asterisk use two ports for RTP and no others, those of one call."""
    shrink = f"cp {_CONF} {_CONF}.kept && sed -i 's/^rtpend = .*/rtpend = 10003/' {_CONF}"
    control.execute("asterisk2", "sh", "-c", shrink)
    try:
        control.asterisk("asterisk2", "module reload res_rtp_asterisk.so")
        yield
    finally:
        control.execute("asterisk2", "sh", "-c", f"cat {_CONF}.kept >{_CONF} && rm {_CONF}.kept")
        control.asterisk("asterisk2", "module reload res_rtp_asterisk.so")


def in_use() -> str:
    return control.execute("ovs", "ss", "-Huln", "sport >= :10000 and sport <= :10003")


def test_the_phones_of_a_call_that_has_ended_go_on_sending_and_the_next_call_on_its_ports_is_not_disturbed() -> (
    None
):
    with two_ports(), talker() as old:
        with phones() as first:
            first.connect(sdp(BOB_PORT), sdp(ALICE_PORT))
            to = {first.bob.media: BOB_PORT, first.alice.media: ALICE_PORT}
            for media, port in to.items():
                old.set(str(port), from_=f"{EDGE}:{port}", to=media, ssrc=OLD[port], rtcp=0.1)
            first.carried()
        wait_until(lambda: not in_use(), within=5, what="its ports to be free", every=0.01)
        with phones() as call:
            call.connect(sdp(NEW_BOB_PORT), sdp(NEW_ALICE_PORT))
            assert {call.bob.media, call.alice.media} == to.keys()
            call.speak(bob=f"{EDGE}:{NEW_BOB_PORT}", alice=f"{EDGE}:{NEW_ALICE_PORT}", rtcp=0.1)
            call.relayed("foreign-source:caller", "foreign-source:callee")
            start = call.carried()
            reports_pass()
            end = call.passed(0.5)
            assert not call.returns()
    assert_carried(call.capture, start, end)
    for speaker in OLD.values():  # until it has learned, Asterisk takes four packets of anybody for a party's
        heard = call.capture.heard(speaker)
        assert not [packet for packet in heard if packet.by_switch or packet.at > start]
    reports = [
        report for report in call.capture.rtcp if report.arrived and report.datagram.ttl == FROM_SWITCH
    ]
    assert reports
    assert not [report for report in reports if report.ssrc in OLD.values()]
