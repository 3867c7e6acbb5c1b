"""Parses Ethernet frames down to the UDP datagram, and builds them. A frame that is anything else is an error.

A frame may be truncated anywhere after its UDP header: a switch sends only the first bytes of a packet that it copies.
"""

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from struct import Struct

from stasis_offload.errors import BadPacketError
from stasis_offload.packets.address import Address, IPAddress

_ETHERNET = Struct("!6s6sH")
_VLAN_TAG = Struct("!HH")
_IPV4 = Struct("!BBHHHBBH4s4s")
_IPV6 = Struct("!IHBB16s16s")
_UDP = Struct("!HHHH")
# Of both with UDP behind them, what `take_apart` needs.
_IPV4_UDP = Struct("!BxH2xHBB10x4xH2x")
_IPV6_UDP = Struct("!B3xHBB32x4xH2x")
# What `Envelope` puts in: of IPv4 from the total length to the checksum, of IPv6 from the length to the hop limit, of UDP the end.
_IPV4_MIDDLE, _IPV6_MIDDLE, _UDP_END = Struct("!HHHBBH"), Struct("!HBB"), Struct("!HH")
_PSEUDO = Struct("!II")  # after the addresses: length and next header (RFC 8200 8.1; the same sum in IPv4)

ETH_IPV4 = 0x0800
ETH_IPV6 = 0x86DD
ETH_VLAN = 0x8100
_VID_MASK = 0x0FFF
_PCP_SHIFT = 13  # priority, 3 bits, above the drop eligible indicator (IEEE 802.1Q 9.6)
_DSCP_SHIFT = 2  # above ECN (RFC 3168 5)
PROTOCOL_UDP = 17
_TAGGED, _IPV4_NEXT, _IPV6_NEXT = (number.to_bytes(2, "big") for number in (ETH_VLAN, ETH_IPV4, ETH_IPV6))
_PLAIN_IPV4 = 0x45  # without options
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


def take_apart(frame: bytes) -> tuple[bytes, int, bytes] | None:
    """Return the headers of a frame that are the same in all packets of a flow, its TTL, and its payload.

    It takes a tenth of the time of `parse_udp`, which gives equal headers for frames that have the same here. None is
    returned for what only that can judge: frames that are truncated or have IPv4 options, and what is no UDP.
    """
    at = _ETHERNET.size
    ether_type = frame[at - 2 : at]
    if ether_type == _TAGGED:
        at += _VLAN_TAG.size
        ether_type = frame[at - 2 : at]
    if ether_type == _IPV4_NEXT and len(frame) >= at + _IPV4_UDP.size:
        first, total, fragment, ttl, protocol, length = _IPV4_UDP.unpack_from(frame, at)
        most = total - _IPV4.size
        if first != _PLAIN_IPV4 or fragment & _FRAGMENT_MASK:
            return None
        begin, varies, addresses = at + _IPV4.size + _UDP.size, at + 2, at + 12
    elif ether_type == _IPV6_NEXT and len(frame) >= at + _IPV6_UDP.size:
        first, most, protocol, ttl, length = _IPV6_UDP.unpack_from(frame, at)
        if first >> 4 != 6:  # noqa: PLR2004 - the IP version itself
            return None
        begin, varies, addresses = at + _IPV6.size + _UDP.size, at + 4, at + 8
    else:
        return None
    end = begin + length - _UDP.size
    if protocol != PROTOCOL_UDP or not begin <= end <= len(frame) or length > most:
        return None
    return frame[:varies] + frame[addresses : begin - 4], ttl, frame[begin:end]


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


class Envelope:
    """The headers in which many payloads are sent: those of one datagram, but for its TTL. `wrap` builds what `build_udp` would."""

    def __init__(self, of: Datagram) -> None:
        frame = build_udp(replace(of, ttl=0, size=0, payload=b""))
        hosts = of.source.host.packed + of.destination.host.packed
        self._is_ipv4 = isinstance(of.source.host, IPv4Address)
        header = _IPV4.size if self._is_ipv4 else _IPV6.size
        begin = len(frame) - _UDP.size - header
        # What is before the total length, and the addresses with the ports.
        self._before, self._flow = (
            frame[: begin + (2 if self._is_ipv4 else 4)],
            hosts + frame[-_UDP.size : -4],
        )
        # Sums (RFC 1071 1) of what is the same in all of them.
        self._header = int.from_bytes(frame[begin : begin + 10] + hosts, "big") - _IPV4.size - _UDP.size
        self._udp = int.from_bytes(self._flow, "big") + PROTOCOL_UDP

    def wrap(self, payload: bytes, *, ttl: int) -> bytes:
        """Build the frame of a payload of at most 65,507 bytes."""
        size = _UDP.size + len(payload)
        words = int.from_bytes(payload + bytes(len(payload) % 2), "big")
        ends = _UDP_END.pack(size, _complement(self._udp + 2 * size + words) or 0xFFFF)
        if self._is_ipv4:
            total = _IPV4.size + size
            checksum = _complement(self._header + total + (ttl << 8))
            varies = _IPV4_MIDDLE.pack(total, 0, _DONT_FRAGMENT, ttl, PROTOCOL_UDP, checksum)
        else:
            varies = _IPV6_MIDDLE.pack(size, PROTOCOL_UDP, ttl)
        return b"".join((self._before, varies, self._flow, ends, payload))


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
    return _complement(int.from_bytes(data + bytes(len(data) % 2), "big"))


def _complement(number: int) -> int:
    """Return the complement of the ones' complement sum of the 16-bit words of a number, or of the sum of some of them."""
    # 0x10000 is 1 modulo 0xFFFF, so that is the sum; of what is not all zeros it is 0xFFFF and never 0.
    return (number % 0xFFFF or (0xFFFF if number else 0)) ^ 0xFFFF


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
