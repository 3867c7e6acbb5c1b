"""Every flow we ever put into a switch is built here, as a plain value; what we own is told by its cookie."""

from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b

from stasis_offload.media import Address, Leg, Path, Side

# 64-bit cookie: 16 bits that say "ours", 40 bits of the call, 8 bits of the flow's role.
COOKIE_PREFIX = 0x0FF1 << 48
COOKIE_PREFIX_MASK = 0xFFFF << 48
COOKIE_CALL_MASK = COOKIE_PREFIX_MASK | 0xFF_FFFF_FFFF << 8

# Above the priority-0 NORMAL flow of every bridge and above what people type by hand (32768 is the default of
# ovs-ofctl), and forwarding above learning, so that a copy stops the moment forwarding starts.
LEARNING_PRIORITY = 40_000
FORWARDING_PRIORITY = 40_100

# Bytes of a learned packet that reach us: Ethernet 14 + VLAN 4 + IPv6 40 + UDP 8 + RTP 12 and some extensions.
LEARNING_BYTES = 128


class Role(IntEnum):
    """What a flow of a call does; the low byte of its cookie."""

    LEARN_CALLER = 1
    LEARN_CALLEE = 2
    FORWARD_CALLER = 3
    FORWARD_CALLEE = 4

    @property
    def leg(self) -> Leg:
        """The leg whose packets the flow matches."""
        return Leg.CALLER if self in (Role.LEARN_CALLER, Role.FORWARD_CALLER) else Leg.CALLEE

    @property
    def forwards(self) -> bool:
        """Whether the flow carries media past Asterisk (else it only copies to us)."""
        return self in (Role.FORWARD_CALLER, Role.FORWARD_CALLEE)


_LEARN = {Leg.CALLER: Role.LEARN_CALLER, Leg.CALLEE: Role.LEARN_CALLEE}
FORWARD = {Leg.CALLER: Role.FORWARD_CALLER, Leg.CALLEE: Role.FORWARD_CALLEE}


@dataclass(frozen=True, slots=True)
class Match:
    """UDP packets of one 5-tuple; `in_port` None is any port, and only with a port are the rest read.

    With a port, `vlan` None means untagged: a packet of the same 5-tuple in another VLAN is not matched, nor
    is one that came from another MAC than `eth_src`, if that is given.
    """

    source: Address
    destination: Address
    in_port: int | None = None
    vlan: int | None = None
    eth_src: str | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """Forward as the bridge always does (NORMAL), and send the first `max_len` bytes to us (CONTROLLER)."""

    max_len: int = LEARNING_BYTES


@dataclass(frozen=True, slots=True)
class Forward:
    """Rewrite a packet as if Asterisk had sent it, lower its TTL by one, and put it out.

    `out_port` None is IN_PORT: OpenFlow never sends a packet back through its own port by number
    (OpenFlow 1.3.5, 7.2.5). `vlan` is the VID it leaves with, None for untagged.
    """

    eth_src: str
    eth_dst: str
    source: Address
    destination: Address
    vlan: int | None
    out_port: int | None


Action = Copy | Forward


@dataclass(frozen=True, slots=True)
class Flow:
    """One OpenFlow flow in table 0. `idle_timeout` is in seconds, 0 for none; with one, its end is reported."""

    cookie: int
    priority: int
    match: Match
    action: Action
    idle_timeout: int = 0


@dataclass(frozen=True, slots=True)
class Count:
    """A flow's counters since it was added."""

    packets: int = 0
    octets: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(packets=self.packets + other.packets, octets=self.octets + other.octets)


def call_cookie(call: str) -> int:
    """Return the cookie of a call with role 0; the same call id gives the same cookie after a restart."""
    digest = int.from_bytes(blake2b(call.encode(), digest_size=5).digest(), "big")
    return COOKIE_PREFIX | digest << 8


def is_ours(cookie: int) -> bool:
    """Whether a flow with this cookie was put there by this software."""
    return cookie & COOKIE_PREFIX_MASK == COOKIE_PREFIX


def role_of(cookie: int) -> Role | None:
    """Read a flow's role from a cookie of ours; None when the low byte is not a role of this version."""
    try:
        return Role(cookie & 0xFF)
    except ValueError:
        return None


def learning_flow(call: str, leg: Leg, *, source: Address, destination: Address) -> Flow:
    """Build the flow that shows us a leg's next packets while Asterisk goes on relaying them."""
    return Flow(
        cookie=call_cookie(call) | _LEARN[leg],
        priority=LEARNING_PRIORITY,
        match=Match(source=source, destination=destination),
        action=Copy(),
    )


def forwarding_flows(call: str, path: Path, *, idle_timeout: int) -> tuple[Flow, Flow]:
    """Build both directions of a call; `idle_timeout` (s) clears them should we and the media be gone."""
    return (
        _forwarding_flow(call, Leg.CALLER, path=path, idle_timeout=idle_timeout),
        _forwarding_flow(call, Leg.CALLEE, path=path, idle_timeout=idle_timeout),
    )


def _forwarding_flow(call: str, leg: Leg, *, path: Path, idle_timeout: int) -> Flow:
    came: Side = path.side(leg)
    goes: Side = path.side(leg.other)
    return Flow(
        cookie=call_cookie(call) | FORWARD[leg],
        priority=FORWARDING_PRIORITY,
        # Of the next hop too: when a leg's packets begin to come from another router, what we send it would
        # still go to the old one. They fall through to Asterisk instead, and the leg is learned again.
        match=Match(
            source=came.remote,
            destination=came.local,
            in_port=came.in_port,
            vlan=came.vlan,
            eth_src=came.next_hop,
        ),
        action=Forward(
            eth_src=goes.ours,
            eth_dst=goes.next_hop,
            source=goes.local,
            destination=goes.remote,
            vlan=goes.vlan,
            out_port=None if goes.in_port == came.in_port else goes.in_port,
        ),
        idle_timeout=idle_timeout,
    )
