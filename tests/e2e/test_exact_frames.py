"""What arrives at a phone is the frame that Asterisk would have sent, whichever of the two sent it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from lab import control
from lab.capture import FROM_SWITCH, Capture
from lab.control import wait_until
from lab.rtp_talker import NAMES
from stasis_offload.packets.frame import Datagram, Tag
from stasis_offload.packets.rtcp import cname_of
from tests.support.edge_call import (
    ALICE,
    ALICE_PORT,
    BOB,
    BOB_PORT,
    Conversation,
    assert_carried,
    assert_whole,
    phones,
)
from tests.support.network import iptables_rule, second_router
from tests.support.observed import reports_pass
from tests.support.phone import EDGE, SECOND, sdp
from tests.support.wires import ASIDE_NODE2, ASIDE_PHONE, VLAN, asterisk_at_a_port, tagged_vlan

# Asterisk reports every 5 s (rtp.conf, rtcpinterval).
REPORTED_WITHIN = 6.5
EXPEDITED = 46  # EF (RFC 3246)
AF41 = 34  # RFC 2597


@dataclass
class Periods:
    """Two periods of one call (Unix time, s): Asterisk relays it, the switch carries it."""

    relayed: tuple[float, float] = (0, 0)
    switched: tuple[float, float] = (0, 0)


@contextmanager
def relayed_and_switched(
    *,
    endpoint: str = "phone",
    user: str = "bob",
    host: str = EDGE,
    alice: str | None = None,
    reports: bool = False,
    relayed_reports: bool = False,
    **fields: Any,
) -> Iterator[tuple[Conversation, Periods]]:
    """Make a call; when the block ends it has been relayed for some seconds, and carried by the switch for two.

    With `reports` these two begin when it carries RTCP, too, of which Asterisk's own shows the frame; with `relayed_reports`
    Asterisk's reports are heard while it relays, of which the first after a return are withheld.
    Both announce ports of this host, and speak from there; Alice from `alice`, if that is elsewhere. The fields are those
    of Conversation.speak.
    """
    periods = Periods()
    with phones(callee=endpoint) as call:
        call.connect(sdp(BOB_PORT, host=host), sdp(ALICE_PORT, host=host), user=user)
        call.speak(bob=f"{host}:{BOB_PORT}", alice=alice or f"{host}:{ALICE_PORT}", **fields)
        yield call, periods
        call.carried()
        control.offload("relay", "--all")
        call.relayed("operator")
        began = call.passed(0.5)
        if relayed_reports:
            wait_until(lambda: not control.withholding(), within=15, what="Asterisk's reports to pass")
        periods.relayed = (began, call.passed(REPORTED_WITHIN if relayed_reports else 1.0))
        control.offload("offload", "--all")
        began = call.carried()
        if reports:
            reports_pass(to=["caller"])  # the callee may listen elsewhere than it speaks
            began = time.time()
        periods.switched = (began, call.passed(2.0))


def assert_same_frames(capture: Capture, periods: Periods, *, dscp: int = 0) -> None:
    """Each party gets the same frames in both periods, but for the hop that a switch takes from the TTL."""
    for speaker in (BOB, ALICE):
        relayed, switched = (
            [packet for packet in capture.heard(speaker) if start <= packet.at < end]
            for start, end in (periods.relayed, periods.switched)
        )
        [frame] = _distinct(packet.headers for packet in relayed)
        assert _distinct(packet.headers for packet in switched) == [frame]
        assert frame.dscp == dscp
        [ttl] = {packet.ttl for packet in relayed}
        assert {packet.ttl for packet in switched} == {ttl - 1}


def _distinct(headers: Iterator[Datagram]) -> list[Datagram]:
    return list(dict.fromkeys(headers))


def test_an_ordinary_call() -> None:
    with relayed_and_switched() as (call, periods):
        pass
    assert_same_frames(call.capture, periods)


def test_the_mark_that_asterisk_gives_an_endpoint() -> None:
    with relayed_and_switched(endpoint="phone-ef", user="ef") as (call, periods):
        pass
    assert_same_frames(call.capture, periods, dscp=EXPEDITED)


def test_the_mark_of_a_phone_which_asterisk_does_not_pass_on() -> None:
    with relayed_and_switched() as (call, periods):
        call.voices.set("alice", dscp=AF41)
    assert_same_frames(call.capture, periods)
    assert AF41 in {packet.headers.dscp for packet in call.capture.said(ALICE)}


@pytest.mark.parametrize("pcp", [0, 5])
def test_the_priority_tag_of_a_phone_to_which_asterisk_answers_without_one(pcp: int) -> None:
    with relayed_and_switched() as (call, periods):
        for name in ("bob", "alice"):
            call.voices.set(name, pcp=pcp)
        call.carried()
        forwarding = [flow for flow in control.flows() if "dec_ttl" in flow]
        assert forwarding
        assert all("dl_vlan=0" in flow for flow in forwarding)
    assert_same_frames(call.capture, periods)
    assert {packet.headers.tag for speaker in (BOB, ALICE) for packet in call.capture.heard(speaker)} == {
        None
    }


def test_the_priority_in_a_vlan_which_asterisk_does_not_pass_on() -> None:
    with (
        tagged_vlan(),
        relayed_and_switched(host=ASIDE_PHONE, to=ASIDE_NODE2, vid=VLAN, pcp=5) as (call, periods),
    ):
        pass
    assert_same_frames(call.capture, periods)
    assert_carried(call.capture, *periods.switched)
    for speaker in (BOB, ALICE):
        assert {packet.headers.tag for packet in call.capture.said(speaker)} == {Tag(VLAN, pcp=5)}
        assert {packet.headers.tag for packet in call.capture.heard(speaker)} == {Tag(VLAN, pcp=0)}


def test_asterisk_at_a_port_of_the_bridge_as_a_guest_and_not_at_the_bridges_own() -> None:
    with asterisk_at_a_port() as port, relayed_and_switched() as (call, periods):
        call.carried()
        rewrites = [flow for flow in control.flows() if "dec_ttl" in flow]
        assert rewrites
        assert all(f"set_field:{port}->in_port" in flow for flow in rewrites)
    assert_same_frames(call.capture, periods)
    assert_carried(call.capture, *periods.switched)


def test_the_mark_that_a_rule_of_the_host_gives() -> None:
    rule = ("POSTROUTING", "-t", "mangle", "-p", "udp", "--sport", "10000:20000")
    with (
        iptables_rule("ovs", *rule, "-j", "DSCP", "--set-dscp", str(EXPEDITED)),
        relayed_and_switched() as (call, periods),
    ):
        pass
    assert_same_frames(call.capture, periods, dscp=EXPEDITED)


def test_the_way_that_asterisk_sends_which_is_not_the_one_by_which_a_phone_does() -> None:
    with second_router() as router, relayed_and_switched() as (call, periods):
        pass
    assert_same_frames(call.capture, periods)
    assert {packet.headers.eth_src for packet in call.capture.heard(BOB)} == {router}


@pytest.mark.parametrize("speaking", [f"{EDGE}:42100", f"{SECOND}:42100"], ids=["port", "host"])
def test_a_leg_that_sends_from_elsewhere_than_it_listens(speaking: str) -> None:
    asymmetric = relayed_and_switched(endpoint="phone-asymmetric", alice=speaking, reports=True)
    with asymmetric as (call, periods):
        listener = {"from_": f"{EDGE}:{ALICE_PORT}", "to": call.alice.media, "ssrc": 1, "silent": 1}
        call.voices.set("listener", **listener)
        call.voices.set("bob", rtcp=0.3)
        call.voices.set("alice", rtcp=0.3)
    assert_same_frames(call.capture, periods)
    assert_carried(call.capture, *periods.switched)
    for speaker in (BOB, ALICE):
        assert_whole(call.capture, speaker, *periods.relayed)
    assert {str(s.destination) for s in call.capture.arriving if s.ssrc == BOB} == {f"{EDGE}:{ALICE_PORT}"}
    start, end = periods.switched
    reports = [
        p for p in call.capture.rtcp if p.arrived and p.datagram.ttl == FROM_SWITCH and start <= p.at < end
    ]
    ports = {(packet.ssrc, packet.datagram.destination.port) for packet in reports}
    assert ports == {(BOB, ALICE_PORT + 1), (ALICE, BOB_PORT + 1)}


def test_reports_arrive_in_the_frame_of_asterisks_own_mark_and_all_and_under_its_name() -> None:
    rule = ("POSTROUTING", "-t", "mangle", "-p", "udp", "--sport", "10000:20000")
    mark = iptables_rule("ovs", *rule, "-j", "DSCP", "--set-dscp", str(EXPEDITED))
    with mark, relayed_and_switched(reports=True, relayed_reports=True) as (call, periods):
        for name in ("bob", "alice"):
            call.voices.set(name, rtcp=0.5, dscp=AF41)
    reports = [report for report in call.capture.rtcp if report.arrived]
    for speaker in (BOB, ALICE):
        relayed, switched = (
            [each.datagram for each in reports if each.ssrc == speaker and start <= each.at < end]
            for start, end in (periods.relayed, periods.switched)
        )
        [frame] = _distinct(replace(datagram, ttl=0, size=0, payload=b"") for datagram in relayed)
        assert _distinct(replace(datagram, ttl=0, size=0, payload=b"") for datagram in switched) == [frame]
        assert frame.dscp == EXPEDITED
        assert {datagram.ttl for datagram in switched} == {FROM_SWITCH}
        [cname] = {cname_of(datagram.payload) for datagram in relayed + switched}
        assert cname
    said = b"".join(report.datagram.payload for report in call.capture.rtcp if not report.arrived)
    heard = b"".join(report.datagram.payload for report in reports)
    for _, text in NAMES:
        assert text in said
        assert text not in heard
