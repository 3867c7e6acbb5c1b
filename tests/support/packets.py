"""A call's packets as they are on the wire, with right checksums: what a leg sends, and what it must get."""

import struct
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from stasis_offload.media.path import Attachment, Headers, MediaPath, SwitchPort
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Datagram, Tag

UDP = 17

# Asterisk is at port 3 of the switch.
ASTERISK = 3


def at(number: int, *, switch: int = 0) -> SwitchPort:
    """Return a port of a switch, the only one if nothing else is said."""
    return SwitchPort(switch, number)


def attachment(in_port: int, number: int, *, remote: str, local: str, tag: Tag | None = None) -> Attachment:
    """Return how a leg is attached whose packets come and go by one router; the last byte of its MAC is `number`."""
    phone, asterisk = f"02:00:00:00:00:{number:02x}", "02:00:00:00:00:01"
    there, here = Address.parse(remote), Address.parse(local)
    return Attachment(
        sent=Headers(
            in_port=at(in_port),
            tag=tag,
            eth_src=phone,
            eth_dst=asterisk,
            source=there,
            destination=here,
            dscp=0,
        ),
        received=Headers(
            in_port=at(ASTERISK),
            tag=tag,
            eth_src=asterisk,
            eth_dst=phone,
            source=here,
            destination=there,
            dscp=0,
        ),
    )


CALLER = attachment(1, 0x0A, remote="198.18.0.10:4000", local="198.18.0.1:10000")
CALLEE = attachment(2, 0x0B, remote="198.18.1.20:5000", local="198.18.1.1:10002")
PATH = MediaPath(caller=CALLER, callee=CALLEE)
SIX = MediaPath(
    caller=attachment(1, 0x0A, remote="[2001:db8::a]:4000", local="[2001:db8::1]:10000"),
    callee=attachment(2, 0x0B, remote="[2001:db8:1::b]:5000", local="[2001:db8:1::1]:10002"),
)


def with_tags(path: MediaPath, caller: Tag | None, callee: Tag | None) -> MediaPath:
    """Return the path with each leg in a VLAN, both ways."""
    return MediaPath(caller=_tagged(path.caller, caller), callee=_tagged(path.callee, callee))


def split(path: MediaPath) -> MediaPath:
    """Return the path with what is smaller than `sent_by` makes it left to Asterisk."""
    return MediaPath(
        caller=replace(path.caller, least=len(rtp())), callee=replace(path.callee, least=len(rtp()))
    )


def _tagged(leg: Attachment, tag: Tag | None) -> Attachment:
    return replace(leg, sent=replace(leg.sent, tag=tag), received=replace(leg.received, tag=tag))


def by_one_router(path: MediaPath) -> MediaPath:
    """Return the path with the callee behind the router of the caller."""
    caller, callee = path.caller, path.callee
    return MediaPath(
        caller=caller,
        callee=Attachment(
            sent=replace(callee.sent, in_port=caller.sent.in_port, eth_src=caller.sent.eth_src),
            received=replace(callee.received, eth_dst=caller.sent.eth_src),
        ),
    )


def sent_by(leg: Attachment, *, sequence: int = 1) -> Datagram:
    """Return an RTP packet as a leg sends it to Asterisk."""
    payload = rtp(sequence=sequence)
    return Datagram(**_fields(leg.sent), ttl=64, size=len(payload), payload=payload)


def sent_to(leg: Attachment, packet: Datagram) -> Datagram:
    """Return a packet of one leg as the other has to get it: as from Asterisk, one hop older."""
    return replace(packet, **_fields(leg.received), ttl=packet.ttl - 1)


def _fields(headers: Headers) -> dict[str, Any]:
    return {
        name: getattr(headers, name)
        for name in ("tag", "dscp", "eth_src", "eth_dst", "source", "destination")
    }


def rtp(
    *, sequence: int = 1, payload_type: int = 0, ssrc: int = 0x1234, payload: bytes = bytes(160)
) -> bytes:
    return struct.pack("!BBHII", 0x80, payload_type, sequence, 160 * sequence, ssrc) + payload


def frame(datagram: Datagram) -> bytes:
    """Put a datagram on the wire; `size` is ignored, it is what `payload` makes it."""
    source, destination = datagram.source, datagram.destination
    segment = (
        struct.pack("!HHHH", source.port, destination.port, 8 + len(datagram.payload), 0) + datagram.payload
    )
    checksum = internet_checksum(_pseudo(source, destination, len(segment)) + segment) or 0xFFFF
    segment = segment[:6] + checksum.to_bytes(2, "big") + segment[8:]
    if isinstance(source.host, IPv4Address):
        ether_type = 0x0800
        packet = _ipv4(datagram, 20 + len(segment)) + segment
    else:
        ether_type = 0x86DD
        fixed = struct.pack("!IHBB", 6 << 28 | datagram.dscp << 22, len(segment), UDP, datagram.ttl)
        packet = fixed + source.host.packed + destination.host.packed + segment
    tag = (
        b"" if datagram.tag is None else struct.pack("!HH", 0x8100, datagram.tag.pcp << 13 | datagram.tag.vid)
    )
    macs = bytes.fromhex((datagram.eth_dst + datagram.eth_src).replace(":", ""))
    return macs + tag + ether_type.to_bytes(2, "big") + packet


def _ipv4(datagram: Datagram, total: int) -> bytes:
    addresses = datagram.source.host.packed + datagram.destination.host.packed
    header = (
        struct.pack("!BBHHHBBH", 0x45, datagram.dscp << 2, total, 7, 0x4000, datagram.ttl, UDP, 0) + addresses
    )
    return header[:10] + internet_checksum(header).to_bytes(2, "big") + header[12:]


def _pseudo(source: Address, destination: Address, length: int) -> bytes:
    return source.host.packed + destination.host.packed + struct.pack("!II", length, UDP)


def internet_checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
