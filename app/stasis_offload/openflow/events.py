"""Events of a switch, as plain values: no type of the OpenFlow library leaves the codec."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from stasis_offload.openflow.abilities import SIZES, Ability
from stasis_offload.openflow.flow import FlowCount

# The number of the port that is the bridge itself (OpenFlow 1.3.5, 7.2.1).
LOCAL = 0xFFFF_FFFE


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the bridge: its OpenFlow number and the name of its interface."""

    number: int
    name: str


@dataclass(frozen=True, slots=True)
class SwitchDescription:
    """Identity and abilities of a switch (OpenFlow 1.3.5, 7.3.1 and 7.3.5.1).

    `version` is the OpenFlow version in use (`1.3`); `datapath` the switch's own description of the bridge
    (from OVS by default the text `None`); `lacks` what it cannot do of what we use (abilities.py); `most` how many flows it
    takes in table 0 and in ours, by table, as far as it says; `parts_fragments` whether its flows match the first fragment of
    a packet and not the others (`ovs-ofctl set-frags BRIDGE nx-match`).
    """

    datapath_id: int
    version: str
    manufacturer: str
    hardware: str
    software: str
    datapath: str
    ports: tuple[Port, ...]
    lacks: tuple[Ability, ...]
    most: Mapping[int, int]
    parts_fragments: bool

    @property
    def missing(self) -> tuple[Ability, ...]:
        """What it lacks that cannot be done without."""
        return tuple(ability for ability in self.lacks if ability.required)

    @property
    def splits(self) -> bool:
        """Whether it can tell packets apart by their size (Open vSwitch since 2.12)."""
        return SIZES not in self.lacks

    @property
    def bridge(self) -> str:
        """The bridge's name, which is that of its LOCAL port (7.2.1); or else its datapath id."""
        return next((port.name for port in self.ports if port.number == LOCAL), f"{self.datapath_id:016x}")


@dataclass(frozen=True, slots=True)
class SeenFlow:
    """A flow that a switch has, whoever added it.

    `is_normal` if it gives every packet to NORMAL and does nothing else; `drops` if it does nothing at all with what it takes
    (an empty list of actions); `may_take_udp` if some UDP packet may match;
    `uses_register` and `is_ovn` if it names register 15, or what Open Virtual Network keeps a logical port and datapath in
    (register 14 and the metadata, include/ovn/logical-fields.h). `is_lease` if it is the lease of a gate of ours.
    """

    table: int
    priority: int
    cookie: int
    is_normal: bool
    drops: bool
    may_take_udp: bool
    uses_register: bool
    is_ovn: bool
    is_lease: bool


@dataclass(frozen=True, slots=True)
class SwitchUp:
    """The switch is connected. With `kept` it has had the application's flows all the time, else it has none."""

    description: SwitchDescription
    kept: bool = False


@dataclass(frozen=True, slots=True)
class SwitchDown:
    """The switch is not connected. Repeated only when the reason changes.

    For seconds `grace`, from now on, it still carries the calls, unless it has lost its flows; then Asterisk relays them.
    """

    reason: str
    grace: float = 0.0


@dataclass(frozen=True, slots=True)
class PacketIn:
    """The first bytes of a packet that matched one of our flows, and the port it came in by."""

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
    """One of our flows has ended; `delete` means that another program removed it.

    A hint: a switch does not keep it for an application that is not connected.
    """

    cookie: int
    reason: Removal
    count: FlowCount


@dataclass(frozen=True, slots=True)
class PortDown:
    """A port was removed, or carries no packets any more (7.4.3). A port that is added again has another number."""

    port: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The switch refused what nobody waits for: a packet that was to be sent, or what was asked too long ago."""

    reason: str


Event = SwitchUp | SwitchDown | PacketIn | FlowRemoved | PortDown | Refused
