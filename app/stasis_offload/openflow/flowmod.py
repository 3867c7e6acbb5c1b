"""Builders of flow-mod messages.

Written by hand, because cutover waits for them: os_ken takes ten times as long.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import assert_never

from os_ken.ofproto import ofproto_v1_3 as ofp

from stasis_offload.errors import OpenFlowError
from stasis_offload.openflow.flow import (
    LEASE_TABLE,
    SAMPLE_TABLE,
    SIZE_TABLE,
    TABLE,
    Action,
    Drop,
    Flow,
    Forward,
    Match,
    Mirror,
    Sample,
    Split,
)
from stasis_offload.openflow.oxm import (
    ETH_DST,
    ETH_SRC,
    IP_DSCP,
    IPV4,
    IPV6,
    LARGER_BIT,
    LEASED_BIT,
    NX_IN_PORT_FIELD,
    PASSED_GATE_BIT,
    REG15,
    UDP,
    UDP_DST,
    UDP_SRC,
    VLAN_PCP,
    VLAN_VID,
    family_of,
    mac_bytes,
    mark,
    match_fields,
    without_mark,
)
from stasis_offload.packets.frame import ETH_VLAN, Tag

_HEADER = Struct(ofp.OFP_HEADER_PACK_STR)
_FLOW_MOD = Struct(ofp.OFP_FLOW_MOD_PACK_STR0)
_FLOW_MOD_SIZE = _HEADER.size + _FLOW_MOD.size
_MATCH = Struct("!HH")
_NO_MATCH = _MATCH.pack(ofp.OFPMT_OXM, _MATCH.size) + bytes(4)
_CONTENT = Struct("!BHHHH")
_ACTIONS = Struct(ofp.OFP_INSTRUCTION_ACTIONS_PACK_STR)
_OUTPUT = Struct(ofp.OFP_ACTION_OUTPUT_PACK_STR)


@dataclass(frozen=True, slots=True)
class Cookies:
    """The flows whose cookie equals `value` where `mask` is set; without a mask, one of our flows."""

    value: int
    mask: int = 0xFFFF_FFFF_FFFF_FFFF


ANY = Cookies(0, 0)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A flow as the switch gets it: its fields and actions encoded, its timeouts in seconds, 0 for none."""

    cookie: int
    table: int
    priority: int
    fields: bytes
    actions: bytes
    idle_timeout: int = 0
    hard_timeout: int = 0


def addition(xid: int, flow: Flow) -> bytes:
    """Add a flow, or replace the one with the same match.

    Raises:
        OpenFlowError: the flow forwards without matching a port.

    """
    return _addition(xid, _entry(flow))


def content(flow: Flow) -> bytes:
    """Return what tells a flow from others: as the switch has it, if nobody altered it (`decode.parse_contents`)."""
    entry = _entry(flow)
    flags = _flags(entry)
    return _CONTENT.pack(
        entry.table, entry.priority, entry.idle_timeout, entry.hard_timeout, flags
    ) + _match_and_actions(entry)


def _entry(flow: Flow) -> _Entry:
    return _Entry(
        cookie=flow.cookie,
        table=flow.table,
        priority=flow.priority,
        fields=b"".join(match_fields(flow.match)),
        actions=b"".join(_actions(flow.match, flow.action)),
        idle_timeout=flow.idle_timeout,
        hard_timeout=flow.hard_timeout,
    )


def gate(xid: int, *, cookie: int, priority: int, hard_timeout: int) -> bytes:
    """Add the gate, or add it again: the flows of table 0 that lead UDP to our tables, and what leads the rest back.

    A register marks what has passed the gate: back in table 0, such a packet goes on as if there were no gate. Another
    mark is the lease's; a packet without it goes back at once.

    One flow of LEASE_TABLE takes no packet, and is no other gate's: a switch that restores what it had saved replaces the
    rest, of which it does not tell, and deletes this one, of which it does (`ovs-ofctl replace-flows`).
    """
    own = REG15.matched(((cookie >> 8 | _NEVER) & 0xFFFF_FFFF).to_bytes(4, "big"))
    back = (
        _Entry(
            cookie=cookie, table=TABLE, priority=0xFFFF, fields=without_mark(LEASED_BIT), actions=_OWN_WAY
        ),
        *(
            _Entry(cookie=cookie, table=table, priority=0, fields=b"", actions=_OWN_WAY)
            for table in (TABLE, SIZE_TABLE)
        ),
    )
    there = (
        _Entry(
            cookie=cookie,
            table=0,
            priority=priority,
            fields=family.ethernet + UDP + without_mark(PASSED_GATE_BIT),
            actions=_PASSED_GATE + _resubmit(LEASE_TABLE) + _resubmit(TABLE),
            hard_timeout=hard_timeout,
        )
        for family in (IPV4, IPV6)
    )
    sentinel = _Entry(cookie=cookie, table=LEASE_TABLE, priority=1, fields=own, actions=b"")
    return b"".join(_addition(xid, entry) for entry in (sentinel, *back, *there))


def lease(*, cookie: int, hard_timeout: int) -> bytes:
    """Return the action that adds the flow of LEASE_TABLE, or restarts its timeout; it marks every packet.

    Unlike a flow-mod, an action that learns what is there already changes no table: nothing is translated again
    (ofproto_flow_mod_learn_refresh in ofproto/ofproto.c; struct nx_action_learn in lib/ofp-actions.c).
    """
    return _LEARN.pack(
        ofp.OFPAT_EXPERIMENTER,
        _LEARN.size,
        _NICIRA,
        _NXAST_LEARN,
        0,  # idle timeout
        hard_timeout,
        0,  # priority
        cookie,
        _LEARN_SEND_FLOW_REM,
        LEASE_TABLE,
        0,  # idle and hard timeout once a TCP connection has ended: as before
        0,
        _LEARN_LOAD_VALUE | 1,  # one bit ...
        1,  # ... of this value
        REG15.header,
        LEASED_BIT,
    )


def _addition(xid: int, entry: _Entry) -> bytes:
    rest = _match_and_actions(entry)
    return (
        _HEADER.pack(ofp.OFP_VERSION, ofp.OFPT_FLOW_MOD, _FLOW_MOD_SIZE + len(rest), xid)
        + _FLOW_MOD.pack(
            entry.cookie,
            0,  # cookie mask: only for modify and delete
            entry.table,
            ofp.OFPFC_ADD,
            entry.idle_timeout,
            entry.hard_timeout,
            entry.priority,
            ofp.OFP_NO_BUFFER,
            ofp.OFPP_ANY,
            ofp.OFPG_ANY,
            _flags(entry),
        )
        + rest
    )


def _flags(entry: _Entry) -> int:
    return int(ofp.OFPFF_SEND_FLOW_REM) if entry.table != SAMPLE_TABLE else 0


def _match_and_actions(entry: _Entry) -> bytes:
    actions = entry.actions
    applied = _ACTIONS.pack(ofp.OFPIT_APPLY_ACTIONS, _ACTIONS.size + len(actions)) if actions else b""
    size = _MATCH.size + len(entry.fields)
    return _MATCH.pack(ofp.OFPMT_OXM, size) + entry.fields + bytes(-size % 8) + applied + actions


def removal(xid: int, cookies: Cookies) -> bytes:
    """Remove flows by cookie, whatever they match, from every table."""
    return (
        _HEADER.pack(ofp.OFP_VERSION, ofp.OFPT_FLOW_MOD, _FLOW_MOD_SIZE + len(_NO_MATCH), xid)
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
        )
        + _NO_MATCH
    )


def output(port: int, max_len: int = ofp.OFPCML_MAX) -> bytes:
    """Output the packet; `max_len` is how much of it a controller receives."""
    return _OUTPUT.pack(ofp.OFPAT_OUTPUT, _OUTPUT.size, port, max_len)


def _actions(match: Match, action: Action) -> Iterator[bytes]:
    match action:
        case Mirror(max_len):
            # The other way round OVS counts each copy as an error, though it arrives: a datapath flow that ends with
            # one is taken to drop (datapath_drop_userspace_action_error).
            yield output(ofp.OFPP_CONTROLLER, max_len)
            yield _OWN_WAY
        case Forward():
            if match.in_port is None:
                raise OpenFlowError("a flow that forwards has to match one port: else its VLAN is not known")
            # Before the rewrite: an output sends the packet as it is at that point (7.2.5).
            yield _SAMPLED
            yield from _retag(match.vlan, action.tag)
            family = family_of(action.destination)
            yield ETH_SRC.set(mac_bytes(action.eth_src))
            yield ETH_DST.set(mac_bytes(action.eth_dst))
            yield family.source.set(action.source.host.packed)
            yield family.destination.set(action.destination.host.packed)
            yield UDP_SRC.set(action.source.port.to_bytes(2, "big"))
            yield UDP_DST.set(action.destination.port.to_bytes(2, "big"))
            yield IP_DSCP.set(bytes((action.dscp,)))
            yield _DEC_TTL
            yield NX_IN_PORT_FIELD.set((action.in_port & 0xFFFF).to_bytes(2, "big"))
            yield _OWN_WAY
        case Split(size):
            yield _CHECK_LARGER.pack(
                ofp.OFPAT_EXPERIMENTER,
                _CHECK_LARGER.size,
                _NICIRA,
                _NXAST_CHECK_PKT_LARGER,
                size,
                LARGER_BIT,
                REG15.header,
            )
            yield _BY_SIZE
        case Sample(max_len):
            yield output(ofp.OFPP_CONTROLLER, max_len)
        case Drop(mirror_bytes):
            # Without an output to a port a packet is dropped (5.10). OVS counts one that ends with a copy as an error (above).
            if mirror_bytes:
                yield output(ofp.OFPP_CONTROLLER, mirror_bytes)
        case _:
            assert_never(action)


def _retag(came: int | None, goes: Tag | None) -> Iterator[bytes]:
    if goes is None:
        if came is not None:
            yield _POP_VLAN
        return
    if came is None:
        yield _PUSH_VLAN
    yield VLAN_VID.set((ofp.OFPVID_PRESENT | goes.vid).to_bytes(2, "big"))
    yield VLAN_PCP.set(bytes((goes.pcp,)))


def _resubmit(table: int) -> bytes:
    """Look the packet up in a table, and carry out what is found (NXAST_RESUBMIT_TABLE, lib/ofp-actions.c)."""
    return _RESUBMIT.pack(
        ofp.OFPAT_EXPERIMENTER, _RESUBMIT.size, _NICIRA, _NXAST_RESUBMIT_TABLE, _NX_IN_PORT, table
    )


_NEVER = 1 << 31  # a bit of the register that no packet has
_NICIRA = 0x2320
_NXAST_RESUBMIT_TABLE = 14
_NXAST_CHECK_PKT_LARGER = 49  # the result into one bit of a register (struct nx_action_check_pkt_larger)
_NX_IN_PORT = 0xFFF8  # OFPP_IN_PORT of OpenFlow 1.0: as it came
_NXAST_LEARN = 16
_LEARN_SEND_FLOW_REM = 1
_LEARN_LOAD_VALUE = 1 << 11 | 1 << 13  # NX_LEARN_DST_LOAD, NX_LEARN_SRC_IMMEDIATE
_RESUBMIT = Struct("!HHIHHB3x")
_LEARN = Struct("!HHIHHHHQHBxHH HH4sH6x")
_CHECK_LARGER = Struct("!HHIHHH4s6x")

_PASSED_GATE = REG15.set(mark(PASSED_GATE_BIT))
_OWN_WAY = _resubmit(0)
_BY_SIZE = _resubmit(SIZE_TABLE)
_SAMPLED = _resubmit(SAMPLE_TABLE)  # finds nothing, usually, and then does nothing
OWN_WAY_PAST_GATE = _PASSED_GATE + _OWN_WAY
_DEC_TTL = Struct("!HH4x").pack(ofp.OFPAT_DEC_NW_TTL, 8)
_POP_VLAN = Struct("!HH4x").pack(ofp.OFPAT_POP_VLAN, 8)
_PUSH_VLAN = Struct("!HHH2x").pack(ofp.OFPAT_PUSH_VLAN, 8, ETH_VLAN)
