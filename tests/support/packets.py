"""A call's packets as they are on the wire, with right checksums: what a leg sends, and what it must get."""

import struct
from dataclasses import replace
from ipaddress import IPv4Address

from stasis_offload.media.path import Attachment, MediaPath
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Datagram

UDP = 17

CALLER = Attachment(
    in_port=1,
    vlan=None,
    remote_mac="02:00:00:00:00:0a",
    local_mac="02:00:00:00:00:01",
    remote=Address.parse("198.18.0.10:4000"),
    local=Address.parse("198.18.0.1:10000"),
)
CALLEE = Attachment(
    in_port=2,
    vlan=None,
    remote_mac="02:00:00:00:00:0b",
    local_mac="02:00:00:00:00:02",
    remote=Address.parse("198.18.1.20:5000"),
    local=Address.parse("198.18.1.1:10002"),
)
PATH = MediaPath(caller=CALLER, callee=CALLEE)


def sent_by(attachment: Attachment, *, sequence: int = 1) -> Datagram:
    """Return an RTP packet as a leg sends it to Asterisk."""
    payload = rtp(sequence=sequence)
    return Datagram(
        eth_src=attachment.remote_mac,
        eth_dst=attachment.local_mac,
        vlan=attachment.vlan,
        source=attachment.remote,
        destination=attachment.local,
        ttl=64,
        size=len(payload),
        payload=payload,
    )


def sent_to(attachment: Attachment, packet: Datagram) -> Datagram:
    """Return a packet of one leg as the other has to get it: as from Asterisk, one hop older."""
    return replace(
        packet,
        eth_src=attachment.local_mac,
        eth_dst=attachment.remote_mac,
        vlan=attachment.vlan,
        source=attachment.local,
        destination=attachment.remote,
        ttl=packet.ttl - 1,
    )


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
    checksum = _sum(_pseudo(source, destination, len(segment)) + segment) or 0xFFFF
    segment = segment[:6] + checksum.to_bytes(2, "big") + segment[8:]
    if isinstance(source.host, IPv4Address):
        ether_type = 0x0800
        packet = _ipv4(datagram, 20 + len(segment)) + segment
    else:
        ether_type = 0x86DD
        fixed = struct.pack("!IHBB", 6 << 28, len(segment), UDP, datagram.ttl)
        packet = fixed + source.host.packed + destination.host.packed + segment
    tag = b"" if datagram.vlan is None else struct.pack("!HH", 0x8100, datagram.vlan)
    macs = bytes.fromhex((datagram.eth_dst + datagram.eth_src).replace(":", ""))
    return macs + tag + ether_type.to_bytes(2, "big") + packet


def _ipv4(datagram: Datagram, total: int) -> bytes:
    addresses = datagram.source.host.packed + datagram.destination.host.packed
    header = struct.pack("!BBHHHBBH", 0x45, 0, total, 7, 0x4000, datagram.ttl, UDP, 0) + addresses
    return header[:10] + _sum(header).to_bytes(2, "big") + header[12:]


def _pseudo(source: Address, destination: Address, length: int) -> bytes:
    return source.host.packed + destination.host.packed + struct.pack("!II", length, UDP)


def _sum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
