"""Parses Ethernet frames down to the UDP datagram, and builds them. A frame that is anything else is an error.

A frame may be truncated anywhere after its UDP header: a switch sends only the first bytes of a packet that it copies.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from struct import Struct

from stasis_offload.errors import BadPacketError
from stasis_offload.packets.address import Address, IPAddress

_ETHERNET = Struct("!6s6sH")
_VLAN_TAG = Struct("!HH")
_IPV4 = Struct("!BBHHHBBH4s4s")
_IPV6 = Struct("!IHBB16s16s")
_UDP = Struct("!HHHH")
_PSEUDO = Struct("!II")  # after the addresses: length and next header (RFC 8200 8.1; the same sum in IPv4)

ETH_IPV4 = 0x0800
ETH_IPV6 = 0x86DD
ETH_VLAN = 0x8100
_VID_MASK = 0x0FFF
_PCP_SHIFT = 13  # priority, 3 bits, above the drop eligible indicator (IEEE 802.1Q 9.6)
_DSCP_SHIFT = 2  # above ECN (RFC 3168 5)
PROTOCOL_UDP = 17
_MAX_PAYLOAD = 0xFFFF - _IPV4.size - _UDP.size
_DONT_FRAGMENT = 0x4000
_FRAGMENT_MASK = 0x3FFF  # "more fragments" and the offset, without "don't fragment" (RFC 791 3.1)


@dataclass(frozen=True, slots=True)
class Tag:
    """An 802.1Q tag: the VLAN, 0 for a tag that carries a priority alone, and the priority (PCP), 0 to 7."""

    vid: int
    pcp: int = 0


@dataclass(frozen=True, slots=True)
class Datagram:
    """One UDP datagram as on the wire.

    `tag` is None when untagged; `ttl` is the IPv4 TTL or the IPv6 hop limit; `dscp` is 0 to 63. `payload` excludes
    Ethernet padding. It is shorter than `size`, the number of payload bytes sent, if the frame was truncated.
    """

    eth_src: str
    eth_dst: str
    tag: Tag | None
    source: Address
    destination: Address
    ttl: int
    size: int
    payload: bytes
    dscp: int = 0


@dataclass(frozen=True, slots=True)
class _Packet:
    source: IPAddress
    destination: IPAddress
    ttl: int
    size: int
    payload: bytes
    dscp: int


def parse_udp(frame: bytes) -> Datagram:
    """Parse an Ethernet II frame with UDP over IPv4 or IPv6 and at most one 802.1Q tag.

    Checksums are not verified: a host captures its own packets before the network card has filled them in.

    Raises:
        BadPacketError: a header is truncated, lengths contradict each other, or the frame holds something else:
            another protocol, a second tag, a fragment, an IPv6 extension header.

    """
    check_size(frame, _ETHERNET, "Ethernet header")
    eth_dst, eth_src, ether_type = _ETHERNET.unpack_from(frame)
    tag, rest = None, frame[_ETHERNET.size :]
    if ether_type == ETH_VLAN:
        check_size(rest, _VLAN_TAG, "802.1Q tag")
        control, ether_type = _VLAN_TAG.unpack_from(rest)
        tag, rest = Tag(vid=control & _VID_MASK, pcp=control >> _PCP_SHIFT), rest[_VLAN_TAG.size :]
    if ether_type == ETH_IPV4:
        packet = _parse_ipv4(rest)
    elif ether_type == ETH_IPV6:
        packet = _parse_ipv6(rest)
    else:
        raise BadPacketError(f"EtherType 0x{ether_type:04x} is neither IPv4 nor IPv6")
    check_size(packet.payload, _UDP, "UDP header")
    source_port, destination_port, length, _ = _UDP.unpack_from(packet.payload)
    if not _UDP.size <= length <= packet.size:
        raise BadPacketError(f"UDP length {length} in {packet.size} bytes of IP payload")
    return Datagram(
        eth_src=eth_src.hex(":"),
        eth_dst=eth_dst.hex(":"),
        tag=tag,
        source=Address(host=packet.source, port=source_port),
        destination=Address(host=packet.destination, port=destination_port),
        ttl=packet.ttl,
        size=length - _UDP.size,
        payload=packet.payload[_UDP.size : length],
        dscp=packet.dscp,
    )


def build_udp(datagram: Datagram) -> bytes:
    """Build the Ethernet II frame of a datagram, with checksums; `parse_udp` is the inverse.

    An IPv4 packet has "don't fragment" set, so its identification is 0 (RFC 6864 4.1).
    The egress port pads frames to Ethernet's minimum of 60 bytes.

    Raises:
        ValueError: the addresses are of two families, or the payload is truncated or longer than UDP can carry.

    """
    source, destination, payload = datagram.source, datagram.destination, datagram.payload
    if source.host.version != destination.host.version:
        raise ValueError(f"{source} and {destination} are of two address families")
    if not len(payload) == datagram.size <= _MAX_PAYLOAD:
        raise ValueError(f"{len(payload)} bytes of payload for a datagram of {datagram.size}")
    hosts = source.host.packed + destination.host.packed
    ports = source.port, destination.port, _UDP.size + len(payload)
    pseudo = hosts + _PSEUDO.pack(_UDP.size + len(payload), PROTOCOL_UDP)
    # 0 means "no checksum", so a sum of 0 is sent as 0xFFFF (RFC 768).
    checksum = _checksum(pseudo + _UDP.pack(*ports, 0) + payload) or 0xFFFF
    segment = _UDP.pack(*ports, checksum) + payload
    if isinstance(source.host, IPv4Address):
        ether_type, packet = ETH_IPV4, _ipv4_header(datagram) + segment
    else:
        before = 6 << 28 | datagram.dscp << 20 + _DSCP_SHIFT, len(segment), PROTOCOL_UDP, datagram.ttl
        ether_type, packet = ETH_IPV6, _IPV6.pack(*before, hosts[:16], hosts[16:]) + segment
    macs = _mac(datagram.eth_dst), _mac(datagram.eth_src)
    if datagram.tag is None:
        return _ETHERNET.pack(*macs, ether_type) + packet
    control = datagram.tag.pcp << _PCP_SHIFT | datagram.tag.vid
    return _ETHERNET.pack(*macs, ETH_VLAN) + _VLAN_TAG.pack(control, ether_type) + packet


def _parse_ipv4(data: bytes) -> _Packet:
    check_size(data, _IPV4, "IPv4 header")
    first, traffic_class, total, _, fragment, ttl, protocol, _, source, destination = _IPV4.unpack_from(data)
    header = (first & 0x0F) * 4
    if first >> 4 != 4 or not _IPV4.size <= header <= total:  # noqa: PLR2004 - the IP version itself
        raise BadPacketError(f"not an IPv4 header: first byte 0x{first:02x}, total length {total}")
    if fragment & _FRAGMENT_MASK:
        raise BadPacketError("a fragment of an IPv4 packet")
    if protocol != PROTOCOL_UDP:
        raise BadPacketError(f"IP protocol {protocol} is not UDP")
    return _Packet(
        source=IPv4Address(source),
        destination=IPv4Address(destination),
        ttl=ttl,
        size=total - header,
        payload=data[header:total],
        dscp=traffic_class >> _DSCP_SHIFT,
    )


def _parse_ipv6(data: bytes) -> _Packet:
    check_size(data, _IPV6, "IPv6 header")
    first, size, next_header, hop_limit, source, destination = _IPV6.unpack_from(data)
    if first >> 28 != 6:  # noqa: PLR2004 - the IP version itself
        raise BadPacketError(f"not an IPv6 header: first word 0x{first:08x}")
    if next_header != PROTOCOL_UDP:
        raise BadPacketError(f"IPv6 next header {next_header} is not UDP")
    return _Packet(
        source=IPv6Address(source),
        destination=IPv6Address(destination),
        ttl=hop_limit,
        size=size,
        payload=data[_IPV6.size : _IPV6.size + size],
        dscp=first >> 20 + _DSCP_SHIFT & 0x3F,
    )


def check_size(data: bytes, layout: Struct, what: str) -> None:
    """Raise BadPacketError, naming `what`, unless the data begins with a complete `layout`."""
    if len(data) < layout.size:
        raise BadPacketError(f"{what} cut short: {len(data)} of {layout.size} bytes")


def _ipv4_header(datagram: Datagram) -> bytes:
    hosts = datagram.source.host.packed, datagram.destination.host.packed
    total = _IPV4.size + _UDP.size + datagram.size
    before = 0x45, datagram.dscp << _DSCP_SHIFT, total, 0, _DONT_FRAGMENT, datagram.ttl, PROTOCOL_UDP
    return _IPV4.pack(*before, _checksum(_IPV4.pack(*before, 0, *hosts)), *hosts)


def _checksum(data: bytes) -> int:
    """Return the Internet checksum, the complement of the ones' complement sum of 16-bit words (RFC 1071 1)."""
    number = int.from_bytes(data + bytes(len(data) % 2), "big")
    # 0x10000 is 1 modulo 0xFFFF, so that is the sum; of what is not all zeros it is 0xFFFF and never 0.
    return (number % 0xFFFF or (0xFFFF if number else 0)) ^ 0xFFFF


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
