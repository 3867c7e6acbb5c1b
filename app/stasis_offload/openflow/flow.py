"""An OpenFlow flow as a plain value, and the cookie that identifies its owner."""

from dataclasses import dataclass

from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Tag

# 64-bit cookie: 4 bits instance (instance.py), 12 bits of this program, 40 bits owner, 8 bits role of the flow.
INSTANCE_SHIFT = 60
COOKIE_PREFIX = 0x0FF1 << 48
COOKIE_PREFIX_MASK = 0xFFFF << 48
# The cookies of every instance.
COOKIE_PROGRAM_MASK = 0x0FFF << 48
COOKIE_OWNER_MASK = COOKIE_PREFIX_MASK | 0xFF_FFFF_FFFF << 8
COOKIE_ROLE_MASK = 0xFF
# The role of a gate's flows (gate.py); media/roles.py names the others.
GATE_ROLE = 0xFF

# Our flows have a table of their own, which the gate leads to (gate.py). Of the others, one has the gate's lease, one only
# shows packets that are forwarded (sampler.py), and one has the flows that a `Split` leads to. These are instance 0's; the
# next has the next four.
LEASE_TABLE = 76
TABLE = 77
SAMPLE_TABLE = 78
SIZE_TABLE = 79
TABLES = 4

# Bytes of a learned packet that are mirrored: Ethernet 14 + VLAN 4 + IPv6 40 + UDP 8 + RTP 12 and some extensions.
LEARNING_BYTES = 128
# RTCP is mirrored whole. This value stands for the whole packet (OFPCML_NO_BUFFER, 1.3.5, A.2.5).
FULL_PACKET = 0xFFFF


@dataclass(frozen=True, slots=True)
class Match:
    """UDP packets between two addresses; `source` None is any source, and port 0 any port of that host.

    `in_port` None is any port of the switch; `vlan` and `eth_src` then have no effect. `vlan` None means untagged
    packets only; `eth_src`, if given, is the only source MAC that matches. `larger` is what a `Split` found, in
    SIZE_TABLE; None is either.
    """

    source: Address | None
    destination: Address
    in_port: int | None = None
    vlan: int | None = None
    eth_src: str | None = None
    larger: bool | None = None


@dataclass(frozen=True, slots=True)
class Mirror:
    """Let a packet go the bridge's own way, and give its first `max_len` bytes to the application (CONTROLLER)."""

    max_len: int = LEARNING_BYTES


@dataclass(frozen=True, slots=True)
class Forward:
    """Rewrite a packet as if Asterisk had sent it, decrement its TTL, and let it go the bridge's own way from there.

    `in_port` is the port by which Asterisk's packets come in: the bridge's own flows (NORMAL, usually) see the
    packet as one that came in there, and choose its way out. A flow of SAMPLE_TABLE shows the packet to the
    application, as it came.
    """

    in_port: int
    eth_src: str
    eth_dst: str
    source: Address
    destination: Address
    tag: Tag | None
    dscp: int


@dataclass(frozen=True, slots=True)
class Split:
    """Look a packet up in SIZE_TABLE, by whether its frame is larger than `size` bytes.

    The Ethernet header and a tag count, the checksum at the end of the frame does not.
    """

    size: int


@dataclass(frozen=True, slots=True)
class Sample:
    """Give the first `max_len` bytes of a packet to the application (CONTROLLER); only for SAMPLE_TABLE."""

    max_len: int = LEARNING_BYTES


@dataclass(frozen=True, slots=True)
class Drop:
    """Drop the packet; its first `mirror_bytes` bytes go to the application (CONTROLLER)."""

    mirror_bytes: int = 0


Action = Mirror | Forward | Split | Sample | Drop


@dataclass(frozen=True, slots=True)
class Flow:
    """One OpenFlow flow; timeouts are in seconds, 0 for none. The switch reports its end, but not in SAMPLE_TABLE."""

    cookie: int
    priority: int
    match: Match
    action: Action
    idle_timeout: int = 0
    hard_timeout: int = 0
    table: int = TABLE


def is_reported(table: int) -> bool:
    """Return whether the switch reports the end of a flow in this table: not of one that only shows packets."""
    return (table - SAMPLE_TABLE) % TABLES != 0


@dataclass(frozen=True, slots=True)
class FlowCount:
    """The counters of a flow since it was added."""

    packets: int = 0
    octets: int = 0

    def __add__(self, other: "FlowCount") -> "FlowCount":
        return FlowCount(packets=self.packets + other.packets, octets=self.octets + other.octets)


def owner_cookie(owner: int) -> int:
    """Return the cookie of an owner (0 to 2**40 - 1) of instance 0 with role 0."""
    return COOKIE_PREFIX | owner << 8


def owner_in(cookie: int) -> int:
    """Return the owner in a cookie."""
    return (cookie & COOKIE_OWNER_MASK & ~COOKIE_PREFIX_MASK) >> 8


def is_ours(cookie: int) -> bool:
    """Return whether this program, of any instance, added the flow with this cookie."""
    return cookie & COOKIE_PROGRAM_MASK == COOKIE_PREFIX
