"""Builders of flow-mod messages.

Written by hand, because cutover waits for them: os_ken takes ten times as long.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import assert_never

from stasis_offload.errors import OpenFlowError
from stasis_offload.openflow import actions, ofp
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
    is_reported,
)
from stasis_offload.openflow.instance import INSTANCES, Instance
from stasis_offload.openflow.oxm import (
    ETH_DST,
    ETH_SRC,
    IP_DSCP,
    IPV4,
    IPV6,
    NX_IN_PORT_FIELD,
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
        actions=b"".join(_actions(flow.match, flow.action, Instance.of_table(flow.table).number)),
        idle_timeout=flow.idle_timeout,
        hard_timeout=flow.hard_timeout,
    )


def gate(xid: int, instance: Instance, *, cookie: int, hard_timeout: int) -> bytes:
    """Add the gate, or add it again: the flows of table 0 that lead UDP to our tables, and what leads the rest back.

    A register marks what has passed the gate: back in table 0, such a packet goes on as if there were no gate of ours. It
    meets those of other instances, each of which has a mark of its own. Another mark is the lease's; a packet without it goes
    back at once.

    One flow of LEASE_TABLE takes no packet, and is no other gate's: a switch that restores what it had saved replaces the
    rest, of which it does not tell, and deletes this one, of which it does (`ovs-ofctl replace-flows`).
    """
    own = REG15.matched(((cookie >> 8 | _NEVER) & 0xFFFF_FFFF).to_bytes(4, "big"))
    back = (
        _Entry(
            cookie=cookie,
            table=instance.table(TABLE),
            priority=0xFFFF,
            fields=without_mark(instance.leased_bit),
            actions=_OWN_WAY,
        ),
        *(
            _Entry(cookie=cookie, table=instance.table(table), priority=0, fields=b"", actions=_OWN_WAY)
            for table in (TABLE, SIZE_TABLE)
        ),
    )
    there = (
        _Entry(
            cookie=cookie,
            table=0,
            priority=instance.gate_priority,
            fields=family.ethernet + UDP + without_mark(instance.passed_bit),
            actions=actions.set_bit(instance.passed_bit)
            + actions.resubmit(instance.table(LEASE_TABLE))
            + actions.resubmit(instance.table(TABLE)),
            hard_timeout=hard_timeout,
        )
        for family in (IPV4, IPV6)
    )
    sentinel = _Entry(cookie=cookie, table=instance.table(LEASE_TABLE), priority=1, fields=own, actions=b"")
    return b"".join(_addition(xid, entry) for entry in (sentinel, *back, *there))


def trial(xid: int, instance: Instance, fields: bytes, applied: bytes) -> bytes:
    """Add a flow to our table with these fields and actions; for a bundle that is discarded."""
    entry = _Entry(instance.prefix, instance.table(TABLE), priority=0, fields=fields, actions=applied)
    return _addition(xid, entry)


def table_miss(xid: int) -> bytes:
    """Give every packet that no other flow of table 0 takes to NORMAL, as `ovs-ofctl add-flow BRIDGE priority=0,actions=NORMAL`."""
    entry = _Entry(cookie=0, table=0, priority=0, fields=b"", actions=output(ofp.OFPP_NORMAL))
    return _addition(xid, entry, reported=False)


def lease(instance: Instance, *, cookie: int, hard_timeout: int) -> bytes:
    """Return the action that adds the flow of LEASE_TABLE, or restarts its timeout; it marks every packet.

    Unlike a flow-mod, an action that learns what is there already changes no table: nothing is translated again
    (ofproto_flow_mod_learn_refresh in ofproto/ofproto.c; struct nx_action_learn in lib/ofp-actions.c).
    """
    return actions.learn_bit(
        table=instance.table(LEASE_TABLE),
        bit=instance.leased_bit,
        cookie=cookie,
        hard_timeout=hard_timeout,
    )


def leased_table(content: bytes) -> int | None:
    """Return the table that a flow with this content is in if it is a gate's lease: of a LEASE_TABLE, and it ends."""
    table, _, _, hard_timeout, _ = _CONTENT.unpack_from(content)
    return table if table and hard_timeout else None


def _addition(xid: int, entry: _Entry, *, reported: bool = True) -> bytes:
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
            _flags(entry) if reported else 0,
        )
        + rest
    )


def _flags(entry: _Entry) -> int:
    return int(ofp.OFPFF_SEND_FLOW_REM) if is_reported(entry.table) else 0


def _match_and_actions(entry: _Entry) -> bytes:
    size = _ACTIONS.size + len(entry.actions)
    applied = _ACTIONS.pack(ofp.OFPIT_APPLY_ACTIONS, size) if entry.actions else b""
    size = _MATCH.size + len(entry.fields)
    return _MATCH.pack(ofp.OFPMT_OXM, size) + entry.fields + bytes(-size % 8) + applied + entry.actions


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


def own_way_past_gate(instance: Instance) -> bytes:
    """Return the actions that let a packet go the bridge's own way, past our flows."""
    return _FRESH_PAST_GATE[instance.number] + _OWN_WAY


def _actions(match: Match, action: Action, instance: int) -> Iterator[bytes]:
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
            yield _SAMPLED[instance]
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
            # As a packet of Asterisk's it may be one for another instance, whose gate it has passed as the leg's.
            yield _FRESH_PAST_GATE[instance]
            yield _OWN_WAY
        case Split(size):
            yield actions.check_larger(size)
            yield _BY_SIZE[instance]
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


_NEVER = 1 << 31  # a bit of the register that no packet has

_OWN_WAY = actions.resubmit(0)
# By instance.
_BY_SIZE = tuple(actions.resubmit(Instance(number).table(SIZE_TABLE)) for number in range(INSTANCES))
# Finds nothing, usually, and then does nothing.
_SAMPLED = tuple(actions.resubmit(Instance(number).table(SAMPLE_TABLE)) for number in range(INSTANCES))
_FRESH_PAST_GATE = tuple(REG15.set(mark(Instance(number).passed_bit)) for number in range(INSTANCES))
_DEC_TTL = Struct("!HH4x").pack(ofp.OFPAT_DEC_NW_TTL, 8)
_POP_VLAN = Struct("!HH4x").pack(ofp.OFPAT_POP_VLAN, 8)
_PUSH_VLAN = Struct("!HHH2x").pack(ofp.OFPAT_PUSH_VLAN, 8, ETH_VLAN)
