"""What can be done about a call's media."""

from dataclasses import dataclass
from enum import StrEnum

from stasis_offload.openflow.flow import Flow


class Request(StrEnum):
    """Commands that carry nothing but their name; each is answered by an event."""

    ASK = "ask the module"
    COUNT = "read the counters"
    TAKE_OUT = "take the flows out, and read what they had counted"


@dataclass(frozen=True, slots=True)
class SetFlows:
    """Make the switch hold exactly these flows for the call; `renew` lets their leases begin anew."""

    flows: tuple[Flow, ...]
    renew: bool = False


@dataclass(frozen=True, slots=True)
class Inject:
    """Send Asterisk a frame as if it had come in by a port of the switch."""

    in_port: int
    frame: bytes


Command = Request | SetFlows | Inject
