"""An Ethernet frame is read down to its UDP datagram or refused; nothing in between is guessed.

A frame may be cut short anywhere after its UDP header: of what it copies, a switch sends only the first bytes.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from struct import Struct

from stasis_offload.errors import BadPacketError
from stasis_offload.media import Address, IPAddress

_ETHERNET = Struct("!6s6sH")
_VLAN_TAG = Struct("!HH")
_IPV4 = Struct("!BBHHHBBH4s4s")
_IPV6 = Struct("!IHBB16s16s")
_UDP = Struct("!HHHH")

_ETH_IPV4 = 0x0800
_ETH_IPV6 = 0x86DD
_ETH_VLAN = 0x8100
_VID_MASK = 0x0FFF
_PROTOCOL_UDP = 17
_FRAGMENT_MASK = 0x3FFF  # "more fragments" and the offset, without "don't fragment" (RFC 791 3.1)


@dataclass(frozen=True, slots=True)
class Datagram:
    """One UDP datagram as it was on the wire.

    `vlan` is the 802.1Q VID, None when untagged; `ttl` the IPv4 TTL or the IPv6 hop limit. `payload` comes
    without Ethernet's padding, and is shorter than `size` (what was sent, in bytes) when the frame was cut.
    """

    eth_src: str
    eth_dst: str
    vlan: int | None
    source: Address
    destination: Address
    ttl: int
    size: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class _Packet:
    source: IPAddress
    destination: IPAddress
    ttl: int
    size: int
    payload: bytes


def parse_udp(frame: bytes) -> Datagram:
    """Read an Ethernet II frame with UDP over IPv4 or IPv6 and at most one 802.1Q tag.

    Checksums are not verified: where a host captures, its network card has yet to fill them in.

    Raises:
        BadPacketError: a header is cut short, lengths contradict each other, or it is something else: another
            protocol, a second tag, a fragment, an IPv6 extension header.

    """
    check_size(frame, _ETHERNET, "Ethernet header")
    eth_dst, eth_src, ether_type = _ETHERNET.unpack_from(frame)
    rest, vlan = frame[_ETHERNET.size :], None
    if ether_type == _ETH_VLAN:
        check_size(rest, _VLAN_TAG, "802.1Q tag")
        tag, ether_type = _VLAN_TAG.unpack_from(rest)
        rest, vlan = rest[_VLAN_TAG.size :], tag & _VID_MASK
    if ether_type == _ETH_IPV4:
        packet = _parse_ipv4(rest)
    elif ether_type == _ETH_IPV6:
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
        vlan=vlan,
        source=Address(host=packet.source, port=source_port),
        destination=Address(host=packet.destination, port=destination_port),
        ttl=packet.ttl,
        size=length - _UDP.size,
        payload=packet.payload[_UDP.size : length],
    )


def _parse_ipv4(data: bytes) -> _Packet:
    check_size(data, _IPV4, "IPv4 header")
    first, _, total, _, fragment, ttl, protocol, _, source, destination = _IPV4.unpack_from(data)
    header = (first & 0x0F) * 4
    if first >> 4 != 4 or not _IPV4.size <= header <= total:  # noqa: PLR2004 - the IP version itself
        raise BadPacketError(f"not an IPv4 header: first byte 0x{first:02x}, total length {total}")
    if fragment & _FRAGMENT_MASK:
        raise BadPacketError("a fragment of an IPv4 packet")
    if protocol != _PROTOCOL_UDP:
        raise BadPacketError(f"IP protocol {protocol} is not UDP")
    return _Packet(
        source=IPv4Address(source),
        destination=IPv4Address(destination),
        ttl=ttl,
        size=total - header,
        payload=data[header:total],
    )


def _parse_ipv6(data: bytes) -> _Packet:
    check_size(data, _IPV6, "IPv6 header")
    first, size, next_header, hop_limit, source, destination = _IPV6.unpack_from(data)
    if first >> 28 != 6:  # noqa: PLR2004 - the IP version itself
        raise BadPacketError(f"not an IPv6 header: first word 0x{first:08x}")
    if next_header != _PROTOCOL_UDP:
        raise BadPacketError(f"IPv6 next header {next_header} is not UDP")
    return _Packet(
        source=IPv6Address(source),
        destination=IPv6Address(destination),
        ttl=hop_limit,
        size=size,
        payload=data[_IPV6.size : _IPV6.size + size],
    )


def check_size(data: bytes, layout: Struct, what: str) -> None:
    """Raise BadPacketError, naming what is cut short, unless the data begins with a whole `layout`."""
    if len(data) < layout.size:
        raise BadPacketError(f"{what} cut short: {len(data)} of {layout.size} bytes")
