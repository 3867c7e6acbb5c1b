"""Placements at every stage of a call's life, for tests of what happens next."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.machine import step
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.roles import Role
from stasis_offload.media.state import Phase, Placement, Tuning
from stasis_offload.openflow.flow import FlowCount
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Datagram
from tests.support.leg_reports import CALLEE, CALLER, passed_on, sighting

TUNING = Tuning(verify_within=1.0, recheck=15.0, idle_timeout=10, returns_per_minute=3, flap_wait=60.0)
ELIGIBLE = ev.LegsReported(CALLER, CALLEE)
# Of each leg, RFC 3550 6.4.2, without a report block.
EMPTY_REPORTS = {
    leg: bytes.fromhex("80c90001") + (report.ssrc_rx or 0).to_bytes(4, "big")
    for leg, report in ((Leg.CALLER, CALLER), (Leg.CALLEE, CALLEE))
}
BOTH_COUNT = {Role.FORWARD_CALLER: FlowCount(5, 1070), Role.FORWARD_CALLEE: FlowCount(4, 856)}


def after(*events: ev.Event, start: Placement | None = None, now: float = 0.0) -> Placement:
    placement = start or Placement(call="c", tuning=TUNING)
    for event in events:
        placement, _ = step(placement, event, now)
    return placement


def seen(leg: Leg) -> ev.PacketObserved:
    return ev.PacketObserved(leg, sighting(leg))


def sampled_packet(leg: Leg) -> ev.PacketObserved:
    return ev.PacketObserved(leg, sighting(leg), by_switch=True)


def moved_to(leg: Leg, source: Address) -> ev.GuardTriggered:
    """Return a packet of a leg's stream that comes from elsewhere while the switch carries the call."""
    return to_port_of(leg, source=source)


def to_port_of(leg: Leg, *, rtp: bool = True, **changes: Any) -> ev.GuardTriggered:
    """Return a packet to a leg's RTP port that its flow does not take."""
    packet = sighting(leg, **changes)
    return ev.GuardTriggered(ReasonKind.FOREIGN_SOURCE, leg, packet if rtp else None, packet.headers)


def small_packet(leg: Leg, **changes: Any) -> ev.SmallPacketObserved:
    return ev.SmallPacketObserved(leg, sighting(leg, size=16, **changes))


def rtcp_of(leg: Leg, payload: bytes | None = None, *, ttl: int = 64, port: int = 61_111) -> ev.RtcpReceived:
    headers = sighting(leg).headers
    payload = EMPTY_REPORTS[leg] if payload is None else payload
    return ev.RtcpReceived(
        leg,
        Datagram(
            eth_src=headers.eth_src,
            eth_dst=headers.eth_dst,
            tag=headers.tag,
            source=replace(headers.source, port=port),
            destination=replace(headers.destination, port=headers.destination.port + 1),
            ttl=ttl,
            size=len(payload),
            payload=payload,
            dscp=26,
        ),
    )


def relayed(leg: Leg, *, behind: int = 0) -> ev.PacketRelayed:
    packet = passed_on(leg)
    return ev.PacketRelayed(leg, replace(packet, sequence=packet.sequence - behind))


def next_of(leg: Leg, packets: int = 1) -> tuple[ev.Event, ev.Event]:
    """Return a later packet of a leg, on its way to Asterisk and on."""
    numbers = {"sequence": 4711 + packets, "timestamp": 160 + 160 * packets}
    return ev.PacketObserved(leg, sighting(leg, **numbers)), ev.PacketRelayed(leg, passed_on(leg, **numbers))


# At the moment of the cutover.
CUT = (ev.DeadlineReached(), ev.SwitchAnswered(0.001), ev.DeadlineReached())
# From Asterisk into the switch.
IN = (
    ELIGIBLE,
    seen(Leg.CALLER),
    seen(Leg.CALLEE),
    ELIGIBLE,
    relayed(Leg.CALLER),
    relayed(Leg.CALLEE),
    *CUT,
)

LEARNING = after(ev.Connected(), ELIGIBLE)
OBSERVED = after(seen(Leg.CALLER), seen(Leg.CALLEE), start=LEARNING)
CUTTING_OVER = after(ELIGIBLE, start=OBSERVED)
OFFLOADED = after(relayed(Leg.CALLER), relayed(Leg.CALLEE), *CUT, start=CUTTING_OVER)
VERIFIED = after(sampled_packet(Leg.CALLER), sampled_packet(Leg.CALLEE), start=OFFLOADED)
GUARDED = after(ev.DeadlineReached(), start=VERIFIED, now=1.0)

CONNECTED = after(ev.Connected())
NOT_YET = ev.LegsReported(replace(CALLER, bridge_technology="simple_bridge"), CALLEE)
IN_PHASE: dict[Phase, Placement] = {
    Phase.RELAYED: CONNECTED,
    Phase.AWAITING_NATIVE: after(NOT_YET, start=CONNECTED),
    Phase.LEARNING: LEARNING,
    Phase.CUTTING_OVER: CUTTING_OVER,
    Phase.DORMANT: after(ev.DeadlineReached(), start=LEARNING, now=1.0),
    Phase.UNVERIFIED: OFFLOADED,
    Phase.VERIFIED: VERIFIED,
    Phase.GUARDED: GUARDED,
    Phase.ENDED: after(ev.CallEnded(), start=GUARDED),
}


WATCHING = [Role.LEARN_IN_CALLER, Role.LEARN_OUT_CALLER, Role.LEARN_IN_CALLEE, Role.LEARN_OUT_CALLEE]
VERIFYING = [Role.VERIFY_CALLER, Role.VERIFY_CALLEE]
FORWARDING = [
    *(Role.FORWARD_CALLER, Role.SMALL_CALLER, Role.LARGE_CALLER),
    *(Role.FORWARD_CALLEE, Role.SMALL_CALLEE, Role.LARGE_CALLEE),
]
RTCP = [Role.RTCP_CALLER, Role.RTCP_DROP_CALLER, Role.RTCP_CALLEE, Role.RTCP_DROP_CALLEE]
GUARDS_IN = [Role.GUARD_IN_CALLER, Role.GUARD_IN_CALLEE]
GUARDS_OUT = [Role.GUARD_OUT_CALLER, Role.GUARD_OUT_CALLEE]
# What a call has in the switch from its cutover on, and once that is verified.
CUT_OVER = FORWARDING + GUARDS_IN + VERIFYING
CARRIED = FORWARDING + GUARDS_IN + RTCP + GUARDS_OUT


def roles(commands: Iterable[cmd.Command]) -> list[list[Role]]:
    return [[Role(flow.cookie & 0xFF) for flow in c.flows] for c in commands if isinstance(c, cmd.SetFlows)]
