"""The two legs of a call, and the path of media between them."""

from dataclasses import dataclass
from enum import StrEnum

from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import parse_udp
from stasis_offload.packets.rtp import parse_rtp


class Leg(StrEnum):
    """The two legs of a call: the channel that entered Stasis(), and the channel it was connected to."""

    CALLER = "caller"
    CALLEE = "callee"

    @property
    def other(self) -> "Leg":
        """The leg at the far end of the call."""
        return Leg.CALLEE if self is Leg.CALLER else Leg.CALLER


@dataclass(frozen=True, slots=True)
class ObservedPacket:
    """One RTP packet of a leg as the switch received it.

    `in_port` is the switch's port number, `vlan` the 802.1Q VID or None when untagged. `remote_mac` is the source MAC,
    that of the next hop, to which packets for this leg must go; `local_mac` is the destination MAC, that of Asterisk,
    from which they must come.
    """

    in_port: int
    vlan: int | None
    remote_mac: str
    local_mac: str
    source: Address
    destination: Address
    ttl: int
    payload_type: int
    sequence: int
    ssrc: int


@dataclass(frozen=True, slots=True)
class Attachment:
    """Where and how one leg is reached; Asterisk's end of it is `local`."""

    in_port: int
    vlan: int | None
    remote_mac: str
    local_mac: str
    remote: Address
    local: Address

    @classmethod
    def of(cls, packet: ObservedPacket) -> "Attachment":
        """Return the attachment of the leg that sent a packet."""
        return cls(
            in_port=packet.in_port,
            vlan=packet.vlan,
            remote_mac=packet.remote_mac,
            local_mac=packet.local_mac,
            remote=packet.source,
            local=packet.destination,
        )


@dataclass(frozen=True, slots=True)
class MediaPath:
    """The attachments of both legs: all that forwarding needs."""

    caller: Attachment
    callee: Attachment

    def attachment(self, leg: Leg) -> Attachment:
        """Return the attachment of a leg."""
        return self.caller if leg is Leg.CALLER else self.callee


def parse_observed_packet(in_port: int, frame: bytes) -> ObservedPacket:
    """Parse a frame that the switch received on a port as an RTP packet.

    Raises:
        BadPacketError: the frame is not UDP with RTP in it; the text names the layer and the cause.

    """
    datagram = parse_udp(frame)
    header = parse_rtp(datagram.payload)
    return ObservedPacket(
        in_port=in_port,
        vlan=datagram.vlan,
        remote_mac=datagram.eth_src,
        local_mac=datagram.eth_dst,
        source=datagram.source,
        destination=datagram.destination,
        ttl=datagram.ttl,
        payload_type=header.payload_type,
        sequence=header.sequence,
        ssrc=header.ssrc,
    )
