"""What a switch tells us, as values of our own; nothing of the OpenFlow library leaves the codec."""

from dataclasses import dataclass
from enum import StrEnum

from stasis_offload.openflow.flow import FlowCount


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the bridge: its OpenFlow number and the name of its interface."""

    number: int
    name: str


@dataclass(frozen=True, slots=True)
class SwitchDescription:
    """Who the switch says it is (OpenFlow 1.3.5, 7.3.1 and 7.3.5.1), and what it can do for us.

    `version` is the OpenFlow version in use (`1.3`); `datapath` the switch's own description of the bridge,
    which OVS leaves as `None` in words; `atomic_bundles` whether it accepts atomic bundles (ONF EXT-230);
    `max_meters` how many meters it can have (7.3.5.14), 0 for none.
    """

    datapath_id: int
    version: str
    manufacturer: str
    hardware: str
    software: str
    datapath: str
    ports: tuple[Port, ...]
    atomic_bundles: bool
    max_meters: int


@dataclass(frozen=True, slots=True)
class SwitchUp:
    """The switch is connected, and holds no flow of ours."""

    description: SwitchDescription


@dataclass(frozen=True, slots=True)
class SwitchDown:
    """The switch is not connected. Told again only when the reason changes."""

    reason: str


@dataclass(frozen=True, slots=True)
class PacketIn:
    """A copy of a packet that matched a flow of ours: its first bytes, and the port it came in by."""

    cookie: int
    in_port: int
    frame: bytes


class Removal(StrEnum):
    """Why a flow ended (ofp_flow_removed_reason, OpenFlow 1.3.5, 7.4.2)."""

    IDLE = "idle"
    HARD = "hard"
    DELETE = "delete"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class FlowRemoved:
    """A flow of ours that had a timeout is gone; `delete` is by somebody else, not by us.

    A hint: a switch does not keep it for us while we are not connected.
    """

    cookie: int
    reason: Removal
    count: FlowCount


Event = SwitchUp | SwitchDown | PacketIn | FlowRemoved
