"""What can happen to a call's media."""

from collections.abc import Mapping
from dataclasses import dataclass

from stasis_offload.asterisk.leg_report import LegReport
from stasis_offload.media.flows import Role
from stasis_offload.media.path import Leg, ObservedPacket
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.openflow.flow import FlowCount


@dataclass(frozen=True, slots=True)
class PacketObserved:
    """The switch mirrored a packet of a leg; `packet` None is one that is not RTP at all.

    `by_switch`: the switch forwarded it; otherwise it is a copy of one on its way to Asterisk.
    """

    leg: Leg
    packet: ObservedPacket | None
    by_switch: bool = False


@dataclass(frozen=True, slots=True)
class PacketRelayed:
    """Asterisk sent on, to the other leg, a packet of this one: by SSRC and sequence number it is the one that came."""

    leg: Leg
    ssrc: int
    sequence: int


@dataclass(frozen=True, slots=True)
class LegsReported:
    """Asterisk's module answered: a report of each leg it lists in the call's bridge."""

    caller: LegReport | None
    callee: LegReport | None

    @property
    def by_leg(self) -> dict[Leg, LegReport]:
        """The reports of the legs that Asterisk lists."""
        reports = {Leg.CALLER: self.caller, Leg.CALLEE: self.callee}
        return {leg: report for leg, report in reports.items() if report}


@dataclass(frozen=True, slots=True)
class CountersRead:
    """The counters of the call's flows, as the switch has them now; None when it could not say."""

    counts: Mapping[Role, FlowCount] | None


@dataclass(frozen=True, slots=True)
class FinalCounters:
    """What the flows had counted when they were taken out; None when the switch could not say."""

    counts: Mapping[Role, FlowCount] | None


@dataclass(frozen=True, slots=True)
class GuardTriggered:
    """A guarding flow saw what should not happen while the switch carries the call (flows.py)."""

    kind: ReasonKind
    leg: Leg


@dataclass(frozen=True, slots=True)
class RtcpPortLearned:
    """A leg's RTCP came from this port of its host: its reports go there, too."""

    leg: Leg
    port: int


@dataclass(frozen=True, slots=True)
class FlowIdle:
    """The switch removed a leg's flow: no packet for the idle timeout. `count` is what it had counted."""

    leg: Leg
    count: FlowCount


@dataclass(frozen=True, slots=True)
class FlowDeleted:
    """The flow that forwards a leg was taken out by somebody else. `count` is what it had counted."""

    leg: Leg
    count: FlowCount


@dataclass(frozen=True, slots=True)
class Blocked:
    """The call must be relayed from now on, until the same is Unblocked."""

    kind: ReasonKind


@dataclass(frozen=True, slots=True)
class Unblocked:
    """What Blocked said no longer holds."""

    kind: ReasonKind


@dataclass(frozen=True, slots=True)
class CommandFailed:
    """A command could not be carried out; it is worth trying again later."""

    kind: ReasonKind


@dataclass(frozen=True, slots=True)
class Connected:
    """Both legs are up in the bridge."""


@dataclass(frozen=True, slots=True)
class BridgeChanged:
    """Asterisk changed something about the bridge or a session."""


@dataclass(frozen=True, slots=True)
class DeadlineReached:
    """The placement's deadline passed."""


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The call is ending."""


Event = (
    PacketObserved
    | PacketRelayed
    | LegsReported
    | CountersRead
    | FinalCounters
    | GuardTriggered
    | RtcpPortLearned
    | FlowIdle
    | FlowDeleted
    | Blocked
    | Unblocked
    | CommandFailed
    | Connected
    | BridgeChanged
    | DeadlineReached
    | CallEnded
)
