"""What the packets observed while learning tell of the legs, and of who else sends to their ports."""

from dataclasses import replace

from stasis_offload.media import events as ev
from stasis_offload.media.eligibility import why_not_observable
from stasis_offload.media.path import Leg, ObservedPacket
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.relaying import Step, relay
from stasis_offload.media.state import Placement

# Two observations make a path only if neither is older (s): next hops and NAT bindings change.
MAX_OBSERVATION_AGE = 1.0
# What is no RTP is what a leg sends in place of audio if it comes for so long, and each packet so soon after the last (s).
_GARBLED_FOR = 0.1
_NEAR = 0.5


def on_no_rtp(placement: Placement, leg: Leg, now: float) -> Step:
    """Relay a call of which a leg sends what is no RTP for a while; a keepalive, or some STUN at once, tells nothing."""
    since, last = placement.garbled.get(leg, (now, now))
    if now - last > _NEAR:
        since = now
    if now - since >= _GARBLED_FOR:
        return relay(placement, Reason(ReasonKind.FOREIGN_MEDIA, leg), now)
    return replace(placement, garbled={**placement.garbled, leg: (since, now)}), ()


def without_garbled(placement: Placement, leg: Leg) -> Placement:
    """Record that a leg sends RTP."""
    if leg not in placement.garbled:
        return placement
    return replace(placement, garbled={each: at for each, at in placement.garbled.items() if each is not leg})


def with_silent(placement: Placement, now: float) -> Placement:
    """Observe the leg that is silent now by its last packet, if Asterisk relayed it and the other leg sends.

    Should the leg send by another way when it speaks again, a guard receives its first packet.
    """
    if not any(now - at <= MAX_OBSERVATION_AGE for _, at in placement.observed.values()):
        return placement
    silent = {
        leg: (packet, now)
        for leg, packet in placement.last_packets.items()
        if leg not in placement.observed and relays_stream_of(placement, leg, packet)
    }
    known = replace(
        placement, observed={**placement.observed, **silent}, silent=placement.silent | silent.keys()
    )
    # What Asterisk receives of them from now on is judged by its next report.
    unobserved = {leg: report for leg, report in known.unobserved.items() if leg not in silent}
    return replace(known, known_at=now, unobserved=unobserved) if silent else known


def relays_stream_of(placement: Placement, leg: Leg, packet: ObservedPacket) -> bool:
    """Return whether the last packet that Asterisk relayed of a leg's is of the same stream as this one."""
    relayed = placement.relayed_packets.get(leg)
    return relayed is not None and relayed.ssrc == packet.ssrc


def was_disturbed(placement: Placement) -> bool:
    """Return whether a leg's stream came from elsewhere before, and the leg has not moved there."""
    sources = placement.other_sources.items()
    return any(placement.observed[leg][0].headers.source != source for leg, source in sources)


def not_relayed(placement: Placement) -> Leg | None:
    """Return the leg of whose stream, as it was observed, Asterisk has relayed nothing; None if there is none."""
    for leg in Leg:
        packet, _ = placement.observed[leg]
        if not relays_stream_of(placement, leg, packet):
            return leg
    return None


def is_stranger(placement: Placement, event: ev.PacketObserved) -> bool:
    """Return whether a packet to a leg's port comes from elsewhere than the leg's.

    Of a leg that is not symmetric, whose packets may come from anywhere, the SSRC tells, or the source of an earlier
    packet of its.
    """
    packet, report = event.packet, placement.reports[event.leg]
    source = packet.headers.source if packet else event.source
    if source in (None, report.remote):
        return False
    if report.source:
        return True
    if packet:
        return report.ssrc_rx not in (None, packet.ssrc)
    earlier = placement.observed.get(event.leg)
    return earlier is None or earlier[0].headers.source != source


def why_dormant(placement: Placement) -> Reason:
    """Return why no packet of a leg is observed; the reason that tells more, if there are two."""
    reasons = [
        why_not_observable(
            leg,
            before=placement.unobserved[leg],
            after=placement.reports[leg],
            strangers=placement.strangers_observed.get(leg, 0),
        )
        for leg in Leg
        if leg not in placement.observed
    ]
    return next((reason for reason in reasons if reason.kind is not ReasonKind.NO_MEDIA), reasons[0])
