"""Parties of whom only one speaks: the other sends no packet for longer than a flow lives without one."""

from lab import control
from lab.control import wait_until
from tests.support.edge_call import (
    ALICE,
    ALICE_PORT,
    BOB,
    BOB_PORT,
    assert_by_switch,
    assert_carried,
    assert_whole,
    conversation,
    phones,
)
from tests.support.hosts import paused
from tests.support.phone import sdp

# Longer than media.idle_timeout, and than the rtp_timeout of phone-timeout (both 10 s).
TURN = 13.0
PACKETS_PER_SECOND = 50
BOTH = 2


def test_two_who_take_turns_stay_in_the_switch_while_rtcp_shows_that_both_are_there() -> None:
    with phones(callee="phone-timeout") as call:
        call.connect(sdp(BOB_PORT), sdp(ALICE_PORT))
        call.speak()
        call.voices.set("bob", rtcp=2)
        call.voices.set("alice", rtcp=2)
        turns = [call.carried()]
        before = control.calls()[0]["packets"]
        for speaks, listens in (("bob", "alice"), ("alice", "bob")):
            call.voices.set(speaks, silent=0)
            call.voices.set(listens, silent=1)
            turns.append(call.passed(TURN))
        assert sum("idle_timeout=300" in flow for flow in control.flows()) == len(turns) - 1
        call.voices.set("bob", silent=0)
        carried, end = call.carried(), call.passed(0.5)
        assert call.returns() == []
        # What a flow counted before it ended and was added again is in it.
        packets = control.calls()[0]["packets"]
        assert all(packets[leg] - before[leg] > 0.9 * TURN * PACKETS_PER_SECOND for leg in before), packets
    for speaker, start, stop in zip((BOB, ALICE), turns, turns[1:], strict=False):
        assert_whole(call.capture, speaker, start, stop)
        assert_by_switch(call.capture, speaker, start, stop)
    assert_carried(call.capture, carried, end)


def _forwarded_legs() -> int:
    return sum("idle_timeout=" in flow for flow in control.flows())


def test_a_party_that_speaks_again_before_its_ended_flow_is_added_again_is_heard_and_no_stranger() -> None:
    with conversation() as call:
        call.voices.set("bob", rtcp=2)
        call.voices.set("alice", rtcp=2)
        talking = call.carried()
        call.voices.set("alice", silent=1)
        call.passed(8.5)
        assert _forwarded_legs() == BOTH
        with paused("offload"):  # for less than the lease of the gate
            wait_until(lambda: _forwarded_legs() < BOTH, within=4, what="the silent party's flow to end")
            call.voices.set("alice", silent=0)
            call.passed(0.2)
        carried, end = call.carried(), call.passed(0.5)
        assert call.returns() == []
    for speaker in (BOB, ALICE):
        assert_whole(call.capture, speaker, talking, end)
    assert_carried(call.capture, carried, end)


def test_a_silent_party_whose_rtcp_ends_returns_the_call_and_is_heard_when_it_speaks_again() -> None:
    with conversation() as call:
        call.voices.set("bob", rtcp=2)
        call.voices.set("alice", rtcp=2)
        talking = call.carried()
        call.voices.set("alice", silent=1)
        call.passed(TURN)
        assert call.returns() == []
        call.voices.set("alice", rtcp=0)
        call.returned("media-idle:callee")
        call.voices.set("alice", silent=0)
        carried, end = call.carried(), call.passed(0.5)
    assert_whole(call.capture, BOB, talking, end)
    assert_carried(call.capture, carried, end)
