"""What the switch forwards is watched: RTCP passes from end to end, and media that is not the call's goes back."""

import re
import time

import pytest

from lab import control
from lab.capture import FROM_SWITCH, NODE2
from lab.control import wait_until
from tests.support.edge_call import (
    ALICE,
    ALICE_PORT,
    BOB,
    BOB_PORT,
    UNDER_WAY,
    assert_whole,
    conversation,
    phones,
)
from tests.support.observed import FLOWS, Cdrs, media_moved, reports_pass
from tests.support.phone import EDGE, sdp

# The endpoint phone-timeout of lab/asterisk2/pjsip_phone.conf (s).
RTP_TIMEOUT = 10.0


def quality_of_the_call() -> dict[str, dict[str, float]]:
    return dict(control.calls()[0]["quality"])


def test_reports_pass_from_end_to_end_asterisk_reads_along_and_keeps_its_own_to_itself(cdrs: Cdrs) -> None:
    with conversation() as call:
        call.voices.set("bob", rtcp=0.5)
        call.voices.set("alice", rtcp=0.5)
        call.carried()
        # Asterisk's own reports, which show where to, are 5 s apart.
        reports_pass()
        start = time.time()
        end = call.passed(2)
        quality = quality_of_the_call()
        asterisk = control.asterisk("asterisk2", "pjsip show channelstats")
        assert_asterisk_knows_loss_and_round_trip(asterisk)
        call.alice.hang_up()
        cdr = cdrs.last(having="offload_caller_quality")
    for leg in ("caller", "callee"):
        assert quality[leg]["loss"] == 0
        # On a machine whose phones are late, too.
        assert 3.0 < quality[leg]["mos"] < 4.5
        assert 0 <= quality[leg]["rtt_ms"] < 1000
        assert quality[leg]["jitter_ms"] < 100
        assert re.match(r"mos=[34]\.\d\d;loss=0\.00;jitter_ms=", cdr[f"offload_{leg}_quality"])
    settled = [packet for packet in call.capture.rtcp if packet.arrived and start <= packet.at < end]
    assert {packet.ssrc for packet in settled} == {BOB, ALICE}
    assert {packet.datagram.ttl for packet in settled} == {FROM_SWITCH}
    for speaker, port in ((BOB, ALICE_PORT), (ALICE, BOB_PORT)):
        heard = [packet for packet in settled if packet.ssrc == speaker]
        said = [packet for packet in call.capture.rtcp if not packet.arrived and packet.ssrc == speaker]
        assert len(heard) >= sum(start <= packet.at < end - 0.5 for packet in said)
        assert {str(packet.datagram.destination) for packet in heard} == {f"{EDGE}:{port + 1}"}
        assert {str(packet.datagram.source.host) for packet in heard} == {NODE2}


def assert_asterisk_knows_loss_and_round_trip(stats: str) -> None:
    """Asterisk has a round trip time only from reports that reached it (the last column, s)."""
    rows = [line.split() for line in stats.splitlines() if "ulaw" in line]
    assert len(rows) == 2
    assert all(float(row[-1]) >= 0 for row in rows), stats


def test_who_sends_no_reports_has_no_score_rather_than_a_perfect_one() -> None:
    with conversation() as call:
        call.carried()
        call.passed(1.5)
        quality = quality_of_the_call()
    assert {quality[leg]["mos"] for leg in quality} == {None}
    assert {quality[leg]["loss"] for leg in quality} == {None}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ssrc": 0xDEAD}, "foreign-ssrc:callee"),
        ({"pt": 8}, "foreign-media:callee"),
        ({"garbage": 1}, "foreign-media:callee"),
    ],
    ids=["another-stream", "another-codec", "garbage"],
)
def test_an_audit_finds_media_that_is_not_the_calls_any_more(changes: dict[str, int], reason: str) -> None:
    with conversation() as call:
        call.carried()
        call.voices.set("alice", **changes)
        call.returned(reason)
        start = call.passed(0)
        end = call.passed(1.0)
        call.passed(UNDER_WAY)
    assert_whole(call.capture, BOB, start, end)


def test_what_the_host_keeps_from_a_party_the_switch_does_not_bring_it_either() -> None:
    rule = ["OUTPUT", "-p", "udp", "-d", EDGE, "--dport", str(ALICE_PORT), "-j", "DROP"]
    control.execute("ovs", "iptables", "-t", "raw", "-A", *rule)
    try:
        with conversation() as call:
            call.relayed("not-relayed:caller")
    finally:
        control.execute("ovs", "iptables", "-t", "raw", "-D", *rule)
    assert not any(stream.by_switch() for stream in call.capture.arriving)


def test_packets_that_another_program_keeps_from_the_flow_are_noticed_and_heard_all_the_same() -> None:
    with phones() as call:
        call.connect(sdp(BOB_PORT), sdp(ALICE_PORT))
        port = call.alice.media.rpartition(":")[2]
        # Before the size of Alice's packets is looked up: they go to Asterisk.
        taken = f"table=79,priority=100,udp,udp_dst={port}"
        _flows("add-flow", f"{taken},actions=resubmit(,0)")
        try:
            call.speak()
            lost = call.returned("flow-lost:callee")
            end = call.passed(0.5)
            call.passed(UNDER_WAY)
        finally:
            _flows("--strict", "del-flows", taken)
    for speaker in (BOB, ALICE):
        assert_whole(call.capture, speaker, lost - 1.0, end)


def test_an_rtp_timeout_does_not_end_a_call_that_has_media_and_ends_one_that_has_none() -> None:
    with phones(callee="phone-timeout") as call:
        call.connect(sdp(BOB_PORT), sdp(ALICE_PORT))
        call.speak()
        start = call.carried()
        end = call.passed(1.5 * RTP_TIMEOUT)
        assert [c["state"] for c in control.calls()] == ["offloaded"]
        call.voices.set("bob", silent=1)
        call.voices.set("alice", silent=1)
        wait_until(lambda: not call.alice.up, within=3.5 * RTP_TIMEOUT, what="Asterisk to end the call")
        call.alice.ended()
    for speaker in (BOB, ALICE):
        assert_whole(call.capture, speaker, start, end)


def test_a_call_that_cannot_settle_stays_with_asterisk_for_a_while_and_says_so() -> None:
    control.originate("555@asterisk2")
    for _ in range(7):
        media_moved()
        _delete_flows("table=77,udp")
    wait_until(lambda: control.calls()[0]["reason"] == "flapping", within=10, what="the call to be held")
    wait_until(lambda: not control.flows(), within=2, what="no flow of the call")


def test_a_call_that_lost_its_guards_alone_is_learned_again() -> None:
    control.originate("555@asterisk2")
    media_moved()
    wait_until(lambda: len(control.flows()) == FLOWS, within=10, what="all flows of the call")
    guards = [flow.partition("cookie=")[2].partition(",")[0] for flow in control.flows()]
    [guard] = [cookie for cookie in guards if cookie.endswith("0b")]
    _delete_flows(f"cookie={guard}/-1")
    media_moved()
    wait_until(lambda: len(control.flows()) == FLOWS, within=10, what="all flows of the call")


def _flows(*words: str) -> None:
    *options, command, flow = words
    control.execute("ovs", "ovs-ofctl", "-O", "OpenFlow13", *options, command, "breth0", flow)


def _delete_flows(which: str) -> None:
    """Delete flows as another program would, and wait until the application has noticed."""
    deleted = time.time()
    _flows("del-flows", which)
    wait_until(
        lambda: (
            (now := control.calls()[0])["state"] != "offloaded" or time.time() - now["state_age"] > deleted
        ),
        within=10,
        what="the loss of the flows to be noticed",
    )
