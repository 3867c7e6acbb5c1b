"""What is known of one call's media at a moment; the flows that the switch should hold follow from it alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import ceil

from stasis_offload.asterisk.leg_report import LegReport
from stasis_offload.media import commands as cmd
from stasis_offload.media.damping import Damping
from stasis_offload.media.flows import (
    FlowLifetime,
    forwarding_flows,
    guarding_flows,
    learn_in_flow,
    learn_out_flow,
    rtcp_flows,
)
from stasis_offload.media.path import Leg, MediaPath, ObservedPacket
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.openflow.flow import Flow, FlowCount
from stasis_offload.packets.address import MAX_PORT
from stasis_offload.packets.frame import Datagram, build_udp
from stasis_offload.packets.rtcp import empty_receiver_report


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's settings (config.py, section [media]): times in seconds, `limit` in packets per second and leg.

    `forward_rtcp` lets RTCP pass from end to end while the switch carries a call; without it RTCP stays with Asterisk.
    """

    verify_within: float = 1.0
    recheck: float = 30.0
    idle_timeout: int = 10
    returns_per_minute: int = 6
    flap_wait: float = 60.0
    forward_rtcp: bool = True
    limit: int = 0


class State(StrEnum):
    """What carries the call's RTP: Asterisk, Asterisk with a copy to us, or the switch."""

    RELAYED = "relayed"
    LEARNING = "learning"
    OFFLOADED = "offloaded"


class Phase(StrEnum):
    """Where the call's media is on its way into the switch and out again; each phase has its rows in machine.py."""

    RELAYED = "relayed"
    AWAITING_NATIVE = "awaiting-native"
    LEARNING = "learning"
    CUTTING_OVER = "cutting-over"
    DORMANT = "dormant"
    UNVERIFIED = "unverified"
    VERIFIED = "verified"
    GUARDED = "guarded"
    ENDED = "ended"


STATES: Mapping[Phase, State] = {
    Phase.RELAYED: State.RELAYED,
    Phase.AWAITING_NATIVE: State.LEARNING,
    Phase.LEARNING: State.LEARNING,
    Phase.CUTTING_OVER: State.LEARNING,
    Phase.DORMANT: State.LEARNING,
    Phase.UNVERIFIED: State.OFFLOADED,
    Phase.VERIFIED: State.OFFLOADED,
    Phase.GUARDED: State.OFFLOADED,
    Phase.ENDED: State.RELAYED,
}

# The first look at an offloaded call that is no longer new comes after this long (s).
FIRST_AUDIT = 10.0
# What a Linux host gives a packet of its own.
_TTL = 64

NOT_CONNECTED = Reason(ReasonKind.NOT_CONNECTED)
NOT_NATIVE = Reason(ReasonKind.NOT_NATIVE)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one call's media is, why, and what is known. Times are seconds of one monotonic clock.

    `since` is when the state was entered. While learning, `observed` are the last packets of the legs that were shown,
    and when; `relayed_packets` are SSRC and sequence number of the last packet that Asterisk sent on of each leg.
    `path`, `unsampled` and what follows them belong to a stay in the switch: `unsampled` are the legs of which a packet
    has yet to be shown to us. `rtcp_ports` are the ports that RTCP was seen to come from. `earlier_counts` are the
    packets and octets forwarded from each leg in all earlier stays in the switch, `counts` those of the stay that lasts.
    """

    call: str
    policy: Policy
    phase: Phase = Phase.RELAYED
    reason: Reason | None = NOT_CONNECTED
    since: float = 0.0
    deadline: float | None = None
    connected: bool = False
    blocks: frozenset[ReasonKind] = frozenset()
    damping: Damping = field(default_factory=Damping)
    reports: Mapping[Leg, LegReport] = field(default_factory=dict)
    observed: Mapping[Leg, tuple[ObservedPacket, float]] = field(default_factory=dict)
    relayed_packets: Mapping[Leg, tuple[int, int]] = field(default_factory=dict)
    path: MediaPath | None = None
    unsampled: frozenset[Leg] = frozenset()
    rtcp_ports: Mapping[Leg, int] = field(default_factory=dict)
    counts: Mapping[Leg, FlowCount] = field(default_factory=dict)
    earlier_counts: Mapping[Leg, FlowCount] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """What carries the call's RTP in this phase."""
        return STATES[self.phase]

    @property
    def over(self) -> bool:
        """Whether the call has ended."""
        return self.phase is Phase.ENDED

    @property
    def is_verified(self) -> bool:
        """Whether the switch was seen to forward a packet of each leg."""
        return self.phase in (Phase.VERIFIED, Phase.GUARDED)

    def forwarded(self, leg: Leg) -> FlowCount:
        """Count what the switch has carried from this leg, as far as we have read it."""
        return self.earlier_counts.get(leg, FlowCount()) + self.counts.get(leg, FlowCount())

    @property
    def lease(self) -> int:
        """How long flows stay in the switch when nobody renews them (s): three looks may fail.

        When nobody gives Asterisk signs of life any more either, the media is back before its rtp_timeout ends.
        """
        lease = ceil(max(3 * self.policy.recheck, self.policy.verify_within)) + 5
        if self.state is not State.OFFLOADED:
            return lease
        return min([lease, *(2 * timeout // 3 for timeout in self._timeouts)])

    def flows(self) -> tuple[Flow, ...]:
        """Return what the switch should hold."""
        if self.state is State.LEARNING:
            return self._learning_flows()
        if self.state is not State.OFFLOADED or self.path is None:
            return ()
        policy, lease = self.policy, self.lease
        lifetime = FlowLifetime(idle_timeout=policy.idle_timeout, lease=lease, limit=policy.limit)
        flows = forwarding_flows(self.call, self.path, lifetime, sampled=self.unsampled)
        if self.is_verified and policy.forward_rtcp:
            flows += rtcp_flows(self.call, self.path, self.rtcp_ports, lease=lease)
        if self.phase is Phase.GUARDED:
            flows += guarding_flows(self.call, self.path, lease=lease)
        return flows

    def _learning_flows(self) -> tuple[Flow, ...]:
        flows, lease = [], self.lease
        dormant = self.phase is Phase.DORMANT
        for leg in Leg:
            local, remote = self.reports[leg].local, self.reports[leg].remote
            if local is None or remote is None:
                continue
            if not dormant or leg not in self.observed:
                flows.append(learn_in_flow(self.call, leg, source=remote, destination=local, lease=lease))
            if not dormant:
                flows.append(learn_out_flow(self.call, leg, source=local, destination=remote, lease=lease))
        return tuple(flows)

    def next_audit(self, now: float) -> float:
        """When an offloaded call is to be audited again: soon at first, then at twice its age, up to `recheck`.

        So a counter that was last read then is at most half of a short call behind. Where Asterisk has an
        rtp_timeout, it gets a sign of life three times within it.
        """
        wait = min(max(FIRST_AUDIT, now - self.since), self.policy.recheck)
        return now + min([wait, *(timeout / 3 for timeout in self._timeouts)])

    @property
    def _timeouts(self) -> list[int]:
        return [report.rtp_timeout for report in self.reports.values() if report.rtp_timeout]

    def keepalive(self, leg: Leg) -> cmd.InjectPacket | None:
        """Build what resets Asterisk's rtp_timeout of a leg: a receiver report of the leg's that says nothing.

        Asterisk takes any packet on a leg's RTP or RTCP port for a sign of life (media_session_rtcp_read_callback in
        res/res_pjsip_sdp_rtp.c), and an empty report changes none of its statistics.
        """
        report = self.reports.get(leg)
        if self.path is None or report is None or report.ssrc_rx is None:
            return None
        attachment = self.path.attachment(leg)
        port = self.rtcp_ports.get(leg, min(attachment.remote.port + 1, MAX_PORT))
        payload = empty_receiver_report(report.ssrc_rx)
        datagram = Datagram(
            eth_src=attachment.remote_mac,
            eth_dst=attachment.local_mac,
            vlan=attachment.vlan,
            source=replace(attachment.remote, port=port),
            destination=replace(attachment.local, port=attachment.local.port + 1),
            ttl=_TTL,
            size=len(payload),
            payload=payload,
        )
        return cmd.InjectPacket(in_port=attachment.in_port, frame=build_udp(datagram))
