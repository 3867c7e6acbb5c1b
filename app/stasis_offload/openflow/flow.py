"""An OpenFlow flow as a plain value, and the cookie that tells whose it is."""

from dataclasses import dataclass

from stasis_offload.packets.address import Address

# 64-bit cookie: 16 bits that say "ours", 40 bits of the owner, 8 bits of the flow's role.
COOKIE_PREFIX = 0x0FF1 << 48
COOKIE_PREFIX_MASK = 0xFFFF << 48
COOKIE_OWNER_MASK = COOKIE_PREFIX_MASK | 0xFF_FFFF_FFFF << 8
COOKIE_ROLE_MASK = 0xFF

# Bytes of a learned packet that reach us: Ethernet 14 + VLAN 4 + IPv6 40 + UDP 8 + RTP 12 and some extensions.
LEARNING_BYTES = 128
# An RTCP packet is read to its end; OpenFlow's word for all of a packet (OFPCML_NO_BUFFER, 1.3.5, A.2.5).
FULL_PACKET = 0xFFFF


@dataclass(frozen=True, slots=True)
class Match:
    """UDP packets between two addresses; `source` None is any source, and port 0 any port of that host.

    `in_port` None is any port of the switch, and only with one are the rest read: `vlan` None means untagged (a
    packet in another VLAN is not matched), and `eth_src`, if it is given, is the only MAC to come from.
    """

    source: Address | None
    destination: Address
    in_port: int | None = None
    vlan: int | None = None
    eth_src: str | None = None


@dataclass(frozen=True, slots=True)
class Mirror:
    """Forward as the bridge always does (NORMAL), and send the first `max_len` bytes to us (CONTROLLER)."""

    max_len: int = LEARNING_BYTES


@dataclass(frozen=True, slots=True)
class Forward:
    """Rewrite a packet as if Asterisk had sent it, lower its TTL by one, and put it out.

    `out_port` None is IN_PORT: OpenFlow never sends a packet back through its own port by number
    (OpenFlow 1.3.5, 7.2.5). `vlan` is the VID it leaves with, None for untagged. Before that, the packet as it
    came is also forwarded as the bridge always does where `relayed` says so (NORMAL), and its first `sample` bytes
    are sent to us where that is not 0 (CONTROLLER).
    """

    eth_src: str
    eth_dst: str
    source: Address
    destination: Address
    vlan: int | None
    out_port: int | None
    mirror_bytes: int = 0
    also_normal: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """Let the packet end here."""


Action = Mirror | Forward | Drop


@dataclass(frozen=True, slots=True)
class Flow:
    """One OpenFlow flow in table 0.

    `idle_timeout` and `hard_timeout` are in seconds, 0 for none; with either, its end is reported. `limit` is the
    packets per second that may pass (a meter; what is above is dropped, with a second's worth of burst), 0 for all.
    """

    cookie: int
    priority: int
    match: Match
    action: Action
    idle_timeout: int = 0
    hard_timeout: int = 0
    limit: int = 0


@dataclass(frozen=True, slots=True)
class FlowCount:
    """A flow's counters since it was added."""

    packets: int = 0
    octets: int = 0

    def __add__(self, other: "FlowCount") -> "FlowCount":
        return FlowCount(packets=self.packets + other.packets, octets=self.octets + other.octets)


def owner_cookie(owner: int) -> int:
    """Return the cookie of an owner (0 to 2**40 - 1) with role 0."""
    return COOKIE_PREFIX | owner << 8


def owner_in(cookie: int) -> int:
    """Return the owner that a cookie names."""
    return (cookie & COOKIE_OWNER_MASK & ~COOKIE_PREFIX_MASK) >> 8


def is_ours(cookie: int) -> bool:
    """Whether a flow with this cookie was put there by this software."""
    return cookie & COOKIE_PREFIX_MASK == COOKIE_PREFIX
