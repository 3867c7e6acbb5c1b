"""Offloaded calls: a cutover is verified, the call guarded and audited; any doubt returns it to Asterisk."""

from collections.abc import Callable
from dataclasses import replace

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media import strangers
from stasis_offload.media.doubled import doubled_by
from stasis_offload.media.eligibility import (
    COMFORT_NOISE,
    are_several,
    goes_to_asterisk,
    why_not_observed,
)
from stasis_offload.media.flows import is_forwarded
from stasis_offload.media.observation import on_no_rtp, without_garbled
from stasis_offload.media.path import Headers, Leg, ObservedPacket, SwitchPort
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.rechecking import check_report
from stasis_offload.media.relaying import Step, reclaim, relay
from stasis_offload.media.state import Phase, Placement, State
from stasis_offload.media.unheard import overdue
from stasis_offload.openflow.flow import FlowCount
from stasis_offload.packets.rtp import signed

# Seconds after the verification until Asterisk has relayed all it had received. RTP that it sends later is its own.
GUARD_DELAY = 1.0
# Until then, a packet of the other leg's stream is relayed if its sequence number is at most so far beyond the last one
# observed: more packets arrive while the switch changes over.
_CUTOVER_PACKETS = 10
# Asterisk passes on at once what the switch leaves to it: it is at most so far behind the last of these packets.
_LEFT_PACKETS = 50
# So many small packets of audio between two audits are no last packet of a phrase: a leg's audio has become smaller.
_MAX_SMALL_AUDIO = 5
# Seconds within which the switch reports that a flow ended: of an idle one it says so when no thread of its own can see it
# any more (rule_destroy_cb in OVS ofproto/ofproto.c), and does not count it meanwhile.
_END_REPORTED_WITHIN = 1.0
# Seconds since the last RTCP of a leg after which it is no sign of life: three of the usual intervals (RFC 3550, 6.2).
_RTCP_SHOWS_LIFE = 15.0


def verify(placement: Placement, event: ev.PacketObserved, now: float) -> Step:
    """Go on to `verified` once a packet of each leg was sampled; relay a call whose packet is not as reported."""
    return _sample(placement, event, now, lambda sampled: _verified(sampled, now))


def verify_late(placement: Placement, event: ev.PacketObserved, now: float) -> Step:
    """Check the first packet of a leg that was silent; relay a call whose packet is not as reported."""
    return _end_verifying(placement, _sample(placement, event, now, lambda sampled: (sampled, ())))


def audit(placement: Placement, event: ev.PacketObserved, now: float) -> Step:
    """Read the counters once a packet of each leg was sampled; relay a call whose packet is not as reported."""
    sampled = _sample(placement, event, now, lambda sampled: (sampled, (cmd.ReadCounters(),)))
    return _end_verifying(placement, sampled)


def on_verify_deadline(placement: Placement, _event: ev.DeadlineReached, now: float) -> Step:
    """Read the counters and query the legs: whether a leg is silent, or its packets are not forwarded.

    Relay a call if Asterisk has not been heard for `media.grace`.
    """
    reason = overdue(placement, now)
    if reason:
        return relay(placement, reason, now)
    asking = replace(placement, deadline=now + placement.tuning.verify_within)
    return asking, (cmd.ReadCounters(), cmd.QueryLegs())


def verify_silent(placement: Placement, event: ev.LegsReported, now: float) -> Step:
    """Go on to `verified` if the legs of which no packet was sampled are silent; else remove the flows and name one.

    What Asterisk received of a leg that was still observed after the last report before the cutover may be of that
    time: the next report tells.
    """
    checked, commands = check_report(placement, event, now)
    if checked.state is not State.OFFLOADED:
        return checked, commands
    doubtful = False
    for leg in placement.unsampled - placement.left.keys():
        before = placement.unobserved.get(leg)
        received = goes_to_asterisk(before or placement.reports[leg], checked.reports[leg])
        if are_several(_packets(placement, leg)) or (received and before):
            return relay(placement, Reason(ReasonKind.FLOW_LOST, leg), now)
        doubtful = doubtful or received
    if doubtful:
        return replace(checked, unobserved={**checked.reports, **placement.unobserved}), ()
    return _verified(checked, now)


def start_guarding(placement: Placement, _event: ev.DeadlineReached, now: float) -> Step:
    """Guard the call in full: all RTP that Asterisk sends from now on is its own."""
    return replace(placement, phase=Phase.GUARDED, deadline=placement.next_audit(now)), ()


def start_audit(placement: Placement, _event: ev.DeadlineReached, now: float) -> Step:
    """Query the legs, read the counters, and sample a packet of each leg.

    Relay a call if Asterisk has not been heard for `media.grace`.
    """
    reason = overdue(placement, now)
    if reason:
        return relay(placement, reason, now)
    sampling = replace(
        placement, unsampled=frozenset(Leg), small_audio={}, deadline=placement.next_audit(now)
    )
    return sampling, (cmd.QueryLegs(), cmd.ReadCounters(), cmd.SamplePackets(sampling.samples()))


def check_counters(placement: Placement, event: ev.CountersRead, now: float) -> Step:
    """At an audit, inject a keepalive of each leg that still sends; relay a call that lost a flow or a silent leg.

    A flow that is missing may have ended for want of packets, which is reported later: it is looked for once more.
    """
    if event.counts is None:
        return placement, ()
    read = placement.counted(event.counts)
    missing = {leg: placement.missing.get(leg, now) for leg in Leg if leg not in read}
    counted = replace(placement, counts={**placement.counts, **read}, missing=missing)
    for leg, since in missing.items():  # another program may have deleted it
        if now - since >= _END_REPORTED_WITHIN:
            return relay(counted, Reason(ReasonKind.FLOW_LOST, leg), now)
    if missing and placement.deadline is not None:
        counted = replace(counted, deadline=min(placement.deadline, now + _END_REPORTED_WITHIN))
    if not placement.unsampled:  # the second reading of an audit
        return counted, ()
    sending = {leg for leg in read if read[leg].packets > _packets(placement, leg)}
    for leg in placement.silent & placement.unsampled & read.keys() - sending:
        if not _is_alive(placement, leg, now):
            return relay(counted, Reason(ReasonKind.MEDIA_IDLE, leg), now)
    keepalives = (counted.keepalive(leg) for leg in Leg if leg in sending)
    return counted, tuple(keepalive for keepalive in keepalives if keepalive)


def count_forwarded(placement: Placement, _event: ev.ReceptionStalled, _now: float) -> Step:
    """Read the counters: they tell a leg that receives nothing from one that is sent nothing."""
    return placement, (cmd.ReadCounters(),)


def on_leg_deaf(placement: Placement, event: ev.LegDeaf, now: float) -> Step:
    """Remove the flows, and leave the call with Asterisk until it changes: a leg does not receive what is forwarded."""
    return relay(placement, Reason(ReasonKind.DEAF, event.leg), now)


def note_small(placement: Placement, event: ev.SmallPacketObserved, now: float) -> Step:
    """Record what Asterisk will pass on; remove the flows, and then query the legs, if a leg's audio became as small."""
    leg, packet = event.leg, event.packet
    noted = replace(placement, left={**placement.left, leg: packet})
    if packet.payload_type != placement.reports[leg].audio_pt_rx:
        return noted, ()
    count = placement.small_audio.get(leg, 0) + 1
    noted = replace(noted, small_audio={**placement.small_audio, leg: count})
    return reclaim(noted, now) if count == _MAX_SMALL_AUDIO else (noted, ())


def tolerate_late_relay(placement: Placement, event: ev.GuardTriggered, now: float) -> Step:
    """Remove the flows, unless Asterisk relayed a packet that it had received before the cutover, or that was left to it."""
    if (
        event.headers is None
        and event.packet is not None
        and _is_late_relay(placement, event.leg.other, event.packet)
    ):
        return _check_way(placement, event.leg, event.packet, now)
    return on_guard_triggered(placement, event, now)


def on_guard_triggered(placement: Placement, event: ev.GuardTriggered, now: float) -> Step:
    """Remove the flows: Asterisk sends RTP of its own, which no leg sent it, or a leg sends from elsewhere; not for a stranger's packet."""
    if is_of_stream(placement, event):
        return replace(placement, left={**placement.left, **left_by(placement, event)}), ()
    if event.packet is not None and is_passed_on(placement, event):
        return _check_way(placement, event.leg, event.packet, now)
    if event.kind is ReasonKind.FOREIGN_SOURCE:
        return strangers.on_packet(placement, event, now)
    return relay(placement, doubled_by(placement, event) or Reason(event.kind, event.leg), now)


def on_rtcp_sent(placement: Placement, event: ev.RtcpSent, now: float) -> Step:
    """Remove the flows, and only then query the legs, if Asterisk sends its RTCP to the leg by another way than before."""
    cname = event.cname or placement.cnames.get(event.leg)
    if (placement.rtcp_out.get(event.leg), placement.cnames.get(event.leg)) == (event.headers, cname):
        return placement, ()
    noted = replace(placement, rtcp_out={**placement.rtcp_out, event.leg: event.headers})
    if cname:
        noted = replace(noted, cnames={**placement.cnames, event.leg: cname})
    if is_known_way(placement, event.leg, event.headers):
        return noted, ()
    return reclaim(noted, now, Reason(ReasonKind.ROUTE_CHANGED, event.leg))


def on_port_down(placement: Placement, event: ev.PortDown, now: float) -> Step:
    """Remove the flows, and only then query the legs, if a leg's packets or Asterisk's to it came by that port."""
    leg = leg_at(placement, event.port)
    return reclaim(placement, now, Reason(ReasonKind.PORT_DOWN, leg)) if leg else (placement, ())


def leg_at(placement: Placement, port: SwitchPort) -> Leg | None:
    """Return the leg of an offloaded call to or from which packets come by a port; None if there is none."""
    if placement.path is None:
        return None
    attachments = ((leg, placement.path.attachment(leg)) for leg in Leg)
    return next((leg for leg, at in attachments if port in (at.sent.in_port, at.received.in_port)), None)


def is_known_way(placement: Placement, leg: Leg, headers: Headers) -> bool:
    """Return whether Asterisk sends to a leg by the way that was learned, or its RTCP as its RTCP before.

    RTCP may always go by another way than RTP does, where routes or bonds are chosen by port numbers too. The first
    that does returns the call, which is learned again.
    """
    if placement.path is None or headers.way == placement.path.attachment(leg).received.way:
        return True
    before = placement.rtcp_out.get(leg)
    return before is not None and _way_between(before) == _way_between(headers)


def is_passed_on(placement: Placement, event: ev.GuardTriggered) -> bool:
    """Return whether Asterisk passes on a packet that the switch left to it."""
    left = placement.left.get(event.leg.other)
    if left is None or event.headers or event.packet is None or left.ssrc != event.packet.ssrc:
        return False
    return -_LEFT_PACKETS < signed(event.packet.sequence - left.sequence, bits=16) <= 0


def is_of_stream(placement: Placement, event: ev.GuardTriggered) -> bool:
    """Return whether a packet to a leg's RTP port is of the leg's own stream.

    It came between the end of the idle flow and its addition, or its report; Asterisk relays it. A stream without
    a flow for longer is found by the counters (`check_counters`).
    """
    if placement.path is None or event.headers is None:
        return False
    return is_forwarded(placement.path, event.leg, event.headers)


def left_by(placement: Placement, event: ev.Event) -> dict[Leg, ObservedPacket]:
    """Return the packet of a leg that an event shows as left to Asterisk, which passes it on; {} if there is none.

    A cutover that is not verified leaves none: its flows have just been added.
    """
    match event:
        case ev.SmallPacketObserved(leg, packet):
            return {leg: packet}
        case ev.GuardTriggered(_, leg, packet) if packet and is_of_stream(placement, event):
            return {leg: packet} if placement.is_verified else {}
        case _:
            return {}


def on_flow_idle(placement: Placement, event: ev.FlowIdle, now: float) -> Step:
    """Add the flow of a silent leg again if its RTCP shows that it is there; else remove the flows."""
    counted = _with_count(placement, event.leg, event.count)
    if not _is_alive(placement, event.leg, now):
        return relay(counted, Reason(ReasonKind.MEDIA_IDLE, event.leg), now)
    ended = {**placement.ended_counts, event.leg: counted.counts[event.leg]}
    missing = {leg: since for leg, since in placement.missing.items() if leg is not event.leg}
    silent = replace(counted, ended_counts=ended, silent=placement.silent | {event.leg}, missing=missing)
    return silent, (silent.set_flows(),)


def on_flow_deleted(placement: Placement, event: ev.FlowDeleted, now: float) -> Step:
    """Remove the other flows, and only then query the legs."""
    counted = placement if event.count is None else _with_count(placement, event.leg, event.count)
    return reclaim(counted, now)


def _sample(
    placement: Placement, event: ev.PacketObserved, now: float, finish: Callable[[Placement], Step]
) -> Step:
    """Check a sampled packet; continue with `finish` if it is the last one and all are as reported."""
    # A packet that was mirrored while learning, or one more than needed.
    if not event.by_switch or event.leg not in placement.unsampled | placement.unverified:
        return placement, ()
    if event.packet is None:
        return on_no_rtp(placement, event.leg, now)
    placement = without_garbled(placement, event.leg)
    if event.packet.payload_type == COMFORT_NOISE:
        return placement, ()
    reason = why_not_observed(event.leg, placement.reports[event.leg], event.packet)
    if placement.path and event.packet.headers.source != placement.path.attachment(event.leg).remote:
        reason = Reason(ReasonKind.FOREIGN_SOURCE, event.leg)
    if reason:
        return relay(placement, reason, now)
    sampled = replace(
        placement,
        unsampled=placement.unsampled - {event.leg},
        unverified=placement.unverified - {event.leg},
    )
    return (sampled, ()) if sampled.unsampled else finish(sampled)


def _check_way(placement: Placement, leg: Leg, packet: ObservedPacket, now: float) -> Step:
    if is_known_way(placement, leg, packet.headers):
        return placement, ()
    return reclaim(placement, now, Reason(ReasonKind.ROUTE_CHANGED, leg))


def _way_between(headers: Headers) -> tuple[object, ...]:
    return (headers.way, headers.source, headers.destination)


def _verified(placement: Placement, now: float) -> Step:
    verified = replace(
        placement, phase=Phase.VERIFIED, damping=placement.damping.reset(), deadline=now + GUARD_DELAY
    )
    return verified, (verified.set_flows(),)


def _end_verifying(before: Placement, after: Step) -> Step:
    """Remove the flow that showed the first packet of a leg that was silent."""
    placement, commands = after
    if placement.state is not State.OFFLOADED or placement.unverified == before.unverified:
        return after
    return placement, (*commands, placement.set_flows())


def _is_late_relay(placement: Placement, sender: Leg, packet: ObservedPacket) -> bool:
    """Return whether Asterisk had received the packet from a leg before the cutover; its own digits are as numbered."""
    last = placement.relayed_packets.get(sender)
    if last is None or packet.ssrc != last.ssrc:
        return False
    if packet.payload_type != placement.reports[sender.other].audio_pt_tx:
        return False
    return signed(packet.sequence - last.sequence, bits=16) <= _CUTOVER_PACKETS


def _with_count(placement: Placement, leg: Leg, count: FlowCount) -> Placement:
    total = placement.ended_counts.get(leg, FlowCount()) + count
    return replace(placement, counts={**placement.counts, leg: total})


def _is_alive(placement: Placement, leg: Leg, now: float) -> bool:
    at = placement.rtcp_at.get(leg)
    return at is not None and now - at <= _RTCP_SHOWS_LIFE


def _packets(placement: Placement, leg: Leg) -> int:
    return placement.counts.get(leg, FlowCount()).packets
