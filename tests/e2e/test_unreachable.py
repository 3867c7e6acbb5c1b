"""Asterisk hangs, dies, or sends no events: what flows well goes on, and what changed meanwhile is noticed.

Asterisk is stopped as a debugger, a core dump or swap stops it. It can change nothing then.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise

from lab import control
from lab.capture import Capture, captured
from lab.control import wait_until
from tests.support.applications import application
from tests.support.ari_program import post_each
from tests.support.edge_call import ALICE, BOB, BOB_PORT, assert_carried, conversation
from tests.support.hosts import paused, restart_gracefully
from tests.support.observed import assert_all_whole, logged, media_moved, more_packets, returned
from tests.support.phone import sdp

CALLS = 6
# Seconds; the application takes a websocket for dead after 7.5 s without a pong (asterisk/ari_http.py), and the first audit
# is due within 5 s.
PAST_THE_PONG = 10.0
# Seconds; Asterisk sends its first RTCP within 5 s (rtp.conf, rtcpinterval), and the parties' passes from then on: often, so
# that many a report comes while an audit waits 2 s for Asterisk.
REPORTED_WITHIN = 6.0
OFTEN = 0.1
AT_ONCE = 1.5
BURST = 1500


def why_returned(since: float, *, but: str | None = None) -> list[str]:
    """List why calls have left the switch, all or all but one."""
    return [str(event["reason"]) for event in returned(since) if event["call"] != but]


@contextmanager
def frozen() -> Iterator[float]:
    """Stop Asterisk while the block runs; yields the moment."""
    with paused("asterisk2"):
        yield time.time()


def until(moment: float) -> None:
    wait_until(lambda: time.time() >= moment, within=30, what="time to pass")


def states() -> list[str]:
    return [str(call["state"]) for call in control.calls()]


def test_a_frozen_asterisk_costs_no_packet_and_a_party_that_hung_up_meanwhile_is_let_go_at_once() -> None:
    with conversation() as other, ExitStack() as stack:
        control.originate("555@asterisk2", count=CALLS - 1)
        media_moved(CALLS)
        capture = stack.enter_context(captured())
        for speaker in ("bob", "alice"):
            other.voices.set(speaker, rtcp=OFTEN)
        other.passed(REPORTED_WITHIN)
        leaving = control.calls()[0]["call"]
        begun = time.time()
        with frozen() as at:
            until(at + PAST_THE_PONG)
            assert states() == ["offloaded"] * CALLS
            problems = control.health()["problems"]
            left = time.time()
            other.bob.leave()
        thawed = time.time()
        other.alice.ended()
        assert time.time() - thawed < 7.0, "the application's patience"
        assert any("asterisk" in problem for problem in problems)
        wait_until(lambda: control.health()["ok"], within=8, what="the application to hear of Asterisk again")
        media_moved(CALLS - 1)
        more_packets(25)
        assert not why_returned(begun, but=leaving)
        control.hang_up_all()
        wait_until(lambda: not control.calls(), within=10, what="the calls to end")
    assert_all_whole(capture, streams=2 * (CALLS - 1))
    assert_carried(other.capture, begun, left)
    assert longest_without_reports(other.capture, begun, left) < AT_ONCE


def longest_without_reports(capture: Capture, start: float, end: float) -> float:
    """Return the longest time (s) between two moments in which a party got no report of the other's."""
    got = (
        [each.at for each in capture.rtcp if each.arrived and each.ssrc == speaker and start < each.at < end]
        for speaker in (BOB, ALICE)
    )
    return max(later - earlier for at in got for earlier, later in pairwise([start, *at, end]))


def test_a_hold_that_asterisk_hears_of_late_is_obeyed_then_and_not_before() -> None:
    with conversation() as call:
        call.carried()
        with frozen() as start:
            call.bob.offer(sdp(BOB_PORT, direction="sendonly"))
            end = call.passed(3.0)
            assert states() == ["offloaded"]
        call.relayed("hold:callee")
    assert_carried(call.capture, start, end)


def test_a_burst_of_events_while_the_application_is_held_up_does_not_cost_it_its_websocket() -> None:
    """As when many calls end at once: Asterisk's own limit for a write is 100 ms (websocket_write_timeout in ari.conf)."""
    control.originate("555@asterisk2")
    media_moved()
    begun = time.time()
    caller = control.calls()[0]["call"]  # the id of its channel
    # A write of this variable is an event that the application wants; so many are more than sockets hold.
    values = (f"{number}".ljust(3500, ".") for number in range(BURST))
    with paused("offload"):
        queries = ({"variable": "BRIDGEPEER", "value": value} for value in values)
        post_each("channels", caller, "variable", queries=queries)
    more_packets(50)
    assert "ari.down" not in [event["event"] for event in logged(begun)]
    assert control.health()["ok"]
    media_moved()


def record(call: dict[str, str]) -> None:
    control.asterisk("asterisk2", f"mixmonitor start {call['caller']} unheard.wav")


def test_what_changed_while_no_event_arrived_is_found_when_they_do_and_no_other_call_is_touched() -> None:
    control.originate("555@asterisk2", count=3)
    media_moved(3)
    more_packets(25)
    begun = time.time()
    with events_cut():
        wait_until(lambda: not control.health()["ok"], within=5, what="the loss to be noticed")
        [recorded, *_] = control.calls()
        record(recorded)
        more_packets(25)
        assert states() == ["offloaded"] * 3
    wait_until(lambda: "relayed" in states(), within=10, what="the recording to be found")
    reasons = {call["call"]: call["reason"] for call in control.calls()}
    assert reasons.pop(recorded["call"]) == "audio-hook:caller"
    assert set(reasons.values()) == {None}
    assert wait_until(lambda: why_returned(begun), within=5, what="the log") == ["audio-hook:caller"]


@contextmanager
def events_cut() -> Iterator[None]:
    """Refuse the application's connections to ARI, and break what there is."""
    reject = ("INPUT", "-p", "tcp", "--dport", "8088", "-j", "REJECT", "--reject-with", "tcp-reset")
    control.execute("ovs", "iptables", "-I", *reject)
    try:
        # An event, whose acknowledgement is refused.
        control.asterisk("asterisk2", f"dialplan set chanvar {control.calls()[0]['caller']} BRIDGEPEER none")
        yield
    finally:
        control.execute("ovs", "iptables", "-D", *reject)


def test_without_events_for_longer_than_the_grace_no_media_stays_in_the_switch() -> None:
    with application(MEDIA__GRACE=2):
        control.originate("555@asterisk2")
        media_moved()
        begun = time.time()
        with events_cut():
            wait_until(lambda: states() == ["relayed"], within=10, what="the call to return")
            assert control.calls()[0]["reason"] == "asterisk-unreachable"
            wait_until(lambda: not control.flows(), within=2, what="no flow of the call")
        media_moved()
        assert why_returned(begun) == ["asterisk-unreachable"]
        control.hang_up_all()
        wait_until(lambda: not control.calls(), within=10, what="the call to end")


def test_an_asterisk_that_was_killed_leaves_no_flow_to_its_successor() -> None:
    control.originate("555@asterisk2", count=2)
    media_moved(2)
    control.stop("asterisk2", kill=True)
    try:
        wait_until(lambda: not control.health()["ok"], within=5, what="its end to be noticed")
        assert states() == ["offloaded"] * 2
        more_packets(25)
    finally:
        control.start("asterisk2")
    wait_until(lambda: not control.flows(), within=3, what="the flows to go")
    wait_until(lambda: not control.calls(), within=5, what="the calls to end")


def refuses(command: str) -> bool:
    return "cannot be run" in control.asterisk("asterisk2", command)


def test_a_graceful_restart_that_waits_for_a_call_changes_nothing_for_it() -> None:
    """Asterisk's CLI refuses all but a few commands meanwhile (allowed_on_shutdown() in main/cli.c)."""
    with conversation() as call:
        call.carried()
        restart_gracefully()
        try:
            wait_until(lambda: refuses("core show uptime"), within=5, what="the restart to be due")
            assert " 200 " in call.bob.reinvite(sdp(BOB_PORT, direction="sendonly")).start
            call.relayed("hold:callee")
            assert " 200 " in call.bob.reinvite(sdp(BOB_PORT)).start
            start = call.carried()
            end = call.passed(0.5)
        finally:
            control.asterisk("asterisk2", "core abort shutdown")
    assert_carried(call.capture, start, end)
    assert "module.unreachable" not in [event["event"] for event in logged(call.begun)]


def test_a_busy_cli_costs_no_call_its_place() -> None:
    control.originate("555@asterisk2", count=8)
    media_moved(8)
    begun = time.time()
    loop = "end=$(( $(date +%s) + 8 )); while [ $(date +%s) -lt $end ]; do asterisk -rx 'core show channels' >/dev/null; done"
    script = f"for i in 1 2 3 4 5 6; do ({loop}) & done; wait"
    with control.running("asterisk2", "sh", "-c", script, within=30):
        # Calls that begin and change meanwhile need answers, too.
        control.originate("555@asterisk2", count=2)
        media_moved(10)
    assert states() == ["offloaded"] * 10
    assert not why_returned(begun)
