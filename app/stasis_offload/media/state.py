"""The state of one call's media, as an immutable value; the flows that it needs follow from it alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import inf

from stasis_offload.asterisk.leg_report import LegReport
from stasis_offload.media import commands as cmd
from stasis_offload.media.damping import Damping
from stasis_offload.media.flows import (
    FlowLimits,
    forwarding_flows,
    inbound_guards,
    learning_flows,
    outbound_guards,
    rtcp_flows,
    rtcp_watching_flows,
    sampling_flows,
    verifying_flows,
    waiting_flow,
    withholding_flows,
)
from stasis_offload.media.path import Headers, Leg, MediaPath, ObservedPacket, Shown
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.roles import Duty, Role
from stasis_offload.media.schedule import Schedule
from stasis_offload.openflow.flow import Flow, FlowCount
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Datagram, build_udp


@dataclass(frozen=True, slots=True)
class Tuning:
    """The operator's settings (config.py, section [media]): times in seconds.

    With `forward_rtcp`, the legs' RTCP passes from end to end while the switch carries a call; otherwise Asterisk's does.
    For `grace` an offloaded call stays in the switch although Asterisk does not answer.
    """

    verify_within: float = 1.0
    recheck: float = 30.0
    idle_timeout: int = 10
    returns_per_minute: int = 6
    flap_wait: float = 60.0
    grace: float = 60.0
    forward_rtcp: bool = True


@dataclass(frozen=True, slots=True)
class Strangers:
    """What came to a leg's RTP port from elsewhere than the leg: how many packets in the call, the last RTP's source and time.

    `in_succession` is how many packets of RTP that source has sent without another's between. Asterisk is asked about the
    next one from `ask_at` on, and then after `wait` (s).
    """

    count: int = 0
    source: Address | None = None
    at: float = -inf
    in_succession: int = 0
    ask_at: float = -inf
    wait: float = 0.0

    def with_packet(self, source: Address | None, at: float, *, rtp: bool) -> "Strangers":
        """Count a packet; what is no RTP tells nothing of who sends any."""
        if not rtp:
            return replace(self, count=self.count + 1, source=self.source or source)
        before = self.in_succession if source == self.source else 0
        return replace(self, count=self.count + 1, source=source, at=at, in_succession=before + 1)


class State(StrEnum):
    """What carries the call's RTP: Asterisk, Asterisk while packets are mirrored, or the switch."""

    RELAYED = "relayed"
    LEARNING = "learning"
    OFFLOADED = "offloaded"


class Phase(StrEnum):
    """The phases of a call's media on its way into the switch and out; machine.py has the rows of each."""

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

# Seconds after the installation of the guards until the first audit.
FIRST_AUDIT = 10.0
# Seconds; what else remembers a stream forgets it when it sees no packet for so long: conntrack for 120 (30, if the stream
# was younger than 2 when the switch took it), a bridge its MACs for 300 (nf_conntrack_udp.c in Linux, lib/mac-learning.h
# in OVS).
MAX_AUDIT_INTERVAL = 60.0
_NOTHING = bytes(4)
# The default TTL of a Linux host (net.ipv4.ip_default_ttl).
_TTL = 64

NOT_CONNECTED = Reason(ReasonKind.NOT_CONNECTED)
NOT_NATIVE = Reason(ReasonKind.NOT_NATIVE)


@dataclass(frozen=True, slots=True)
class Placement:
    """What carries one call's media, why, and what is known of it. Times are seconds of one monotonic clock.

    `since` is when the state was entered.

    While learning:
    - `observed`: the last observed packet of each leg, and its time; `known_at`: since when there is one of both
    - `unobserved`: the first report of each leg since its last observed packet
    - `last_packets`: the last packet of each leg, however old; `silent`: the legs that are known by it alone
    - `relayed_packets`: the last packet that Asterisk sent to the other leg, by the leg whose packets it relays
    - `strangers_observed`: how many packets came to a leg's RTP port from elsewhere than the leg
    - `moving`: the legs of which one of these has the SSRC; `other_sources`: where the last of these came from, be it in an
      earlier state, until none comes for a while
    - `shown_elsewhere`: which packets another switch has shown, by its number, and since when (switch_choice.py)
    - `splits`: whether the switch can tell packets apart by their size
    - `schedules`: when the packets of each leg come; they outlast a stay
    - `cutting_over_since`: since when a moment for the cutover is waited for; `probed`: whether the switch has just answered
      in time; `late_answers`: how often it has not

    Of a stay in the switch:
    - `path`, and the legs of which a packet has yet to be mirrored: `unsampled` for the verification or the present audit,
      `unverified` for the first time
    - `left`: the last packet of each leg that was left to Asterisk, for its size or because its ended flow was not added
      again yet; `small_audio`: how many small ones since the last audit had the payload type of audio
    - `rtcp_at`: when each leg's last RTCP came; `cnames`: the CNAME in Asterisk's own RTCP to each leg
    - `silent`: the legs of which a flow ended for want of packets and was added again; `ended_counts`: what these flows had
      counted; `missing`: since when a leg's flow has not been among those that the switch counts
    - `counts`: the packets and octets forwarded from each leg
    - `unheard`: since when the module does not answer, and since when no event arrives from Asterisk, by the reason for
      which the call is relayed in the end

    Of the call:
    - `excluded_by`: what excludes it, in words, while one of its `blocks` is that it is excluded
    - `switch`: the number of the switch that carries it, carried it last, or by whose packets it is learned
    - `featured`: the legs that may ask for DTMF features
    - `strangers`: what came to each leg's RTP port from elsewhere than the leg
    - `garbled`: since when each leg sends only what is no RTP, and when the last of it came
    - `addressed_at`: when Asterisk was last seen to have set `addresses`, or may have set them anew
    - `earlier_counts`: what was forwarded in those before; if `partial`, it was more: in an earlier process, by whose last
      account it was `earlier_packets`, or by flows whose last counters could not be read
    - `rtcp_out`: the headers of the last RTCP of Asterisk's own to each leg
    - `withheld`: the legs to which Asterisk has yet to report since the return, and the headers of its RTP to each
    """

    call: str
    tuning: Tuning
    phase: Phase = Phase.RELAYED
    reason: Reason | None = NOT_CONNECTED
    since: float = 0.0
    deadline: float | None = None
    connected: bool = False
    blocks: frozenset[ReasonKind] = frozenset()
    excluded_by: str | None = None
    damping: Damping = field(default_factory=Damping)
    switch: int = 0
    splits: bool = False
    reports: Mapping[Leg, LegReport] = field(default_factory=dict)
    observed: Mapping[Leg, tuple[ObservedPacket, float]] = field(default_factory=dict)
    known_at: float = 0.0
    unobserved: Mapping[Leg, LegReport] = field(default_factory=dict)
    shown_elsewhere: Mapping[int, Mapping[Shown, float]] = field(default_factory=dict)
    strangers_observed: Mapping[Leg, int] = field(default_factory=dict)
    moving: frozenset[Leg] = frozenset()
    other_sources: Mapping[Leg, Address | None] = field(default_factory=dict)
    relayed_packets: Mapping[Leg, ObservedPacket] = field(default_factory=dict)
    schedules: Mapping[Leg, Schedule] = field(default_factory=dict)
    last_packets: Mapping[Leg, ObservedPacket] = field(default_factory=dict)
    cutting_over_since: float = 0.0
    probed: bool = False
    late_answers: int = 0
    path: MediaPath | None = None
    unsampled: frozenset[Leg] = frozenset()
    unverified: frozenset[Leg] = frozenset()
    left: Mapping[Leg, ObservedPacket] = field(default_factory=dict)
    small_audio: Mapping[Leg, int] = field(default_factory=dict)
    rtcp_out: Mapping[Leg, Headers] = field(default_factory=dict)
    cnames: Mapping[Leg, bytes] = field(default_factory=dict)
    rtcp_at: Mapping[Leg, float] = field(default_factory=dict)
    withheld: Mapping[Leg, Headers] = field(default_factory=dict)
    silent: frozenset[Leg] = frozenset()
    missing: Mapping[Leg, float] = field(default_factory=dict)
    ended_counts: Mapping[Leg, FlowCount] = field(default_factory=dict)
    counts: Mapping[Leg, FlowCount] = field(default_factory=dict)
    unheard: Mapping[ReasonKind, float] = field(default_factory=dict)
    featured: frozenset[Leg] = frozenset()
    strangers: Mapping[Leg, Strangers] = field(default_factory=dict)
    garbled: Mapping[Leg, tuple[float, float]] = field(default_factory=dict)
    addresses: tuple[object, ...] = ()
    addressed_at: float = -inf
    earlier_counts: Mapping[Leg, FlowCount] = field(default_factory=dict)
    partial: bool = False
    earlier_packets: int = 0

    @property
    def state(self) -> State:
        """What carries the call's RTP in this phase."""
        return STATES[self.phase]

    @property
    def is_learned(self) -> bool:
        """Whether every packet of the call is mirrored: of a dormant one only the next is waited for."""
        return self.state is State.LEARNING and self.phase is not Phase.DORMANT

    @property
    def leaves_digits(self) -> bool:
        """Whether Asterisk follows the digits of `featured` legs: of what is not mirrored the application sees none."""
        relayed = self.state is State.RELAYED and self.connected and ReasonKind.ENDED not in self.blocks
        return bool(self.featured) and (relayed or self.phase is Phase.DORMANT) and not self.over

    @property
    def over(self) -> bool:
        """Whether the call has ended."""
        return self.phase is Phase.ENDED

    @property
    def is_verified(self) -> bool:
        """Whether a forwarded packet of each leg that sends has been mirrored."""
        return self.phase in (Phase.VERIFIED, Phase.GUARDED)

    def counted(self, read: Mapping[Role, FlowCount]) -> dict[Leg, FlowCount]:
        """Return the count of each leg in the present stay, from the counters of its flows."""
        return {
            role.leg: self.ended_counts.get(role.leg, FlowCount()) + count
            for role, count in read.items()
            if role.forwards
        }

    def forwarded(self, leg: Leg, live: FlowCount | None = None) -> FlowCount:
        """Return the count of what the switch has forwarded from this leg: as of now, if `live` is its flow's counter.

        Else it is as of the last reading.
        """
        counts = self.counts
        if live is not None and self.state is State.OFFLOADED:
            counts = self.counted({Role.of(Duty.FORWARD, leg): live})
        return self.earlier_counts.get(leg, FlowCount()) + counts.get(leg, FlowCount())

    def flows(self) -> tuple[Flow, ...]:
        """Return the flows that the call's own switch should have."""
        withholding = withholding_flows(self.call, self.withheld)
        if self.state is State.LEARNING:
            return self._learning_flows() + withholding
        if self.state is not State.OFFLOADED or self.path is None:
            return withholding
        limits = FlowLimits(self.tuning.idle_timeout, silent=self.silent)
        flows = forwarding_flows(self.call, self.path, limits)
        # From the first moment: a leg whose source moves at the cutover never verifies it.
        flows += inbound_guards(self.call, self.path)
        flows += verifying_flows(self.call, self.path, self.unverified)
        if not self.is_verified:
            return flows + withholding
        if self.tuning.forward_rtcp:
            flows += rtcp_flows(self.call, self.path)
        else:
            flows += rtcp_watching_flows(self.call, self.path)
        return flows + outbound_guards(self.call, self.path)

    def set_flows(self) -> cmd.SetFlows:
        """Return the command by which the switches have the flows that they should: while learning, each shows the packets."""
        learning = self.state is State.LEARNING
        return cmd.SetFlows(self.flows(), elsewhere=self._learning_flows() if learning else ())

    def samples(self) -> tuple[Flow, ...]:
        """Return the flows that show a packet of each leg that the switch forwards."""
        return sampling_flows(self.call, self.path) if self.path else ()

    def _learning_flows(self) -> tuple[Flow, ...]:
        flows: tuple[Flow, ...] = ()
        for leg, report in self.reports.items():
            if report.local is None or report.remote is None:
                continue
            if self.phase is not Phase.DORMANT:
                flows += learning_flows(self.call, leg, remote=report.remote, local=report.local)
            elif leg not in self.observed:
                flows += (waiting_flow(self.call, leg, source=report.source, local=report.local),)
        return flows

    def next_audit(self, now: float) -> float:
        """Return when an offloaded call is audited next: soon, then at twice its age, at least every `recheck`.

        So the last reading of the counters is at most half the length of a short call old. Within an endpoint's
        rtp_timeout there are three audits, each with a keepalive. There is one when the grace ends for which the call stays
        although Asterisk does not answer.
        """
        wait = min(max(FIRST_AUDIT, now - self.since), self.tuning.recheck, MAX_AUDIT_INTERVAL)
        audit = now + min([wait, *(timeout / 3 for timeout in self._timeouts)])
        return min([audit, *(since + self.tuning.grace for since in self.unheard.values())])

    @property
    def _timeouts(self) -> list[int]:
        return [report.rtp_timeout for report in self.reports.values() if report.rtp_timeout]

    def keepalive(self, leg: Leg) -> cmd.InjectPacket | None:
        """Build a datagram on the leg's RTP addresses, as if the leg had sent it; None without a path.

        Asterisk ignores one of nothing but zeros that is too short for RTP (ast_rtp_read in res/res_rtp_asterisk.c),
        but restarts the leg's rtp_timeout (media_session_rtp_read_callback in res/res_pjsip_sdp_rtp.c). On its way the
        host's conntrack keeps its entry of the stream, and the bridge the port of the leg's MAC.
        """
        if self.path is None:
            return None
        sent = self.path.attachment(leg).sent
        datagram = Datagram(
            eth_src=sent.eth_src,
            eth_dst=sent.eth_dst,
            tag=sent.tag,
            dscp=sent.dscp,
            source=sent.source,
            destination=sent.destination,
            ttl=_TTL,
            size=len(_NOTHING),
            payload=_NOTHING,
        )
        return cmd.InjectPacket(in_port=sent.in_port, frame=build_udp(datagram))
