"""What the switch shows of a call becomes its quality."""

import struct
from dataclasses import replace

import structlog

from stasis_offload.calls.media_monitor import MediaMonitor
from stasis_offload.media import events as ev
from stasis_offload.media.path import Leg
from stasis_offload.openflow.flow import FlowCount
from stasis_offload.packets.frame import Datagram
from tests.support.leg_reports import CALLEE, CALLER
from tests.support.placements import GUARDED, OFFLOADED, rtcp_of, sampled_packet

REPORTED = replace(GUARDED, reports={Leg.CALLER: CALLER, Leg.CALLEE: CALLEE})
AUDITED = replace(GUARDED, unsampled=frozenset(Leg))


def listener() -> MediaMonitor:
    return MediaMonitor(log=structlog.get_logger())


def received(ear: MediaMonitor, datagram: Datagram, *, now: float = 2.0) -> list[ev.ReceptionStalled]:
    """Have the caller's RTCP mirrored, as MediaSession does."""
    own = ear.own_reports(ev.RtcpReceived(Leg.CALLER, datagram), placement=REPORTED)
    return list(ear.on_report(Leg.CALLER, own, placement=REPORTED, now=now)) if own else []


def report(*, about: int, lost: int = 0, by: int = CALLER.ssrc_rx or 0) -> Datagram:
    """Build a receiver report of the caller's (RFC 3550 6.4.2): `lost` of 256 packets, a jitter of 1 ms."""
    header = struct.pack("!BBHI", 0x81, 201, 7, by)
    block = struct.pack("!IIIIII", about, lost << 24 | lost, 1000, 8, 0, 0)
    return rtcp_of(Leg.CALLER, header + block).datagram


def test_what_a_leg_reports_of_the_other_legs_stream_is_how_it_hears_the_call() -> None:
    ear = listener()
    datagram = report(about=CALLEE.ssrc_rx or 0, lost=64)
    assert received(ear, datagram) == []
    heard = ear.quality.of(Leg.CALLER)
    assert (heard.loss, heard.jitter_ms) == (0.25, 1.0)
    assert ear.quality.of(Leg.CALLEE).loss is None


def test_a_report_about_another_stream_tells_nothing_of_this_call() -> None:
    ear = listener()
    received(ear, report(about=0xDEAD))
    assert ear.quality.of(Leg.CALLER).loss is None


def test_a_report_of_another_at_the_legs_port_tells_nothing_of_this_call() -> None:
    ear = listener()
    of_another = report(about=CALLEE.ssrc_rx or 0, lost=64, by=0xDEAD)
    received(ear, of_another)
    assert ear.quality == listener().quality


def test_what_is_not_rtcp_changes_nothing() -> None:
    ear = listener()
    assert received(ear, rtcp_of(Leg.CALLER, b"no RTCP").datagram) == []
    assert ear.quality == listener().quality


def test_packets_that_were_lost_before_the_switch_are_counted_by_their_numbers() -> None:
    ear, seen = listener(), sampled_packet(Leg.CALLER)
    assert seen.packet
    ear.on_rtp_sample(seen, placement=OFFLOADED, now=0.1)
    later = replace(seen, packet=replace(seen.packet, sequence=seen.packet.sequence + 4000))
    ear.on_rtp_sample(later, placement=AUDITED, now=39.8)
    ear.on_counters({Leg.CALLER: FlowCount(packets=3600)}, now=40.0)
    assert ear.quality.of(Leg.CALLER).upstream_loss == 0.1


def test_a_sample_is_compared_with_no_counter_but_the_next() -> None:
    ear, seen = listener(), sampled_packet(Leg.CALLER)
    assert seen.packet
    ear.on_rtp_sample(seen, placement=OFFLOADED, now=0.1)
    later = replace(seen, packet=replace(seen.packet, sequence=seen.packet.sequence + 4000))
    ear.on_rtp_sample(later, placement=AUDITED, now=39.8)
    for counts in ({}, {Leg.CALLER: FlowCount(packets=3600)}):
        ear.on_counters(counts, now=40.0)
    assert ear.quality.of(Leg.CALLER).upstream_loss is None


def test_a_sample_whose_counter_is_read_much_later_tells_no_loss() -> None:
    """The other leg is silent at an audit, so that the counters are read for another purpose only."""
    ear, seen = listener(), sampled_packet(Leg.CALLER)
    assert seen.packet
    ear.on_rtp_sample(seen, placement=OFFLOADED, now=0.0)
    # 50 packets a second: the first reading is 3 s late, the second in time.
    for sent, sampled, read in ((500, 10.0, 13.0), (5000, 100.0, 100.0)):
        later = replace(seen, packet=replace(seen.packet, sequence=seen.packet.sequence + sent))
        ear.on_rtp_sample(later, placement=AUDITED, now=sampled)
        ear.on_counters({Leg.CALLER: FlowCount(packets=round(50 * read))}, now=read)
    assert ear.quality.of(Leg.CALLER).upstream_loss == 0.0


def test_a_report_that_a_leg_may_have_sent_before_the_cutover_tells_no_loss() -> None:
    ear = listener()
    assert received(ear, report(about=CALLEE.ssrc_rx or 0), now=0.9) == []
    assert ear.quality.of(Leg.CALLER).loss is None


def test_a_leg_that_reports_no_progress_is_counted_and_deaf_once_enough_was_forwarded_to_it() -> None:
    ear, same = listener(), report(about=CALLEE.ssrc_rx or 0)
    counts = {Leg.CALLER: 0, Leg.CALLEE: 0}
    said: list[list[ev.Event]] = []
    for now in range(2, 22, 5):
        said.append(list(received(ear, same, now=float(now))))
        counts[Leg.CALLEE] = 50 * now
        read = {leg: FlowCount(packets=packets) for leg, packets in counts.items()}
        said.append(list(ear.on_counters(read, now=now + 0.01)))
    stalled, deaf = [ev.ReceptionStalled(Leg.CALLER)], [ev.LegDeaf(Leg.CALLER)]
    assert said == [[], [], stalled, [], stalled, [], stalled, deaf]
    ear.on_relayed()
    assert list(ear.on_counters({Leg.CALLEE: FlowCount()}, now=30.0)) == []
