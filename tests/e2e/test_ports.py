"""Ports of the switch: each party's own; and a port, or a bond of two, by which node 2 reaches the phones, changes in mid-call."""

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from lab import control
from lab.capture import NODE2, Capture, captured
from lab.control import running, wait_until
from lab.place import BRIDGE
from tests.support.edge_call import (
    ALICE,
    ALICE_PORT,
    BOB,
    BOB_PORT,
    Conversation,
    assert_carried,
    conversation,
    longest_gap,
    phones,
)
from tests.support.phone import EDGE, sdp
from tests.support.wires import (
    ASIDE_NODE2,
    ASIDE_PHONE,
    FAR,
    Bond,
    bond,
    host_at_another_port,
)

# What the switch may add to the time (s) in which Asterisk's own packets find the other cable.
FOUND_WITHIN = 2.0
WATCHED = 4.0
ASKED_EVERY = 0.1
# Asks Asterisk something by SIP that often; a line is when, and whether an answer came before the next question.
_OPTIONS = r"""
import json, socket, sys, time
here, there, seconds, every = *sys.argv[1:3], *map(float, sys.argv[3:])
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end.bind((here, 0))
me = f"{here}:{end.getsockname()[1]}"
until, number = time.time() + seconds, 0
while (asked := time.time()) < until:
    number += 1
    lines = (
        f"OPTIONS sip:{there} SIP/2.0",
        f"Via: SIP/2.0/UDP {me};branch=z9hG4bK-{me}-{number}",
        f"From: <sip:probe@{me}>;tag=1",
        f"To: <sip:{there}>",
        f"Call-ID: {until}",
        f"CSeq: {number} OPTIONS",
        f"Contact: <sip:probe@{me}>",
        "Max-Forwards: 70",
        "Content-Length: 0",
        "", "",
    )
    end.sendto("\r\n".join(lines).encode(), (there, 5060))
    answered = False
    while (left := asked + every - time.time()) > 0:
        end.settimeout(left)
        try:
            answered = answered or f"CSeq: {number} " in end.recv(4096).decode()
        except TimeoutError:
            break
    print(json.dumps([asked, answered]), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Watched:
    """From when to when a change was watched (Unix time, s), and how many questions had no answer."""

    start: float
    end: float
    unanswered: int


def watched(call: Conversation, change: Callable[[], AbstractContextManager[None]]) -> Watched:
    """Change something, and watch for a while what Asterisk answers; the change is undone afterwards."""
    command = ("python3", "-c", _OPTIONS, EDGE, NODE2, str(WATCHED + 1), str(ASKED_EVERY))
    with running("edge", *command) as output:
        wait_until(lambda: "true" in output(), within=5, what="an answer of Asterisk's")
        start = time.time()
        with change():
            end = call.passed(WATCHED)
        asked = [json.loads(row) for row in output().splitlines()]
    return Watched(start, end, sum(at > start and not answered for at, answered in asked))


def relayed_and_switched(
    call: Conversation, change: Callable[[], AbstractContextManager[None]]
) -> tuple[Watched, Watched]:
    """Watch the same change twice: Asterisk relays the call, and the switch carries it."""
    call.carried()
    control.offload("relay", "--all")
    call.relayed("operator")
    relayed = watched(call, change)
    call.voices.set("alice", silent=0)
    control.lift_blocks()
    call.carried()
    switched = watched(call, change)
    call.voices.set("alice", silent=0)
    return relayed, switched


def assert_found_as_soon(capture: Capture, relayed: Watched, switched: Watched, *speakers: int) -> None:
    """Nobody was unheard for much longer when the switch carried the call than when Asterisk relayed it."""
    gaps = [
        max(longest_gap(capture, speaker, each.start, each.end) for speaker in speakers)
        for each in (relayed, switched)
    ]
    assert gaps[1] < gaps[0] + FOUND_WITHIN, gaps


def test_parties_at_two_ports_of_the_switch_hear_each_other_by_it() -> None:
    with host_at_another_port(), captured("edge", by=(FAR, ASIDE_NODE2)) as far, phones() as call:
        call.connect(sdp(BOB_PORT), sdp(ALICE_PORT, host=ASIDE_PHONE))
        port = call.alice.media.rpartition(":")[2]
        call.voices.set("bob", from_=f"{EDGE}:{BOB_PORT}", to=call.bob.media, ssrc=BOB)
        call.voices.set("alice", from_=f"{ASIDE_PHONE}:{ALICE_PORT}", to=f"{ASIDE_NODE2}:{port}", ssrc=ALICE)
        start, end = call.carried(), call.passed(1.0)
    both = Capture()
    for each in (call.capture, far):
        both.arriving += each.arriving
        both.sent += each.sent
    assert_carried(both, start, end)
    assert far.said(ALICE)
    assert far.heard(BOB)


def test_sip_and_audio_go_on_both_ways_when_the_bond_changes_its_cable_and_both_are_there() -> None:
    with bond() as cables, conversation() as call:

        def change() -> AbstractContextManager[None]:
            cables.change_active()
            return nullcontext()

        relayed, switched = relayed_and_switched(call, change)
        start, end = call.carried(), call.passed(0.5)
    assert switched.unanswered < relayed.unanswered + FOUND_WITHIN / ASKED_EVERY, (relayed, switched)
    assert_found_as_soon(call.capture, relayed, switched, BOB, ALICE)
    assert_carried(call.capture, start, end)


def test_sip_and_audio_go_on_both_ways_when_a_balanced_bond_moves_them_to_its_other_cable() -> None:
    with bond("balance-slb") as cables, conversation() as call:

        def change() -> AbstractContextManager[None]:
            cables.move_load()
            return nullcontext()

        relayed, switched = relayed_and_switched(call, change)
        start, end = call.carried(), call.passed(0.5)
    assert switched.unanswered < relayed.unanswered + FOUND_WITHIN / ASKED_EVERY, (relayed, switched)
    assert_found_as_soon(call.capture, relayed, switched, BOB, ALICE)
    assert_carried(call.capture, start, end)


def test_a_party_is_heard_again_soon_after_a_cables_failure_while_the_other_is_silent() -> None:
    with bond() as cables, conversation() as call:
        relayed, switched = relayed_and_switched(call, lambda: failing(call, cables))
        start, end = call.carried(), call.passed(0.5)
    assert_found_as_soon(call.capture, relayed, switched, BOB)
    assert_carried(call.capture, start, end)


def test_a_port_that_is_added_again_under_another_number_is_learned_at_once() -> None:
    with conversation() as call:
        relayed, switched = relayed_and_switched(call, removed_port)
        assert "port-down:caller" in [reason for _, reason in call.returns()]
        start, end = call.carried(), call.passed(0.5)
    assert_found_as_soon(call.capture, relayed, switched, BOB, ALICE)
    assert_carried(call.capture, start, end)


def removed_port() -> AbstractContextManager[None]:
    control.execute("ovs", "ovs-vsctl", "del-port", BRIDGE, control.phones_port())
    control.join_bridge()
    return nullcontext()


def failing(call: Conversation, cables: Bond) -> AbstractContextManager[None]:
    call.voices.set("alice", silent=1)
    return cables.unplugged()
