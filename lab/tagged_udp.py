"""UDP in frames with a VLAN tag, or a priority tag (VID 0, IEEE 802.1Q 9.6), which this kernel's own sockets do not send.

For lab/rtp_talker.py, in the container of the edge; standard library only, IPv4 only.
"""

import socket
import struct
from pathlib import Path

_DEVICE = "eth0"
_ETH_VLAN, _ETH_IPV4, _PROTOCOL_UDP = 0x8100, 0x0800, 17
_PCP_SHIFT = 13
_DONT_FRAGMENT, _TTL = 0x4000, 64

_ETHERNET = struct.Struct("!6s6sHHH")
_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_UDP = struct.Struct("!HHHH")


class TaggedSender:
    """Sends datagrams as a socket that is bound to an address would, each in a frame with a tag."""

    def __init__(self, bound: socket.socket, pcp: int, *, vid: int = 0) -> None:
        self._host, self._port = bound.getsockname()[:2]
        self._control = pcp << _PCP_SHIFT | vid
        self._mac = _mac(Path(f"/sys/class/net/{_DEVICE}/address").read_text(encoding="ascii"))
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._socket.bind((_DEVICE, 0))

    def sendto(self, payload: bytes, to: tuple[str, int]) -> None:
        """Send a datagram to a host of the same network or VLAN."""
        host, port = to
        hosts = socket.inet_aton(self._host) + socket.inet_aton(host)
        length = _UDP.size + len(payload)
        # UDP over IPv4 may have no checksum (RFC 768); IPv4's own header must.
        header = _ipv4(length, hosts, 0)
        packet = _ipv4(length, hosts, _checksum(header)) + _UDP.pack(self._port, port, length, 0) + payload
        ethernet = _ETHERNET.pack(_neighbour(host), self._mac, _ETH_VLAN, self._control, _ETH_IPV4)
        self._socket.send(ethernet + packet)

    def close(self) -> None:
        """Close the socket that sends the frames."""
        self._socket.close()


def _ipv4(length: int, hosts: bytes, checksum: int) -> bytes:
    total = _IPV4.size + length
    return _IPV4.pack(0x45, 0, total, 0, _DONT_FRAGMENT, _TTL, _PROTOCOL_UDP, checksum, hosts[:4], hosts[4:])


def _checksum(header: bytes) -> int:
    total: int = sum(word for (word,) in struct.iter_unpack("!H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def _neighbour(host: str) -> bytes:
    """Look up the MAC of a host that is known: something has been sent to it before."""
    for row in Path("/proc/net/arp").read_text(encoding="ascii").splitlines()[1:]:
        address, _, _, mac, *_ = row.split()
        if address == host:
            return _mac(mac)
    raise OSError(f"no neighbour {host}")


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.strip().replace(":", ""))
