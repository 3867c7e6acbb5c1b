"""Builders of flow-mod messages.

Written by hand, because cutover waits for them: os_ken takes ten times as long.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from struct import Struct
from typing import assert_never

from os_ken.ofproto import ofproto_v1_3 as ofp

from stasis_offload.errors import OpenFlowError
from stasis_offload.openflow.flow import Action, Drop, Flow, Forward, Match, Mirror
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import ETH_IPV4, ETH_IPV6, ETH_VLAN, PROTOCOL_UDP

_HEADER = Struct(ofp.OFP_HEADER_PACK_STR)
_FLOW_MOD = Struct(ofp.OFP_FLOW_MOD_PACK_STR0 + "HH")  # and the type and length of the match
_FLOW_MOD_SIZE = _HEADER.size + _FLOW_MOD.size
_MATCH_SIZE = 4
_METER = Struct(ofp.OFP_INSTRUCTION_METER_PACK_STR)
_ACTIONS = Struct(ofp.OFP_INSTRUCTION_ACTIONS_PACK_STR)
_OUTPUT = Struct(ofp.OFP_ACTION_OUTPUT_PACK_STR)


@dataclass(frozen=True, slots=True)
class Cookies:
    """The flows whose cookie equals `value` where `mask` is set; without a mask, one of our flows."""

    value: int
    mask: int = 0xFFFF_FFFF_FFFF_FFFF


class _Field:
    """A header field, by its OXM number and its size in bytes (OpenFlow 1.3.5, 7.2.3.7)."""

    def __init__(self, number: int, size: int) -> None:
        self._oxm = Struct("!HBB").pack(ofp.OFPXMC_OPENFLOW_BASIC, number << 1, size)
        length = 4 + len(self._oxm) + size
        self._padding = bytes(-length % 8)
        self._set = Struct("!HH").pack(ofp.OFPAT_SET_FIELD, length + -length % 8) + self._oxm

    def matched(self, value: bytes) -> bytes:
        """Return the bytes that match a value."""
        return self._oxm + value

    def set(self, value: bytes) -> bytes:
        """Return the action that writes a value into the packet (7.2.5)."""
        return self._set + value + self._padding


_IN_PORT = _Field(ofp.OFPXMT_OFB_IN_PORT, 4)
_ETH_DST = _Field(ofp.OFPXMT_OFB_ETH_DST, 6)
_ETH_SRC = _Field(ofp.OFPXMT_OFB_ETH_SRC, 6)
_ETH_TYPE = _Field(ofp.OFPXMT_OFB_ETH_TYPE, 2)
_VLAN_VID = _Field(ofp.OFPXMT_OFB_VLAN_VID, 2)
_IP_PROTO = _Field(ofp.OFPXMT_OFB_IP_PROTO, 1)
_UDP_SRC = _Field(ofp.OFPXMT_OFB_UDP_SRC, 2)
_UDP_DST = _Field(ofp.OFPXMT_OFB_UDP_DST, 2)


@dataclass(frozen=True, slots=True)
class _Family:
    """The differences between IPv4 and IPv6: the match for UDP, and the address fields."""

    udp: bytes
    source: _Field
    destination: _Field


def _family(ether_type: int, source: _Field, destination: _Field) -> _Family:
    udp = _ETH_TYPE.matched(ether_type.to_bytes(2, "big")) + _IP_PROTO.matched(bytes((PROTOCOL_UDP,)))
    return _Family(udp=udp, source=source, destination=destination)


_IPV4 = _family(ETH_IPV4, _Field(ofp.OFPXMT_OFB_IPV4_SRC, 4), _Field(ofp.OFPXMT_OFB_IPV4_DST, 4))
_IPV6 = _family(ETH_IPV6, _Field(ofp.OFPXMT_OFB_IPV6_SRC, 16), _Field(ofp.OFPXMT_OFB_IPV6_DST, 16))


def addition(xid: int, flow: Flow, *, meter: int | None = None) -> bytes:
    """Add a flow, or replace the one with the same match; `meter` is the meter of a flow with a limit.

    Raises:
        OpenFlowError: the flow forwards without matching a port.

    """
    metered = b"" if meter is None else _METER.pack(ofp.OFPIT_METER, _METER.size, meter)
    actions = b"".join(_actions(flow.match, flow.action))
    applied = _ACTIONS.pack(ofp.OFPIT_APPLY_ACTIONS, _ACTIONS.size + len(actions)) if actions else b""
    fields = b"".join(_fields(flow.match))
    size = _MATCH_SIZE + len(fields)
    rest = fields + bytes(-size % 8) + metered + applied + actions
    return (
        _HEADER.pack(ofp.OFP_VERSION, ofp.OFPT_FLOW_MOD, _FLOW_MOD_SIZE + len(rest), xid)
        + _FLOW_MOD.pack(
            flow.cookie,
            0,  # cookie mask: only for modify and delete
            0,  # table
            ofp.OFPFC_ADD,
            flow.idle_timeout,
            flow.hard_timeout,
            flow.priority,
            ofp.OFP_NO_BUFFER,
            ofp.OFPP_ANY,
            ofp.OFPG_ANY,
            ofp.OFPFF_SEND_FLOW_REM if flow.idle_timeout or flow.hard_timeout else 0,
            ofp.OFPMT_OXM,
            size,
        )
        + rest
    )


def removal(xid: int, cookies: Cookies) -> bytes:
    """Remove flows by cookie, whatever they match, from every table."""
    return (
        _HEADER.pack(ofp.OFP_VERSION, ofp.OFPT_FLOW_MOD, _FLOW_MOD_SIZE + 4, xid)
        + _FLOW_MOD.pack(
            cookies.value,
            cookies.mask,
            ofp.OFPTT_ALL,
            ofp.OFPFC_DELETE,
            0,  # idle timeout
            0,  # hard timeout
            0,  # priority
            ofp.OFP_NO_BUFFER,
            ofp.OFPP_ANY,
            ofp.OFPG_ANY,
            0,  # flags
            ofp.OFPMT_OXM,
            _MATCH_SIZE,
        )
        + bytes(4)
    )


def output(port: int, max_len: int = ofp.OFPCML_MAX) -> bytes:
    """Output the packet; `max_len` is how much of it a controller receives."""
    return _OUTPUT.pack(ofp.OFPAT_OUTPUT, _OUTPUT.size, port, max_len)


def _fields(match: Match) -> Iterator[bytes]:
    """Yield the fields, each after those it depends on (OpenFlow 1.3.5, 7.2.3.6)."""
    source, destination = match.source, match.destination
    if match.in_port is not None:
        yield _IN_PORT.matched(match.in_port.to_bytes(4, "big"))
        vid = ofp.OFPVID_NONE if match.vlan is None else ofp.OFPVID_PRESENT | match.vlan
        yield _VLAN_VID.matched(vid.to_bytes(2, "big"))
        if match.eth_src is not None:
            yield _ETH_SRC.matched(_mac(match.eth_src))
    family = _family_of(destination)
    yield family.udp
    if source is not None:
        yield family.source.matched(source.host.packed)
    yield family.destination.matched(destination.host.packed)
    if source is not None and source.port:
        yield _UDP_SRC.matched(source.port.to_bytes(2, "big"))
    if destination.port:
        yield _UDP_DST.matched(destination.port.to_bytes(2, "big"))


def _actions(match: Match, action: Action) -> Iterator[bytes]:
    match action:
        case Mirror(max_len):
            yield _NORMAL
            yield output(ofp.OFPP_CONTROLLER, max_len)
        case Forward():
            if match.in_port is None:
                raise OpenFlowError("a flow that forwards has to match one port: else its VLAN is not known")
            # Before the rewrite: an output sends the packet as it is at that point (7.2.5).
            if action.also_normal:
                yield _NORMAL
            if action.mirror_bytes:
                yield output(ofp.OFPP_CONTROLLER, action.mirror_bytes)
            yield from _retag(match.vlan, action.vlan)
            family = _family_of(action.destination)
            yield _ETH_SRC.set(_mac(action.eth_src))
            yield _ETH_DST.set(_mac(action.eth_dst))
            yield family.source.set(action.source.host.packed)
            yield family.destination.set(action.destination.host.packed)
            yield _UDP_SRC.set(action.source.port.to_bytes(2, "big"))
            yield _UDP_DST.set(action.destination.port.to_bytes(2, "big"))
            yield _DEC_TTL
            yield output(ofp.OFPP_IN_PORT if action.out_port is None else action.out_port)
        case Drop():
            pass  # a packet without an output action is dropped (5.10)
        case _:
            assert_never(action)


def _retag(came: int | None, goes: int | None) -> Iterator[bytes]:
    if came == goes:
        return
    if goes is None:
        yield _POP_VLAN
        return
    if came is None:
        yield _PUSH_VLAN
    yield _VLAN_VID.set((ofp.OFPVID_PRESENT | goes).to_bytes(2, "big"))


def _family_of(address: Address) -> _Family:
    return _IPV4 if isinstance(address.host, IPv4Address) else _IPV6


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


_NORMAL = output(ofp.OFPP_NORMAL)
_DEC_TTL = Struct("!HH4x").pack(ofp.OFPAT_DEC_NW_TTL, 8)
_POP_VLAN = Struct("!HH4x").pack(ofp.OFPAT_POP_VLAN, 8)
_PUSH_VLAN = Struct("!HHH2x").pack(ofp.OFPAT_PUSH_VLAN, 8, ETH_VLAN)
