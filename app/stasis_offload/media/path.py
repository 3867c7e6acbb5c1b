"""The two legs of a call, and the path of media between them."""

from dataclasses import dataclass
from enum import StrEnum

from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Datagram, Tag, parse_udp
from stasis_offload.packets.rtp import parse_rtp, signed

_HEAD = 4


class Leg(StrEnum):
    """The two legs of a call: the channel that entered Stasis(), and the channel it was connected to."""

    CALLER = "caller"
    CALLEE = "callee"

    @property
    def other(self) -> "Leg":
        """The leg at the far end of the call."""
        return Leg.CALLEE if self is Leg.CALLER else Leg.CALLER


class Direction(StrEnum):
    """Which way RTP of a leg's goes: to Asterisk, or from Asterisk on to the other leg."""

    IN = "in"
    OUT = "out"


Shown = tuple[Direction, Leg]
"""What a switch has shown of a call: packets from a leg to Asterisk, or of that leg's from Asterisk to the other."""


@dataclass(frozen=True, slots=True)
class SwitchPort:
    """A port of a switch: the switch's number, by its place in the configuration from 0, and the port's OpenFlow number."""

    switch: int
    number: int


@dataclass(frozen=True, slots=True)
class Headers:
    """The headers below RTP of one packet, and the port by which it came into a switch."""

    in_port: SwitchPort
    tag: Tag | None
    eth_src: str
    eth_dst: str
    source: Address
    destination: Address
    dscp: int

    @property
    def way(self) -> tuple[object, ...]:
        """By which port, VLAN and next hop the packet goes; two packets with the same may have another priority."""
        return (self.in_port, self.tag.vid if self.tag else None, self.eth_src, self.eth_dst)


@dataclass(frozen=True, slots=True)
class ObservedPacket:
    """One RTP packet as the switch saw it come in: from a leg, or from Asterisk.

    `size` is its UDP payload in bytes, `head` the first four bytes of its RTP payload: all of a telephone-event (RFC 4733 2.3).
    """

    headers: Headers
    ttl: int
    size: int
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    head: bytes = b""

    def follows(self, earlier: "ObservedPacket") -> bool:
        """Return whether this is a later packet of the same stream, by the same way."""
        if (self.ssrc, self.payload_type) != (earlier.ssrc, earlier.payload_type):
            return False
        return self.headers == earlier.headers and signed(self.sequence - earlier.sequence, bits=16) > 0


@dataclass(frozen=True, slots=True)
class Attachment:
    """One end of a path: how the leg's packets come to Asterisk (`sent`), and how Asterisk's go to the leg (`received`).

    The two need not mirror each other: there may be two routers, a virtual gateway MAC, another mark or priority.
    `least` is the size of the leg's smallest audio, in bytes of UDP payload; what is smaller goes to Asterisk. 0: all
    that the leg sends is forwarded.
    """

    sent: Headers
    received: Headers
    least: int = 0

    @property
    def remote(self) -> Address:
        """Where the leg sends from."""
        return self.sent.source

    @property
    def local(self) -> Address:
        """Where the leg sends to: Asterisk's address and port for it."""
        return self.sent.destination


@dataclass(frozen=True, slots=True)
class MediaPath:
    """The attachments of both legs: all that forwarding needs."""

    caller: Attachment
    callee: Attachment

    def attachment(self, leg: Leg) -> Attachment:
        """Return the attachment of a leg."""
        return self.caller if leg is Leg.CALLER else self.callee


def parse_observed_packet(in_port: SwitchPort, frame: bytes) -> ObservedPacket:
    """Parse a frame that the switch received on a port as an RTP packet.

    Raises:
        BadPacketError: the frame is not UDP with RTP in it; the text names the layer and the cause.

    """
    return observed_packet(in_port, parse_udp(frame))


def observed_packet(in_port: SwitchPort, datagram: Datagram) -> ObservedPacket:
    """Parse a datagram that the switch received on a port as an RTP packet; raises as `parse_rtp`."""
    header = parse_rtp(datagram.payload)
    return ObservedPacket(
        headers=headers_of(in_port, datagram),
        ttl=datagram.ttl,
        size=datagram.size,
        payload_type=header.payload_type,
        sequence=header.sequence,
        timestamp=header.timestamp,
        ssrc=header.ssrc,
        head=datagram.payload[header.size : header.size + _HEAD],
    )


def headers_of(in_port: SwitchPort, datagram: Datagram) -> Headers:
    """Return the headers of a datagram that the switch received on a port."""
    return Headers(
        in_port=in_port,
        tag=datagram.tag,
        eth_src=datagram.eth_src,
        eth_dst=datagram.eth_dst,
        source=datagram.source,
        destination=datagram.destination,
        dscp=datagram.dscp,
    )
