"""Events of the media machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stasis_offload.asterisk.leg_report import LegReport
from stasis_offload.media.path import Headers, Leg, ObservedPacket, SwitchPort
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.roles import Role
from stasis_offload.openflow.flow import FlowCount
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Datagram


@dataclass(frozen=True, slots=True)
class PacketObserved:
    """The switch mirrored a packet of a leg, or to its RTP port; `packet` is None if it is not RTP.

    `by_switch` is whether the switch forwarded the packet; otherwise it is on its way to Asterisk. `source` is where a
    packet that is not RTP came from, None if not even that is known.
    """

    leg: Leg
    packet: ObservedPacket | None
    by_switch: bool = False
    source: Address | None = None


@dataclass(frozen=True, slots=True)
class SmallPacketObserved:
    """A leg sent an RTP packet too small for audio: the switch forwards it to Asterisk, which passes it on or not."""

    leg: Leg
    packet: ObservedPacket


@dataclass(frozen=True, slots=True)
class PacketRelayed:
    """Asterisk sent RTP to the other leg: by SSRC and sequence number a packet of this one, or one of its own."""

    leg: Leg
    packet: ObservedPacket


@dataclass(frozen=True, slots=True)
class LegsReported:
    """The Asterisk module answered a query: a report of each leg, None for one that it does not list in the bridge.

    `switches` has the numbers of the switches that are connected, and whether each can tell packets apart by their size; `full`
    those whose tables have no room for the call's flows. `room` is whether one more call may be learned.
    """

    caller: LegReport | None
    callee: LegReport | None
    switches: Mapping[int, bool] = field(default_factory=lambda: {0: True})
    full: frozenset[int] = frozenset()
    room: bool = True

    def splits(self, switch: int) -> bool:
        """Return whether a switch can tell packets apart by their size; of one that is not connected nothing says that it cannot."""
        return self.switches.get(switch, True)

    @property
    def by_leg(self) -> dict[Leg, LegReport]:
        """The reports of the legs that Asterisk lists."""
        reports = {Leg.CALLER: self.caller, Leg.CALLEE: self.callee}
        return {leg: report for leg, report in reports.items() if report}


@dataclass(frozen=True, slots=True)
class SwitchAnswered:
    """The switch answered a probe after so many seconds; what it had mirrored before has arrived."""

    after: float


@dataclass(frozen=True, slots=True)
class CountersRead:
    """The counters of the call's flows were read; None if they could not be."""

    counts: Mapping[Role, FlowCount] | None


@dataclass(frozen=True, slots=True)
class FinalCounters:
    """The flows were removed, with these last counters; None if they could not be read."""

    counts: Mapping[Role, FlowCount] | None


@dataclass(frozen=True, slots=True)
class GuardTriggered:
    """A guard mirrored a packet that should not occur while the switch carries the call (flows.py).

    `packet` is what Asterisk sent to the leg, or what came to the leg's RTP port; None if that is not RTP. `headers` are of
    what came to the port, RTP or not; None if they cannot be read.
    """

    kind: ReasonKind
    leg: Leg
    packet: ObservedPacket | None = None
    headers: Headers | None = None


@dataclass(frozen=True, slots=True)
class RtcpSent:
    """Asterisk sent RTCP of its own to the leg, whether the switch drops it or not.

    `cname` is None if the frame shows none; `says_lost` is whether it reports a loss since the last report.
    """

    leg: Leg
    headers: Headers
    frame: bytes
    cname: bytes | None = None
    says_lost: bool = False


@dataclass(frozen=True, slots=True)
class OtherDropped:
    """The switch dropped what is no RTCP, though Asterisk sent it to the leg from its RTCP port: an answer to STUN."""

    leg: Leg
    in_port: SwitchPort
    frame: bytes


@dataclass(frozen=True, slots=True)
class WithholdingEnded:
    """The flow ended that withheld what Asterisk reports to the leg after a return."""

    leg: Leg


@dataclass(frozen=True, slots=True)
class RtcpReceived:
    """A leg sent something to Asterisk's RTCP port while the switch forwarded its media."""

    leg: Leg
    datagram: Datagram


@dataclass(frozen=True, slots=True)
class ReceptionStalled:
    """A leg's RTCP reports no progress: it receives nothing, or the other leg sends nothing."""

    leg: Leg


@dataclass(frozen=True, slots=True)
class LegDeaf:
    """Three successive reports of a leg show no progress although the switch went on forwarding to it."""

    leg: Leg


@dataclass(frozen=True, slots=True)
class FlowIdle:
    """The flow that forwards a leg ended after its idle timeout without a packet. `count` is its last counter."""

    leg: Leg
    count: FlowCount


@dataclass(frozen=True, slots=True)
class FlowDeleted:
    """A flow of a leg was deleted by another program. `count` is its last counter, if it forwards the leg."""

    leg: Leg
    count: FlowCount | None


@dataclass(frozen=True, slots=True)
class PortDown:
    """A port of the switch was removed, or carries no packets any more."""

    port: SwitchPort


@dataclass(frozen=True, slots=True)
class Blocked:
    """A block is set: the call must be relayed until the block is lifted; `detail` is what excludes it, if that is the block."""

    kind: ReasonKind
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Unblocked:
    """A block is lifted."""

    kind: ReasonKind


@dataclass(frozen=True, slots=True)
class CommandFailed:
    """A command could not be carried out; it may succeed later."""

    kind: ReasonKind


@dataclass(frozen=True, slots=True)
class Connected:
    """Both legs are up in the bridge; those in `featured` may ask for DTMF features."""

    featured: frozenset[Leg] = frozenset()


@dataclass(frozen=True, slots=True)
class BridgeChanged:
    """Asterisk changed something about the bridge or a session: a hold, a channel that comes or goes, a transfer."""


@dataclass(frozen=True, slots=True)
class BridgeRebuilt:
    """Asterisk rebuilt the bridge, as after any re-INVITE, or a hold ended; perhaps the media may go on as before."""


@dataclass(frozen=True, slots=True)
class LegsChecked:
    """The Asterisk module answered the check that follows BridgeRebuilt; `report` is None if it did not in time."""

    report: LegsReported | None


@dataclass(frozen=True, slots=True)
class DeadlineReached:
    """The placement's deadline passed."""


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The call is ending."""


Event = (
    PacketObserved
    | SmallPacketObserved
    | PacketRelayed
    | LegsReported
    | SwitchAnswered
    | CountersRead
    | FinalCounters
    | GuardTriggered
    | RtcpSent
    | OtherDropped
    | WithholdingEnded
    | RtcpReceived
    | ReceptionStalled
    | LegDeaf
    | FlowIdle
    | FlowDeleted
    | PortDown
    | Blocked
    | Unblocked
    | CommandFailed
    | Connected
    | BridgeChanged
    | BridgeRebuilt
    | LegsChecked
    | DeadlineReached
    | CallEnded
)
