"""What can be done about a call's media."""

from dataclasses import dataclass

from stasis_offload.openflow.flow import Flow


@dataclass(frozen=True, slots=True)
class QueryLegs:
    """Ask Asterisk's module for a report of each leg; LegsReported answers."""


@dataclass(frozen=True, slots=True)
class ReadCounters:
    """Read what the call's flows have counted; CountersRead answers."""


@dataclass(frozen=True, slots=True)
class RemoveFlows:
    """Take the call's flows out, and read what they had counted; FinalCounters answers."""


@dataclass(frozen=True, slots=True)
class SetFlows:
    """Make the switch hold exactly these flows for the call; `renew` restarts their leases."""

    flows: tuple[Flow, ...]
    renew: bool = False


@dataclass(frozen=True, slots=True)
class InjectPacket:
    """Send Asterisk a frame as if it had come in by a port of the switch."""

    in_port: int
    frame: bytes


Command = QueryLegs | ReadCounters | RemoveFlows | SetFlows | InjectPacket
