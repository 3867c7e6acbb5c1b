"""What is known of a call's media, and from whom: Asterisk reports, the wire shows, a path needs both."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

IPAddress = IPv4Address | IPv6Address

MAX_PORT = 0xFFFF


class Leg(StrEnum):
    """The two legs of a call: the channel that entered Stasis, and the channel it was connected to."""

    CALLER = "caller"
    CALLEE = "callee"

    @property
    def other(self) -> "Leg":
        """The leg at the far end of the call."""
        return Leg.CALLEE if self is Leg.CALLER else Leg.CALLER


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """An IP address and a UDP port."""

    host: IPAddress
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `ip:port` or `[ipv6]:port`.

        Raises:
            ValueError: naming the text, when it is neither.

        """
        host, colon, port = text.rpartition(":")
        if not colon or not (port.isascii() and port.isdigit()) or int(port) > MAX_PORT:
            raise ValueError(f"not an address and port: {text!r}")
        bracketed = host.startswith("[") and host.endswith("]")
        try:
            address = ip_address(host[1:-1] if bracketed else host)
        except ValueError as error:
            raise ValueError(f"not an address and port: {text!r}") from error
        if bracketed != (address.version == 6):  # noqa: PLR2004 - the IP version itself
            raise ValueError(f"not an address and port (IPv6 goes in brackets): {text!r}")
        if isinstance(address, IPv6Address) and address.scope_id:
            raise ValueError(f"an address with a zone cannot be matched by a switch: {text!r}")
        return cls(host=address, port=int(port))

    @property
    def is_concrete(self) -> bool:
        """Whether packets can be matched on it: a real unicast host (not null, not loopback) and a port."""
        host = self.host
        return self.port != 0 and not (host.is_unspecified or host.is_loopback or host.is_multicast)

    def __str__(self) -> str:
        host = f"[{self.host}]" if isinstance(self.host, IPv6Address) else str(self.host)
        return f"{host}:{self.port}"


class Glue(StrEnum):
    """How a channel's driver lets its RTP be bridged (enum ast_rtp_glue_result, asterisk/rtp_engine.h)."""

    NONE = "none"
    FORBID = "forbid"
    REMOTE = "remote"
    LOCAL = "local"


class Rtcp(StrEnum):
    """Where a leg's RTCP travels: nowhere, on the port above its RTP (RFC 3550 11), or with it (RFC 5761)."""

    OFF = "off"
    SEPARATE = "separate"
    MUX = "mux"


@dataclass(frozen=True, slots=True)
class LegReport:
    """What Asterisk says of one leg, as `rtpstreams json` printed it (asterisk-module/README.md).

    Addresses, payload types and SSRCs are None until negotiated or heard. `ptime` is in ms, 0 when Asterisk
    does not enforce one. `idle` is the whole seconds since Asterisk last read a packet of this leg,
    `rtp_timeout` and `rtp_keepalive` are the endpoint's settings of that name in seconds, 0 for off.
    """

    channel: str
    channel_id: str
    state: str
    peer_id: str | None
    bridge_id: str
    bridge_technology: str
    bridge_channels: int
    glue: Glue
    video_glue: Glue
    local: Address | None
    remote: Address | None
    sdp: Address | None
    format_tx: str
    format_rx: str
    formats: tuple[str, ...]
    audio_pt_tx: int | None
    audio_pt_rx: int | None
    event_pt_tx: int | None
    event_pt_rx: int | None
    ptime: int
    rtcp: Rtcp
    srtp: bool
    dtls: bool
    ice: bool
    symmetric: bool
    hold: bool
    audio_hook: bool
    generator: bool
    t38: bool
    local_bridge: bool
    ssrc_tx: int | None
    ssrc_rx: int | None
    packets_tx: int
    packets_rx: int
    idle: int | None
    rtp_timeout: int
    rtp_keepalive: int


@dataclass(frozen=True, slots=True)
class Sighting:
    """One RTP packet of a leg as the switch saw it arrive.

    `in_port` is the switch's port number, `vlan` the 802.1Q VID or None when untagged, `next_hop` the source
    MAC (where packets to this leg must go) and `ours` the destination MAC (what they must come from).
    """

    in_port: int
    vlan: int | None
    next_hop: str
    ours: str
    source: Address
    destination: Address
    ttl: int
    payload_type: int
    sequence: int
    ssrc: int


@dataclass(frozen=True, slots=True)
class Side:
    """One end of a path: where a leg's packets come from, and how packets reach that leg."""

    in_port: int
    vlan: int | None
    next_hop: str
    ours: str
    remote: Address
    local: Address

    @classmethod
    def of(cls, sighting: Sighting) -> "Side":
        """Take it from a packet that the leg sent."""
        return cls(
            in_port=sighting.in_port,
            vlan=sighting.vlan,
            next_hop=sighting.next_hop,
            ours=sighting.ours,
            remote=sighting.source,
            local=sighting.destination,
        )


@dataclass(frozen=True, slots=True)
class Path:
    """Two legs whose media is understood well enough to be forwarded without Asterisk."""

    caller: Side
    callee: Side

    def side(self, leg: Leg) -> Side:
        """Return the end of the path that belongs to a leg."""
        return self.caller if leg is Leg.CALLER else self.callee
