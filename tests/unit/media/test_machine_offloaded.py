"""A call that the switch carries: how a cutover is verified, watched and undone."""

from dataclasses import replace

import pytest

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.flows import SILENT_TIMEOUT
from stasis_offload.media.machine import interrupts_query, step
from stasis_offload.media.path import Leg, ObservedPacket
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.roles import Duty, Role, role_of
from stasis_offload.media.state import Phase, Placement, State
from stasis_offload.openflow.flow import FlowCount
from stasis_offload.packets.frame import parse_udp
from tests.support.leg_reports import CALLEE, CALLER, REPORTS, passed_on, sighting
from tests.support.placements import (
    BOTH_COUNT,
    CARRIED,
    CUT,
    CUT_OVER,
    ELIGIBLE,
    FORWARDING,
    GUARDED,
    GUARDS_IN,
    GUARDS_OUT,
    IN,
    OFFLOADED,
    RTCP,
    TUNING,
    VERIFIED,
    after,
    roles,
    rtcp_of,
    sampled_packet,
    seen,
    small_packet,
)

RTP_HEADER = 12


def test_a_forwarded_packet_of_each_leg_verifies_a_cutover_and_only_then_rtcp_is_watched() -> None:
    assert [role_of(flow.cookie) for flow in OFFLOADED.flows()] == CUT_OVER
    one, commands = step(OFFLOADED, sampled_packet(Leg.CALLER), 0.02)
    assert (one.phase, commands) == (Phase.UNVERIFIED, ())
    both, commands = step(one, sampled_packet(Leg.CALLEE), 0.02)
    assert both.phase is Phase.VERIFIED
    assert roles(commands) == [CARRIED]


def test_a_packet_that_asterisk_was_still_shown_verifies_nothing() -> None:
    assert after(seen(Leg.CALLER), seen(Leg.CALLEE), start=OFFLOADED) == OFFLOADED


@pytest.mark.parametrize("leg", Leg)
@pytest.mark.parametrize(
    ("counted", "received", "small", "lost"),
    [
        (0, 0, False, False),
        (1, 1, False, False),
        (50, 0, False, True),
        (0, 50, False, True),
        (50, 50, True, False),
    ],
    ids=["silent", "one packet", "forwarded unseen", "not forwarded", "comfort noise"],
)
def test_a_leg_of_which_no_forwarded_packet_is_seen_is_silent_unless_somebody_counts_its_packets(
    leg: Leg, counted: int, received: int, *, small: bool, lost: bool
) -> None:
    early = after(sampled_packet(leg.other), *[small_packet(leg)] * small, start=OFFLOADED, now=0.5)
    asking, commands = step(early, ev.DeadlineReached(), 1.0)
    assert commands == (cmd.ReadCounters(), cmd.QueryLegs())
    counts = {**BOTH_COUNT, Role.of(Duty.FORWARD, leg): FlowCount(counted)}
    reports = {**REPORTS, leg: replace(REPORTS[leg], packets_rx=REPORTS[leg].packets_rx + received)}
    answer = ev.LegsReported(reports[Leg.CALLER], reports[Leg.CALLEE])
    placement, commands = step(after(ev.CountersRead(counts), start=asking, now=1.0), answer, 1.0)
    if lost:
        assert placement.reason == Reason(ReasonKind.FLOW_LOST, leg)
        assert commands == (cmd.RemoveFlows(placement.flows()),)
    else:
        assert placement.phase is Phase.VERIFIED
        verify = Role.of(Duty.VERIFY, leg)
        assert roles(commands) == [[*FORWARDING, *GUARDS_IN, verify, *RTCP, *GUARDS_OUT]]


@pytest.mark.parametrize("leg", Leg)
@pytest.mark.parametrize("audits", [0, 1])
def test_the_first_packet_of_a_leg_that_was_silent_is_checked_and_no_further_one_is_shown(
    leg: Leg, audits: int
) -> None:
    silent = after(sampled_packet(leg.other), ev.DeadlineReached(), ELIGIBLE, start=OFFLOADED, now=1.0)
    silent = after(*[ev.DeadlineReached()] * 2 * audits, start=silent, now=2.0)
    foreign = ev.PacketObserved(leg, sighting(leg, ssrc=5), by_switch=True)
    assert after(foreign, start=silent).reason == Reason(ReasonKind.FOREIGN_SSRC, leg)
    noise = ev.PacketObserved(leg, sighting(leg, payload_type=13), by_switch=True)
    assert step(silent, noise, 3.0) == (silent, ())
    speaks, commands = step(silent, sampled_packet(leg), 3.0)
    assert roles(commands) == [CARRIED]
    assert step(speaks, sampled_packet(leg), 3.0)[1] in ((), (cmd.ReadCounters(),))


def test_the_guards_are_in_with_the_verification_and_later_need_no_change() -> None:
    verified, commands = step(
        after(sampled_packet(Leg.CALLER), start=OFFLOADED), sampled_packet(Leg.CALLEE), 0.1
    )
    assert roles(commands) == [CARRIED]
    guarded, commands = step(verified, ev.DeadlineReached(), 1.1)
    assert (guarded.phase, commands) == (Phase.GUARDED, ())


@pytest.mark.parametrize(
    ("ssrc", "ahead", "kept"),
    [(CALLEE.ssrc_rx, -3, True), (CALLEE.ssrc_rx, 3, True), (CALLEE.ssrc_rx, 500, False), (0x5E1F, 1, False)],
)
@pytest.mark.parametrize("start", [OFFLOADED, VERIFIED])
def test_what_asterisk_had_received_before_the_cutover_is_no_media_of_its_own(
    start: Placement, ssrc: int, ahead: int, *, kept: bool
) -> None:
    packet = passed_on(Leg.CALLEE, ssrc=ssrc, sequence=4711 + ahead)
    event = ev.GuardTriggered(ReasonKind.ASTERISK_MEDIA, Leg.CALLER, packet)
    assert (step(start, event, 0.5)[0].state is State.OFFLOADED) == kept
    assert step(GUARDED, event, 2.0)[0].state is State.RELAYED


@pytest.mark.parametrize(
    ("sequence", "ssrc", "kept"),
    [
        (5000, CALLEE.ssrc_rx, True),
        (4990, CALLEE.ssrc_rx, True),
        (5001, CALLEE.ssrc_rx, False),
        (5000, 7, False),
    ],
)
@pytest.mark.parametrize("start", [OFFLOADED, VERIFIED, GUARDED])
def test_asterisk_may_pass_on_what_the_switch_left_to_it_and_nothing_else(
    start: Placement, sequence: int, ssrc: int, *, kept: bool
) -> None:
    digit = small_packet(Leg.CALLEE, payload_type=101, sequence=5000)
    packet = passed_on(Leg.CALLEE, payload_type=96, sequence=sequence, ssrc=ssrc, size=16)
    event = ev.GuardTriggered(ReasonKind.ASTERISK_MEDIA, Leg.CALLER, packet)
    left = after(digit, start=start, now=0.5)
    assert (step(left, event, 0.5)[0].state is State.OFFLOADED) == kept
    assert interrupts_query(left, event) != kept


def test_a_digit_that_waits_for_the_end_of_a_query_with_what_asterisk_makes_of_it_does_not_interrupt_it() -> (
    None
):
    queued = [small_packet(Leg.CALLEE, payload_type=101, sequence=sequence) for sequence in (4998, 5000)]
    passed = passed_on(Leg.CALLEE, payload_type=96, sequence=5000, size=16)
    own = replace(passed, sequence=5001)
    for packet, interrupts in ((passed, False), (own, True)):
        event = ev.GuardTriggered(ReasonKind.ASTERISK_MEDIA, Leg.CALLER, packet)
        assert interrupts_query(GUARDED, event, queued=queued) == interrupts
        assert interrupts_query(GUARDED, event)


def test_a_leg_that_reports_no_progress_is_compared_with_the_counters() -> None:
    assert step(GUARDED, ev.ReceptionStalled(Leg.CALLER), 20.0) == (GUARDED, (cmd.ReadCounters(),))


def test_a_call_with_a_deaf_leg_stays_with_asterisk_until_something_changes() -> None:
    deaf, _ = step(GUARDED, ev.LegDeaf(Leg.CALLER), 20.0)
    assert deaf.deadline is None
    changed, commands = step(deaf, ev.BridgeChanged(), 100.0)
    assert commands == (cmd.QueryLegs(),)
    assert after(ELIGIBLE, start=changed, now=100.0).state is State.LEARNING


def test_a_leg_whose_audio_has_become_as_small_is_learned_again_and_one_small_packet_is_no_alarm() -> None:
    audio, digit = small_packet(Leg.CALLER), small_packet(Leg.CALLER, payload_type=101)
    assert after(*[digit] * 9, *[audio] * 4, start=GUARDED).state is State.OFFLOADED
    placement, commands = step(after(*[audio] * 4, start=GUARDED), audio, 2.0)
    assert placement.reason == Reason(ReasonKind.CALL_CHANGED)
    assert commands == (cmd.RemoveFlows(placement.flows()), cmd.QueryLegs())
    audited = after(*[audio] * 4, ev.DeadlineReached(), audio, start=GUARDED)
    assert audited.state is State.OFFLOADED


def test_each_audit_queries_counts_and_samples_one_packet_of_each_leg() -> None:
    audited, commands = step(GUARDED, ev.DeadlineReached(), 6.0)
    assert commands == (cmd.QueryLegs(), cmd.ReadCounters(), cmd.SamplePackets(audited.samples()))
    assert audited.flows() == GUARDED.flows()
    one = after(sampled_packet(Leg.CALLEE), start=audited, now=6.1)
    done, commands = step(one, sampled_packet(Leg.CALLER), 6.1)
    assert commands == (cmd.ReadCounters(),)
    assert step(done, sampled_packet(Leg.CALLER), 6.2) == (done, ())


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (sighting(Leg.CALLER, payload_type=3), ReasonKind.FOREIGN_MEDIA),
        (sighting(Leg.CALLER, ssrc=5), ReasonKind.FOREIGN_SSRC),
    ],
)
def test_what_an_audit_finds_wrong_sends_the_call_back(found: ObservedPacket, kind: ReasonKind) -> None:
    audited = after(ev.DeadlineReached(), start=GUARDED, now=9.0)
    placement, commands = step(audited, ev.PacketObserved(Leg.CALLER, found, by_switch=True), 9.1)
    assert placement.reason == Reason(kind, Leg.CALLER)
    assert commands == (cmd.RemoveFlows(placement.flows()),)


def test_an_audit_is_not_misled_by_a_keepalive_and_finds_a_stream_of_what_is_no_rtp() -> None:
    nothing = ev.PacketObserved(Leg.CALLER, None, by_switch=True)
    audited = after(ev.DeadlineReached(), nothing, start=GUARDED, now=9.0)
    done = after(sampled_packet(Leg.CALLER), sampled_packet(Leg.CALLEE), start=audited, now=9.02)
    assert (done.state, done.unsampled) == (State.OFFLOADED, frozenset())
    again = after(ev.DeadlineReached(), nothing, start=done, now=19.0)
    assert again.state is State.OFFLOADED
    placement = after(nothing, start=again, now=19.1)
    assert placement.reason == Reason(ReasonKind.FOREIGN_MEDIA, Leg.CALLER)


def test_rtcp_stays_with_asterisk_where_the_operator_wants_it_and_still_tells_its_way() -> None:
    placement = replace(GUARDED, tuning=replace(TUNING, forward_rtcp=False))
    watching = [Role.RTCP_OUT_CALLER, Role.RTCP_OUT_CALLEE]
    assert [
        role_of(flow.cookie) for flow in placement.flows()
    ] == FORWARDING + GUARDS_IN + watching + GUARDS_OUT


def test_at_an_audit_asterisk_gets_a_datagram_of_nothing_of_each_leg_whose_flow_counts_on() -> None:
    audited, _ = step(GUARDED, ev.DeadlineReached(), 9.0)
    counted, commands = step(audited, ev.CountersRead(BOTH_COUNT), 9.0)
    for leg, command in zip(Leg, commands, strict=True):
        assert isinstance(command, cmd.InjectPacket)
        sent = GUARDED.path.attachment(leg).sent if GUARDED.path else None
        assert sent
        assert command.in_port == sent.in_port
        datagram = parse_udp(command.frame)
        assert (datagram.source, datagram.destination) == (sent.source, sent.destination)
        assert datagram.eth_src == sent.eth_src
        assert not any(datagram.payload)
        assert len(datagram.payload) < RTP_HEADER
    assert step(counted, ev.CountersRead(BOTH_COUNT), 10.0)[1] == ()
    one_more = {**BOTH_COUNT, Role.FORWARD_CALLEE: FlowCount(9, 1926)}
    [of_callee] = step(counted, ev.CountersRead(one_more), 10.0)[1]
    assert isinstance(of_callee, cmd.InjectPacket)
    assert parse_udp(of_callee.frame).source == CALLEE.remote


def test_an_audit_gives_one_datagram_of_each_leg_though_it_reads_the_counters_twice() -> None:
    audited = after(ev.DeadlineReached(), ev.CountersRead(BOTH_COUNT), start=GUARDED, now=9.0)
    sampled = after(sampled_packet(Leg.CALLER), sampled_packet(Leg.CALLEE), start=audited, now=9.1)
    later = {Role.FORWARD_CALLER: FlowCount(9, 1926), Role.FORWARD_CALLEE: FlowCount(9, 1926)}
    assert step(sampled, ev.CountersRead(later), 9.2)[1] == ()


def test_three_audits_fit_into_an_rtp_timeout_and_one_into_the_memory_of_conntrack() -> None:
    reports = {Leg.CALLER: replace(CALLER, rtp_timeout=12), Leg.CALLEE: CALLEE}
    assert step(replace(GUARDED, reports=reports), ev.DeadlineReached(), 10.0)[0].deadline == 14.0
    patient = replace(GUARDED, tuning=replace(TUNING, recheck=600.0))
    assert step(patient, ev.DeadlineReached(), 1000.0)[0].deadline == 1060.0


def test_a_call_that_comes_back_too_often_stays_with_asterisk_for_a_while_and_says_so() -> None:
    placement, now = VERIFIED, 0.0
    back = (ev.FlowDeleted(Leg.CALLER, None), *IN)
    for _ in range(TUNING.returns_per_minute):
        now += 5.0
        placement = after(*back, start=placement, now=now)
        assert placement.state is State.OFFLOADED
    held = after(*back[: -len(CUT)], start=placement, now=now)
    assert (held.state, held.reason) == (State.RELAYED, Reason(ReasonKind.FLAPPING))
    assert held.deadline == now + TUNING.flap_wait
    assert after(ev.DeadlineReached(), *back[1:], start=held, now=held.deadline).state is State.OFFLOADED


HELD = ev.LegsReported(CALLER, replace(CALLEE, hold=True))


@pytest.mark.parametrize(
    "done",
    [
        (ev.Blocked(ReasonKind.OPERATOR), ev.Unblocked(ReasonKind.OPERATOR)),
        (ev.BridgeChanged(), HELD, ev.BridgeChanged()),
        (ev.LegsChecked(HELD), HELD, ev.BridgeRebuilt()),
        (ev.LegsChecked(None),),
    ],
    ids=["operator", "hold", "re-INVITE", "slow answer"],
)
def test_what_somebody_does_on_purpose_makes_no_call_flap(done: tuple[ev.Event, ...]) -> None:
    placement = VERIFIED
    for _ in range(3 * TUNING.returns_per_minute):
        placement = after(*done, *IN, start=placement)
    assert placement.state is State.OFFLOADED


IDLE = ev.FlowIdle(Leg.CALLER, FlowCount(100, 20_000))


def test_the_flow_of_a_silent_leg_is_added_again_while_its_rtcp_shows_that_it_is_there() -> None:
    alive = after(rtcp_of(Leg.CALLER), start=GUARDED, now=10.0)
    silent, commands = step(alive, IDLE, 20.0)
    assert roles(commands) == [CARRIED]
    timeouts = {role_of(flow.cookie): flow.idle_timeout for flow in silent.flows() if flow.idle_timeout}
    assert timeouts == {Role.FORWARD_CALLER: SILENT_TIMEOUT, Role.FORWARD_CALLEE: TUNING.idle_timeout}
    assert step(alive, IDLE, 25.1)[0].reason == Reason(ReasonKind.MEDIA_IDLE, Leg.CALLER)


def test_what_a_flow_counted_before_it_was_added_again_is_not_lost() -> None:
    silent = after(rtcp_of(Leg.CALLER), IDLE, start=GUARDED, now=10.0)
    assert silent.forwarded(Leg.CALLER) == FlowCount(100, 20_000)
    counted = after(ev.CountersRead(BOTH_COUNT), start=silent)
    assert counted.forwarded(Leg.CALLER) == FlowCount(105, 21_070)
    again = after(IDLE, start=counted, now=11.0)
    assert again.forwarded(Leg.CALLER) == FlowCount(200, 40_000)
    assert again.forwarded(Leg.CALLER, live=FlowCount(1, 214)) == FlowCount(201, 40_214)
    ended = after(ev.CallEnded(), ev.FinalCounters(BOTH_COUNT), start=again)
    assert ended.forwarded(Leg.CALLER, live=FlowCount(1, 214)) == FlowCount(205, 41_070)
    assert ended.forwarded(Leg.CALLER) == FlowCount(205, 41_070)


@pytest.mark.parametrize(
    ("sends", "rtcp_at", "kept"), [(False, 10.0, False), (False, 30.0, True), (True, 10.0, True)]
)
def test_a_silent_leg_without_rtcp_returns_the_call_at_an_audit(
    rtcp_at: float, *, sends: bool, kept: bool
) -> None:
    silent = after(rtcp_of(Leg.CALLER), IDLE, start=GUARDED, now=10.0)
    counts = {**BOTH_COUNT, Role.FORWARD_CALLER: FlowCount(3 if sends else 0)}
    audited = after(rtcp_of(Leg.CALLER), start=silent, now=rtcp_at)
    audited = after(ev.DeadlineReached(), ev.CountersRead(counts), start=audited, now=40.0)
    if kept:
        assert audited.state is State.OFFLOADED
    else:
        assert audited.reason == Reason(ReasonKind.MEDIA_IDLE, Leg.CALLER)
