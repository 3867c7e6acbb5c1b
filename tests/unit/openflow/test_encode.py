"""What goes to the switch, read back by os_ken and held against what os_ken itself would have sent."""

import struct
from ipaddress import IPv4Address
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from os_ken.ofproto import ofproto_v1_3 as ofp
from os_ken.ofproto import ofproto_v1_3_parser as messages

from stasis_offload.errors import OpenFlowError
from stasis_offload.media.flows import FlowLimits, forwarding_flows, waiting_flow
from stasis_offload.media.path import Leg
from stasis_offload.openflow import encode
from stasis_offload.openflow.decode import Framer
from stasis_offload.openflow.flow import (
    LEASE_TABLE,
    SAMPLE_TABLE,
    SIZE_TABLE,
    TABLES,
    Action,
    Drop,
    Flow,
    Forward,
    Match,
    Mirror,
    Sample,
    Split,
)
from stasis_offload.openflow.flowmod import Cookies
from stasis_offload.openflow.instance import Instance
from stasis_offload.packets.address import Address
from tests.support.packets import CALLEE, CALLER, PATH
from tests.support.strategies import FLOWS, UINT32, UINT64

SWITCH = SimpleNamespace(ofproto=ofp, ofproto_parser=messages)
CHECK_LARGER = 49
SAMPLE_TABLES = [SAMPLE_TABLE + TABLES * instance for instance in range(8)]
LIMITS = FlowLimits(idle_timeout=10)


def by_os_ken(xid: int, flow: Flow) -> bytes:
    match = flow.match
    instructions = []
    actions = _actions(match, flow.action, instance=(flow.table - LEASE_TABLE) // TABLES)
    if actions:
        instructions.append(messages.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, actions))
    message = messages.OFPFlowMod(
        SWITCH,
        cookie=flow.cookie,
        priority=flow.priority,
        idle_timeout=flow.idle_timeout,
        hard_timeout=flow.hard_timeout,
        table_id=flow.table,
        flags=ofp.OFPFF_SEND_FLOW_REM if flow.table not in SAMPLE_TABLES else 0,
        out_port=ofp.OFPP_ANY,
        out_group=ofp.OFPG_ANY,
        match=messages.OFPMatch(**_fields(match)),
        instructions=instructions,
    )
    message.set_xid(xid)
    message.serialize()
    return bytes(message.buf)


def _fields(match: Match) -> dict[str, Any]:
    family = _family(match.destination)
    fields: dict[str, Any] = {"eth_type": 0x0800 if family == "ipv4" else 0x86DD, "ip_proto": 17}
    if match.in_port is not None:
        fields["in_port"] = match.in_port
        fields["vlan_vid"] = 0 if match.vlan is None else 0x1000 | match.vlan
    if match.in_port is not None and match.eth_src is not None:
        fields["eth_src"] = match.eth_src
    for name, address in (("src", match.source), ("dst", match.destination)):
        if address is not None:
            fields[f"{family}_{name}"] = str(address.host)
        if address is not None and address.port:
            fields[f"udp_{name}"] = address.port
    if match.larger is not None:
        fields["reg15"] = (1 << 16 if match.larger else 0, 1 << 16)
    return fields


def _family(address: Address) -> str:
    return "ipv4" if isinstance(address.host, IPv4Address) else "ipv6"


def _actions(match: Match, action: Action, *, instance: int) -> list[Any]:
    match action:
        case Mirror(max_len):
            return [
                messages.OFPActionOutput(ofp.OFPP_CONTROLLER, max_len),
                messages.NXActionResubmitTable(table_id=0),
            ]
        case Forward():
            return _forwarded(match, action, instance)
        case Split(size):
            register = bytes.fromhex("00011e04")  # reg15, whose bit 16 has the result
            check = messages.NXActionUnknown(CHECK_LARGER, data=struct.pack("!HH4s6x", size, 16, register))
            return [check, messages.NXActionResubmitTable(table_id=SIZE_TABLE + TABLES * instance)]
        case Sample(max_len):
            return [messages.OFPActionOutput(ofp.OFPP_CONTROLLER, max_len)]
        case Drop(mirror_bytes):
            return [messages.OFPActionOutput(ofp.OFPP_CONTROLLER, mirror_bytes)] if mirror_bytes else []


def _forwarded(match: Match, action: Forward, instance: int) -> list[Any]:
    family = _family(action.destination)
    tag = []
    if match.vlan is not None and action.tag is None:
        tag = [messages.OFPActionPopVlan()]
    elif action.tag is not None:
        push = [messages.OFPActionPushVlan(0x8100)] if match.vlan is None else []
        tag = [
            *push,
            messages.OFPActionSetField(vlan_vid=0x1000 | action.tag.vid),
            messages.OFPActionSetField(vlan_pcp=action.tag.pcp),
        ]
    fields = {
        "eth_src": action.eth_src,
        "eth_dst": action.eth_dst,
        f"{family}_src": str(action.source.host),
        f"{family}_dst": str(action.destination.host),
        "udp_src": action.source.port,
        "udp_dst": action.destination.port,
        "ip_dscp": action.dscp,
    }
    return [
        messages.NXActionResubmitTable(table_id=SAMPLE_TABLES[instance]),
        *tag,
        *(messages.OFPActionSetField(**{name: value}) for name, value in fields.items()),
        messages.OFPActionDecNwTtl(),
        messages.OFPActionSetField(in_port_nxm=action.in_port & 0xFFFF),
        messages.OFPActionSetField(reg15=1 << instance),
        messages.NXActionResubmitTable(table_id=0),
    ]


def read_back(data: bytes) -> str:
    """Return a message as os_ken reads it, its match without an order."""
    message = messages.msg_parser(SWITCH, data[0], data[1], int.from_bytes(data[2:4], "big"), 0, data)
    parts = message.to_jsondict()["OFPFlowMod"]
    parts["match"]["OFPMatch"]["oxm_fields"].sort(key=str)
    return str(parts)


@given(UINT32, FLOWS)
def test_a_flow_is_what_os_ken_makes_of_it(xid: int, flow: Flow) -> None:
    encoded = encode.change_flows(xid, add=[flow])
    expected = by_os_ken(xid, flow)
    assert encoded[:8] == expected[:8]
    assert read_back(encoded) == read_back(expected)


def test_fields_come_after_the_fields_they_depend_on() -> None:
    encoded = encode.change_flows(1, add=forwarding_flows("call", PATH, LIMITS))
    message = messages.msg_parser(
        SWITCH, 4, ofp.OFPT_FLOW_MOD, int.from_bytes(encoded[2:4], "big"), 1, encoded
    )
    names = [name for name, _ in message.match.items()]
    assert names == [
        "in_port",
        "eth_src",
        "eth_type",
        "vlan_vid",
        "ipv4_src",
        "ipv4_dst",
        "ip_proto",
        "udp_src",
        "udp_dst",
    ]


def test_a_flow_that_forwards_from_any_port_is_refused() -> None:
    flow = forwarding_flows("call", PATH, LIMITS)[0]
    blind = Flow(
        cookie=flow.cookie,
        priority=flow.priority,
        match=Match(source=CALLER.remote, destination=CALLER.local),
        action=flow.action,
    )
    with pytest.raises(OpenFlowError, match="has to match one port"):
        encode.change_flows(1, add=[blind])


@given(UINT32, UINT64, UINT64)
def test_a_removal_names_cookies_and_nothing_else(xid: int, value: int, mask: int) -> None:
    data = encode.change_flows(xid, remove=[Cookies(value, mask)])
    message = messages.msg_parser(SWITCH, 4, ofp.OFPT_FLOW_MOD, len(data), xid, data)
    assert (message.command, message.table_id) == (ofp.OFPFC_DELETE, ofp.OFPTT_ALL)
    assert (message.cookie, message.cookie_mask) == (value, mask)
    assert (message.out_port, message.out_group) == (ofp.OFPP_ANY, ofp.OFPG_ANY)
    assert not message.match.items()


@given(UINT32)
def test_a_bundle_is_opened_and_holds_removals_and_then_additions(xid: int) -> None:
    flows = forwarding_flows("call", PATH, LIMITS)
    data = encode.stage_bundle(xid, remove=[Cookies(5)], add=flows)
    opening, *staged = Framer().feed(data)
    assert opening.body.hex() == f"4f4e4600000008fc{xid:08x}00000003"
    for message in staged:
        assert message.body[:16].hex() == f"4f4e4600000008fd{xid:08x}00000003"
    inner = b"".join(message.body[16:] for message in staged)
    assert inner == encode.change_flows(xid, remove=[Cookies(5)], add=flows)
    assert {message.xid for message in (opening, *staged, *Framer().feed(inner))} == {xid}


def test_a_bundle_is_committed_or_discarded_by_its_id() -> None:
    (commit,) = Framer().feed(encode.commit_bundle(8, 9))
    (discard,) = Framer().feed(encode.discard_bundle(8, 9))
    assert commit.body.hex() == "4f4e4600000008fc0000000900040003"
    assert (commit.xid, discard.xid) == (8, 8)
    assert discard.body.hex() == "4f4e4600000008fc0000000900060003"


def test_every_other_message_is_of_its_type_and_carries_the_transaction() -> None:
    learning = waiting_flow("call", Leg.CALLEE, source=CALLEE.remote, local=CALLEE.local)
    sent = {
        encode.hello(7): ofp.OFPT_HELLO,
        encode.hello_failed(7): ofp.OFPT_ERROR,
        encode.echo_request(7): ofp.OFPT_ECHO_REQUEST,
        encode.echo_reply(7, b"payload"): ofp.OFPT_ECHO_REPLY,
        encode.barrier(7): ofp.OFPT_BARRIER_REQUEST,
        encode.subscribe(7, flags=0): ofp.OFPT_SET_CONFIG,
        encode.config_request(7): ofp.OFPT_GET_CONFIG_REQUEST,
        encode.features_request(7): ofp.OFPT_FEATURES_REQUEST,
        encode.description_request(7): ofp.OFPT_MULTIPART_REQUEST,
        encode.ports_request(7): ofp.OFPT_MULTIPART_REQUEST,
        encode.flow_stats_request(7, Cookies(1)): ofp.OFPT_MULTIPART_REQUEST,
        encode.packet_out(7, Instance(0), in_port=1, frame=b"frame"): ofp.OFPT_PACKET_OUT,
        encode.change_flows(7, add=[learning]): ofp.OFPT_FLOW_MOD,
    }
    for data, kind in sent.items():
        (message,) = Framer().feed(data)
        assert (message.version, message.kind, message.xid) == (4, kind, 7)


@given(UINT32, st.integers(0, 7), st.integers(1, 0xFFFF_FF00), st.binary(max_size=1600))
def test_a_packet_out_goes_the_bridges_own_way_from_its_port(
    xid: int, instance: int, in_port: int, frame: bytes
) -> None:
    expected = messages.OFPPacketOut(
        SWITCH,
        buffer_id=ofp.OFP_NO_BUFFER,
        in_port=in_port,
        actions=[messages.OFPActionSetField(reg15=1 << instance), messages.NXActionResubmitTable(table_id=0)],
        data=frame,
    )
    expected.set_xid(xid)
    expected.serialize()
    sent = encode.packet_out(xid, Instance(instance), in_port=in_port, frame=frame)
    assert sent == bytes(expected.buf)
