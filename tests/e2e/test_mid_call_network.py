"""What changes in the middle of a call without a word of signalling: where packets come from, and what they are."""

from collections.abc import Iterator

import pytest

from lab import control
from lab.control import wait_until
from stasis_offload.packets.address import Address
from tests.support.edge_call import (
    ALICE,
    BOB,
    BOB_PORT,
    assert_carried,
    assert_not_sent_on,
    assert_whole,
    conversation,
)
from tests.support.phone import EDGE, sdp

HERE = f"{EDGE}:{BOB_PORT}"
REBOUND = f"{EDGE}:40500"
# What the switch may add to the time (s) in which a call's media follows a source that moves: milliseconds, but on a
# machine that is shared.
FOLLOWED_WITHIN = 1.0 * control.BUSY


@pytest.fixture
def trusting_asterisk() -> Iterator[None]:
    """Have Asterisk take RTP from wherever it comes, which it does only for calls that begin later."""
    _strictrtp("no")
    yield
    _strictrtp("yes")


def _strictrtp(value: str) -> None:
    control.execute(
        "asterisk2", "sed", "-i", f"s/^strictrtp = .*/strictrtp = {value}/", "/etc/asterisk/rtp.conf"
    )
    control.asterisk("asterisk2", "module reload res_rtp_asterisk.so")


def test_a_source_that_changes_behind_a_nat_is_followed_from_its_first_packet_on(
    trusting_asterisk: None,
) -> None:
    del trusting_asterisk
    with conversation() as call:
        talking = call.carried()
        call.passed(2.0)
        call.voices.set("bob", from_=REBOUND)
        call.returned("foreign-source:caller")
        carried, end = call.carried(), call.passed(0.5)
    rebound = next(s.first for s in call.capture.sent if str(s.source) == REBOUND)
    assert_whole(call.capture, BOB, talking, end)
    assert_not_sent_on(call.capture, ALICE, HERE, rebound)
    assert_whole(call.capture, ALICE, carried, end, at=REBOUND)
    assert_carried(call.capture, carried, end)


def test_a_source_that_a_strict_asterisk_does_not_take_gives_the_call_back_until_signalling_says_more() -> (
    None
):
    with conversation() as call:
        call.carried()
        call.passed(6.0)  # by then strictrtp has learned the source and takes no other
        call.voices.set("bob", from_=REBOUND)
        lost = call.returned("foreign-source:caller")
        told = call.passed(1.0)
        assert " 200 " in call.bob.reinvite(sdp(int(REBOUND.rpartition(":")[2]))).start
        carried, end = call.carried(), call.passed(0.5)
    # As strict as Asterisk alone: a stranger's packets are not passed on.
    assert not [packet for packet in call.capture.heard(BOB) if lost + 0.1 < packet.at < told]
    assert_whole(call.capture, ALICE, carried, end, at=REBOUND)
    assert_carried(call.capture, carried, end)


def test_a_party_that_falls_silent_for_a_while_misses_nothing_and_is_heard_when_it_speaks_again() -> None:
    with conversation() as call:
        talking = call.carried()
        call.voices.set("bob", silent=1)
        call.returned("media-idle:caller")
        call.voices.set("bob", silent=0)
        carried, end = call.carried(), call.passed(0.5)
    assert_whole(call.capture, ALICE, talking, end)
    assert_carried(call.capture, carried, end)


def test_a_stream_that_begins_anew_is_noticed_learned_again_and_heard_whole() -> None:
    with conversation() as call:
        talking = call.carried()
        call.voices.set("bob", ssrc=BOB + 1, seq=1000)
        call.returned("foreign-ssrc:caller")
        carried, end = call.carried(), call.passed(0.5)
    for speaker in (ALICE, BOB):
        assert_whole(call.capture, speaker, talking, end)
    assert_carried(call.capture, carried, end)


def test_what_is_no_rtp_is_noticed_and_kept_from_the_other_end_until_it_is_rtp_again() -> None:
    with conversation() as call:
        talking = call.carried()
        call.voices.set("bob", garbage=1)
        call.returned("foreign-media:caller")
        call.voices.set("bob", garbage=0)
        carried, end = call.carried(), call.passed(0.5)
    assert_whole(call.capture, ALICE, talking, end)
    assert_carried(call.capture, carried, end)


def test_a_source_that_moves_in_the_first_second_is_followed_as_fast_as_by_asterisk() -> None:
    """As when an announcement server answers and a gateway goes on; Asterisk needs some packets to trust the new source."""
    control.offload("relay", "--all")
    relayed = _seconds_until_followed()
    control.lift_blocks()
    for _ in range(3):
        assert _seconds_until_followed(carried=True) < relayed + FOLLOWED_WITHIN


def _seconds_until_followed(*, carried: bool = False) -> float:
    """Make a call whose caller moves as soon as both speak, or the switch carries it; return how long Alice does not follow."""
    with conversation() as call:
        if carried:
            wait_until(
                lambda: control.calls()[0]["state"] == "offloaded", within=20, what="the cutover", every=0.01
            )
        else:
            call.passed(0.5)
        call.voices.set("bob", from_=REBOUND)
        call.passed(2.0)
        if carried:
            wait_until(
                lambda: control.calls()[0]["state"] == "offloaded",
                within=3,
                what="the switch to carry it from there",
            )
    moved = next(stream.first for stream in call.capture.sent if str(stream.source) == REBOUND)
    return call.capture.heard(ALICE, at=Address.parse(REBOUND))[0].at - moved
