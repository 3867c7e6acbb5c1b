"""Header fields and registers in the encoding of OpenFlow 1.3 (OXM, 7.2.3): to match them, and to write them."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from struct import Struct

from stasis_offload.openflow import ofp
from stasis_offload.openflow.flow import Match
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import ETH_IPV4, ETH_IPV6, PROTOCOL_UDP


class Field:
    """A header field, by its OXM number and its size in bytes (OpenFlow 1.3.5, 7.2.3.7).

    `kind` is its class and its number, in one (oxm_type, 7.2.3.2).
    """

    def __init__(self, number: int, size: int, *, oxm_class: int = ofp.OFPXMC_OPENFLOW_BASIC) -> None:
        self.header = self._oxm = Struct("!HBB").pack(oxm_class, number << 1, size)
        self._masked = Struct("!HBB").pack(oxm_class, number << 1 | 1, 2 * size)
        length = 4 + len(self._oxm) + size
        self._padding = bytes(-length % 8)
        self.kind = oxm_class << 7 | number
        self._set = Struct("!HH").pack(ofp.OFPAT_SET_FIELD, length + -length % 8) + self._oxm

    def matched(self, value: bytes) -> bytes:
        """Return the bytes that match a value."""
        return self._oxm + value

    def matched_under(self, mask: bytes, value: bytes) -> bytes:
        """Return the bytes that match the bits of a value where the mask is set."""
        return self._masked + value + mask

    def set(self, value: bytes) -> bytes:
        """Return the action that writes a value into the packet (7.2.5)."""
        return self._set + value + self._padding


IN_PORT = Field(ofp.OFPXMT_OFB_IN_PORT, 4)
ETH_DST = Field(ofp.OFPXMT_OFB_ETH_DST, 6)
ETH_SRC = Field(ofp.OFPXMT_OFB_ETH_SRC, 6)
ETH_TYPE = Field(ofp.OFPXMT_OFB_ETH_TYPE, 2)
VLAN_VID = Field(ofp.OFPXMT_OFB_VLAN_VID, 2)
VLAN_PCP = Field(ofp.OFPXMT_OFB_VLAN_PCP, 1)
IP_DSCP = Field(ofp.OFPXMT_OFB_IP_DSCP, 1)
IP_PROTO = Field(ofp.OFPXMT_OFB_IP_PROTO, 1)
UDP = IP_PROTO.matched(bytes((PROTOCOL_UDP,)))
UDP_SRC = Field(ofp.OFPXMT_OFB_UDP_SRC, 2)
UDP_DST = Field(ofp.OFPXMT_OFB_UDP_DST, 2)
# The field of OpenFlow 1.3 cannot be set. This one has the 16-bit numbers of OpenFlow 1.0, the low half of those of 1.3
# (ofputil_port_to_ofp11 in lib/ofp-port.c).
NX_IN_PORT_FIELD = Field(0, 2, oxm_class=ofp.OFPXMC_NXM_0)
# A register of Open vSwitch, 0 for every packet at first (NXM_NX_REG15 in include/openvswitch/meta-flow.h).
REG15 = Field(15, 4, oxm_class=ofp.OFPXMC_NXM_1)


@dataclass(frozen=True, slots=True)
class Family:
    """The differences between IPv4 and IPv6: the match for it, and the address fields."""

    ethernet: bytes
    source: Field
    destination: Field


def _family(ether_type: int, source: Field, destination: Field) -> Family:
    ethernet = ETH_TYPE.matched(ether_type.to_bytes(2, "big"))
    return Family(ethernet=ethernet, source=source, destination=destination)


IPV4 = _family(ETH_IPV4, Field(ofp.OFPXMT_OFB_IPV4_SRC, 4), Field(ofp.OFPXMT_OFB_IPV4_DST, 4))
IPV6 = _family(ETH_IPV6, Field(ofp.OFPXMT_OFB_IPV6_SRC, 16), Field(ofp.OFPXMT_OFB_IPV6_DST, 16))

# The bit of the register that has what a `Split` found, of whatever instance: the next to ask writes it anew. Those below
# are the instances' own (instance.py).
LARGER_BIT = 16


def match_fields(match: Match) -> Iterator[bytes]:
    """Yield the fields, each after those it depends on (OpenFlow 1.3.5, 7.2.3.6), in the order of Open vSwitch's answers.

    So what it says of a flow can be compared with this (nx_put_raw in lib/nx-match.c).
    """
    source, destination = match.source, match.destination
    family = family_of(destination)
    if match.in_port is not None:
        yield IN_PORT.matched(match.in_port.to_bytes(4, "big"))
        if match.eth_src is not None:
            yield ETH_SRC.matched(mac_bytes(match.eth_src))
    yield family.ethernet
    if match.in_port is not None:
        vid = ofp.OFPVID_NONE if match.vlan is None else ofp.OFPVID_PRESENT | match.vlan
        yield VLAN_VID.matched(vid.to_bytes(2, "big"))
    if source is not None:
        yield family.source.matched(source.host.packed)
    yield family.destination.matched(destination.host.packed)
    yield UDP
    if source is not None and source.port:
        yield UDP_SRC.matched(source.port.to_bytes(2, "big"))
    if destination.port:
        yield UDP_DST.matched(destination.port.to_bytes(2, "big"))
    if match.larger is not None:
        yield REG15.matched_under(mark(LARGER_BIT), mark(LARGER_BIT) if match.larger else bytes(4))


def without_mark(bit: int) -> bytes:
    """Return the field that matches a packet whose register has not got this bit."""
    return REG15.matched_under(mark(bit), bytes(4))


def mark(bit: int) -> bytes:
    """Return the register with this bit."""
    return (1 << bit).to_bytes(4, "big")


def family_of(address: Address) -> Family:
    """Return IPV4 or IPV6."""
    return IPV4 if isinstance(address.host, IPv4Address) else IPV6


def mac_bytes(text: str) -> bytes:
    """Return the six bytes of a MAC address with colons."""
    return bytes.fromhex(text.replace(":", ""))
