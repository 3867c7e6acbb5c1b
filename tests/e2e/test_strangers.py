"""Who is no party of a call sends to its ports: the parties hear nothing of it, and the call stays in the switch."""

import time

from lab import control
from lab.control import wait_until
from tests.support.edge_call import (
    ALICE,
    ALICE_PORT,
    BOB,
    BOB_PORT,
    assert_carried,
    assert_whole,
    conversation,
    phones,
)
from tests.support.observed import FLOWS, logged, media_moved
from tests.support.phone import EDGE, SECOND, sdp
from tests.support.strangers import reports_to, scan

STRANGER = 0x57A1E
# Seconds; by then strictrtp has learned both sources (STRICT_RTP_LEARN_TIMEOUT in res/res_rtp_asterisk.c).
LEARNED = 6.0

# host, port, times a second, times, TTL, from, payload
_SEND = """
import socket, sys, time
host, port, rate, times, ttl, source, payload = sys.argv[1:]
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.setsockopt(socket.SOL_IP, socket.IP_TTL, int(ttl))
sender.bind((source, 0))
begun = time.monotonic()
for number in range(int(times)):
    time.sleep(max(0, begun + number / float(rate) - time.monotonic()))
    sender.sendto(bytes.fromhex(payload), (host, int(port)))
"""
# Datagrams with the address and port of a party, from another MAC: host, port, the party's host and port.
_SPOOF = """
import socket, struct, sys
target, port, source, near = sys.argv[1:]
mac = next(row.split()[3] for row in open("/proc/net/arp") if row.startswith(target + " "))
udp = struct.pack("!HHHH", int(near), int(port), 9, 0) + b"x"
head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 29, 0, 0, 64, 17, 0, *map(socket.inet_aton, (source, target)))
total = sum(struct.unpack("!10H", head))
total = (total & 0xffff) + (total >> 16)
head = head[:10] + struct.pack("!H", ~total & 0xffff) + head[12:]
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(("eth0", 0))
for _ in range(5):
    raw.send(bytes.fromhex(mac.replace(":", "")) + bytes.fromhex("020000000099") + b"\\x08\\x00" + head + udp)
"""


def rtp(payload: bytes = bytes(160)) -> bytes:
    return b"\x80\x00\x00\x01\x00\x00\x00\xa0" + STRANGER.to_bytes(4, "big") + payload


def send(media: str, payload: bytes, *, rate: int = 50, times: int = 10, **how: object) -> None:
    """Send datagrams to where a leg's audio goes; with a TTL, from a source, or to a port above, if that is given."""
    host, _, port = media.rpartition(":")
    to = int(port) + int(str(how.get("above", 0)))
    words = (host, to, rate, times, how.get("ttl", 64), how.get("source", SECOND), payload.hex())
    control.execute("edge", "python3", "-c", _SEND, *map(str, words))


def test_whatever_strangers_send_to_a_calls_ports_it_stays_in_the_switch_and_the_parties_hear_nothing_of_it() -> (
    None
):
    with conversation() as call:
        call.carried()
        call.passed(LEARNED)
        start = time.time()
        for media in (call.bob.media, call.alice.media):
            send(media, b"x")
            send(media, rtp())
            send(media, rtp(), ttl=1)
            send(media, rtp(bytes(4000)))  # in fragments
            send(media, rtp(), source=EDGE)  # a party's host, and none of its ports
            send(media, rtp(), rate=1000, times=500)
            send(media, b"x", above=1)
            host, _, port = media.rpartition(":")
            for near in (BOB_PORT, ALICE_PORT):  # the leg's own address from another MAC, and the other leg's
                control.execute("edge", "python3", "-c", _SPOOF, host, port, EDGE, str(near))
        end = call.passed(0.5)
        [row] = control.calls()
        assert not call.returns()
    assert_carried(call.capture, start, end)
    assert not call.capture.heard(STRANGER)
    assert not [stream for stream in call.capture.arriving if stream.ssrc == STRANGER]
    assert not [other for other in call.capture.other if other.arrived and other.datagram.payload == b"x"]
    assert all(500 < row["strangers"][leg] < 700 for leg in ("caller", "callee"))
    assert [event["event"] for event in logged(call.begun)].count("media.strangers") == 2


def test_a_scan_of_every_port_moves_no_call_and_shows_the_application_what_came_to_the_calls_ports_alone() -> (
    None
):
    control.originate("555@asterisk2", count=8)
    media_moved(8)
    begun, before = time.time(), messages()
    scan(rate=2500)
    wait_until(
        lambda: all(row["strangers"] == {"caller": 1, "callee": 1} for row in control.calls()),
        within=5,
        what="one packet at each port",
    )
    # One to each port of RTP and of RTCP. Open vSwitch's threads add to its counters once a second (lib/coverage.c).
    wait_until(lambda: messages() - before >= 2 * 2 * 8, within=5, what="the switch to have counted them")
    shown = messages() - before
    rows = control.calls()
    assert [row["state"] for row in rows] == ["offloaded"] * 8
    assert "media.relayed" not in [event["event"] for event in logged(begun)]
    assert all(row["strangers"] == {"caller": 1, "callee": 1} for row in rows)
    assert shown < 1000  # of 10,001; with the reports, audits and comparisons of some seconds


def messages() -> int:
    """Return how many messages the switch has sent to whoever speaks OpenFlow with it (lib/rconn.c)."""
    return int(control.execute("ovs", "ovs-appctl", "coverage/read-counter", "rconn_sent"))


def test_a_stranger_who_sends_all_the_time_from_the_start_returns_a_call_once_and_asterisk_never_follows_him() -> (
    None
):
    """While strictrtp learns, four packets would be enough: it gets the parties' own back until it has learned."""
    with conversation() as call:
        wait_until(lambda: control.calls()[0]["state"] == "offloaded", within=10, what="the cutover")
        call.voices.set("stranger", from_=f"{EDGE}:40700", to=call.bob.media, ssrc=STRANGER)
        call.passed(LEARNED)
        start = call.carried()
        end = call.passed(1.0)
        returns = [reason for _, reason in call.returns()]
    assert returns == ["foreign-source:caller"]
    assert_carried(call.capture, start, end)
    for speaker in (BOB, ALICE):
        assert_whole(call.capture, speaker, start, end)
    assert not call.capture.heard(STRANGER)
    assert not [stream for stream in call.capture.arriving if stream.destination.port == 40700]


def test_a_flood_on_legs_that_are_learned_delays_neither_the_cutover_nor_a_hang_up() -> None:
    """The leg that has not spoken yet is learned until it does; no two packets of the flood could be of one stream."""
    with phones() as call:
        call.connect(sdp(BOB_PORT), sdp(ALICE_PORT))
        call.voices.set("bob", from_=f"{EDGE}:{BOB_PORT}", to=call.bob.media, ssrc=BOB)
        host, _, port = call.alice.media.rpartition(":")
        flood = (host, port, "2000", "8000", "64", EDGE, rtp().hex())
        with control.running("edge", "python3", "-c", _SEND, *flood, within=20):
            call.passed(1.0)
            assert control.calls()[0]["state"] != "offloaded"
            call.voices.set("alice", from_=f"{EDGE}:{ALICE_PORT}", to=call.alice.media, ssrc=ALICE)
            start = call.carried()
            end = call.passed(0.5)
            call.alice.leave()
            wait_until(lambda: not control.flows(), within=1.5, what="the flows to go")
    assert_carried(call.capture, start, end)
    assert not call.capture.heard(STRANGER)
    assert not [stream for stream in call.capture.arriving if stream.ssrc == STRANGER]


def test_a_flood_of_reports_changes_no_flow_and_does_not_hold_up_a_hang_up() -> None:
    with conversation() as call:
        call.carried()
        wait_until(lambda: len(control.flows()) == FLOWS, within=10, what="all flows to be there")
        installed = cookies()
        host, _, port = call.bob.media.rpartition(":")
        flood = reports_to(host, int(port) + 1, rate=1500, seconds=4)
        with control.running("edge", *flood, within=20):
            start = time.time()
            call.passed(2.0)
            assert cookies() == installed
            end = time.time()
            call.alice.leave()
            wait_until(lambda: not control.flows(), within=1.5, what="the flows to go")
    assert_carried(call.capture, start, end)
    assert [reason for _, reason in call.returns()] == ["ended"]
    assert [event["event"] for event in logged(call.begun)].count("media.not_rtcp") <= 1
    got = [report for report in call.capture.rtcp if report.arrived and start <= report.at < end]
    assert len(got) < 2.0 * 10 + 60  # of 3,000


def cookies() -> list[str]:
    return sorted(flow.partition("cookie=")[2].partition(",")[0] for flow in control.flows())
