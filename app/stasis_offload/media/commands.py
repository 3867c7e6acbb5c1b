"""Commands of the media machine, carried out in order by calls/media_session.py."""

from dataclasses import dataclass

from stasis_offload.media.path import SwitchPort
from stasis_offload.openflow.flow import Flow


@dataclass(frozen=True, slots=True)
class QueryLegs:
    """Query the Asterisk module for a report of each leg; answered by LegsReported."""


@dataclass(frozen=True, slots=True)
class CheckLegs:
    """Query the Asterisk module as QueryLegs does, while the flows stay; answered by LegsChecked within seconds `within`."""

    within: float


@dataclass(frozen=True, slots=True)
class ReadCounters:
    """Read the counters of the call's flows; answered by CountersRead."""


@dataclass(frozen=True, slots=True)
class RemoveFlows:
    """Remove the call's flows but some, and read the last counters; answered by FinalCounters."""

    but: tuple[Flow, ...] = ()


@dataclass(frozen=True, slots=True)
class SetFlows:
    """Replace the call's flows by these: in its own switch, and in each of the others (`elsewhere`)."""

    flows: tuple[Flow, ...]
    elsewhere: tuple[Flow, ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeSwitch:
    """Wait until the switch has done all that it was sent; answered by SwitchAnswered."""


@dataclass(frozen=True, slots=True)
class SamplePackets:
    """Have these flows for a moment soon, with those of other calls; PacketObserved follows if a leg sends."""

    flows: tuple[Flow, ...]


@dataclass(frozen=True, slots=True)
class InjectPacket:
    """Have the switch treat a frame as one that it received on a port: of a leg to Asterisk, or of Asterisk to a leg."""

    in_port: SwitchPort
    frame: bytes


Command = (
    QueryLegs | CheckLegs | ReadCounters | RemoveFlows | SetFlows | ProbeSwitch | SamplePackets | InjectPacket
)
