"""Our values become OpenFlow 1.3 messages, encoded by os_ken; a flow is bound to a switch only here.

Every function takes the transaction id and returns bytes. All messages of one transaction carry the same id,
so that whichever of them the switch refuses, its error finds the one who waits.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address
from struct import Struct
from typing import Any, assert_never

from os_ken.ofproto import ofproto_v1_3 as ofp
from os_ken.ofproto import ofproto_v1_3_parser as messages
from os_ken.ofproto.ofproto_common import ONF_EXPERIMENTER_ID
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

from stasis_offload.errors import OpenFlowError
from stasis_offload.flows import LEARNING_BYTES, Action, Copy, Flow, Forward, Match
from stasis_offload.media import Address, IPAddress

# What os_ken's messages take for their datapath: where the constants of the version are.
_SWITCH = ProtocolDesc(ofp.OFP_VERSION)

_ETH_IPV4 = 0x0800
_ETH_IPV6 = 0x86DD
_ETH_VLAN = 0x8100
_PROTOCOL_UDP = 17
_BUNDLE_FLAGS = ofp.ONF_BF_ATOMIC | ofp.ONF_BF_ORDERED
_CACHED_FIELDS = 1 << 14

_HEADER = Struct(ofp.OFP_HEADER_PACK_STR)
_VERSION_BITMAP = Struct(ofp.OFP_HELLO_ELEM_VERSIONBITMAP_HEADER_PACK_STR + "I")
_FLOW_MOD = Struct(ofp.OFP_FLOW_MOD_PACK_STR0)
_MATCH = Struct("!HH")
_ACTIONS = Struct(ofp.OFP_INSTRUCTION_ACTIONS_PACK_STR)
_EXPERIMENTER = Struct(ofp.OFP_EXPERIMENTER_HEADER_PACK_STR)
_BUNDLE_CONTROL = Struct(ofp.ONF_BUNDLE_CTRL_PACK_STR)
_BUNDLE_ADD = Struct(ofp.ONF_BUNDLE_ADD_MSG_PACK_STR)


@dataclass(frozen=True, slots=True)
class Cookies:
    """All flows whose cookie has this value where the mask is set; one flow of ours when it is not given."""

    value: int
    mask: int = 0xFFFF_FFFF_FFFF_FFFF


def hello(xid: int) -> bytes:
    """Offer OpenFlow 1.3 and nothing else, in a version bitmap, which os_ken's OFPHello leaves out."""
    bitmap = _VERSION_BITMAP.pack(ofp.OFPHET_VERSIONBITMAP, _VERSION_BITMAP.size, 1 << ofp.OFP_VERSION)
    return _message(xid, ofp.OFPT_HELLO, bitmap)


def hello_failed(xid: int) -> bytes:
    """Say that there is no version in common (OpenFlow 1.3.5, 6.3.1)."""
    text = b"only OpenFlow 1.3"
    error = messages.OFPErrorMsg(_SWITCH, ofp.OFPET_HELLO_FAILED, ofp.OFPHFC_INCOMPATIBLE, text)
    return _encode(xid, error)


def echo_request(xid: int) -> bytes:
    """Ask for a sign of life."""
    return _encode(xid, messages.OFPEchoRequest(_SWITCH))


def echo_reply(xid: int, payload: bytes) -> bytes:
    """Answer an echo request with what it carried."""
    return _encode(xid, messages.OFPEchoReply(_SWITCH, payload))


def barrier(xid: int) -> bytes:
    """Ask for an answer when everything sent before has been done."""
    return _message(xid, ofp.OFPT_BARRIER_REQUEST, b"")


def subscribe(xid: int) -> bytes:
    """Ask for packet-in and flow-removed.

    OVS sends neither on a bridge's management socket while miss_send_len is 0, as it is at first there
    (ovs-vswitchd, ofproto/connmgr.c).
    """
    return _encode(xid, messages.OFPSetConfig(_SWITCH, ofp.OFPC_FRAG_NORMAL, LEARNING_BYTES))


def features_request(xid: int) -> bytes:
    """Ask for the datapath id."""
    return _encode(xid, messages.OFPFeaturesRequest(_SWITCH))


def description_request(xid: int) -> bytes:
    """Ask for manufacturer, hardware, software and datapath in words."""
    return _encode(xid, messages.OFPDescStatsRequest(_SWITCH, 0))


def ports_request(xid: int) -> bytes:
    """Ask for the bridge's ports."""
    return _encode(xid, messages.OFPPortDescStatsRequest(_SWITCH, 0))


def flow_stats_request(xid: int, cookies: Cookies) -> bytes:
    """Ask for the counters of some flows."""
    request = messages.OFPFlowStatsRequest(_SWITCH, cookie=cookies.value, cookie_mask=cookies.mask)
    return _encode(xid, request)


def change_flows(xid: int, *, remove: Iterable[Cookies], add: Iterable[Flow] = ()) -> bytes:
    """Change flows one after the other."""
    return b"".join(_changes(xid, remove, add))


def stage_bundle(xid: int, *, remove: Iterable[Cookies], add: Iterable[Flow]) -> bytes:
    """Open an atomic bundle and put the changes into it; the transaction id is the bundle's id as well."""
    staged = (_bundled(xid, change) for change in _changes(xid, remove, add))
    return _bundle_control(xid, ofp.ONF_BCT_OPEN_REQUEST) + b"".join(staged)


def commit_bundle(xid: int) -> bytes:
    """Make the changes of a bundle, all at once or none."""
    return _bundle_control(xid, ofp.ONF_BCT_COMMIT_REQUEST)


def discard_bundle(xid: int) -> bytes:
    """Forget a bundle."""
    return _bundle_control(xid, ofp.ONF_BCT_DISCARD_REQUEST)


def _encode(xid: int, message: Any) -> bytes:  # noqa: ANN401 - os_ken has no types
    message.set_xid(xid)
    message.serialize()
    return bytes(message.buf)


def _message(xid: int, kind: int, body: bytes) -> bytes:
    return _HEADER.pack(ofp.OFP_VERSION, kind, _HEADER.size + len(body), xid) + body


def _experimenter(xid: int, kind: int, data: bytes) -> bytes:
    return _message(xid, ofp.OFPT_EXPERIMENTER, _EXPERIMENTER.pack(ONF_EXPERIMENTER_ID, kind) + data)


def _bundle_control(xid: int, what: int) -> bytes:
    return _experimenter(xid, ofp.ONF_ET_BUNDLE_CONTROL, _BUNDLE_CONTROL.pack(xid, what, _BUNDLE_FLAGS))


def _bundled(xid: int, change: bytes) -> bytes:
    return _experimenter(xid, ofp.ONF_ET_BUNDLE_ADD_MESSAGE, _BUNDLE_ADD.pack(xid, _BUNDLE_FLAGS) + change)


def _changes(xid: int, remove: Iterable[Cookies], add: Iterable[Flow]) -> Iterator[bytes]:
    # Removals come first: a flow that changed is removed and added under the same cookie.
    for cookies in remove:
        yield _encode(xid, _removal(cookies))
    for flow in add:
        yield _addition(xid, flow)


def _removal(cookies: Cookies) -> Any:  # noqa: ANN401 - os_ken has no types
    return messages.OFPFlowMod(
        _SWITCH,
        command=ofp.OFPFC_DELETE,
        table_id=ofp.OFPTT_ALL,
        cookie=cookies.value,
        cookie_mask=cookies.mask,
        out_port=ofp.OFPP_ANY,
        out_group=ofp.OFPG_ANY,
    )


def _addition(xid: int, flow: Flow) -> bytes:
    """Put a flow-mod together from fields and actions that os_ken has encoded once.

    An OFPFlowMod takes os_ken ten times as long, and that would bound how many calls can be taken over in a
    second; most of a flow's fields are those of the flows before it.
    """
    fields = b"".join(_match(flow.match))
    actions = b"".join(_actions(flow.match, flow.action))
    match_size = _MATCH.size + len(fields)
    body = (
        _FLOW_MOD.pack(
            flow.cookie,
            0,  # cookie mask: only for changing and deleting
            0,  # table
            ofp.OFPFC_ADD,
            flow.idle_timeout,
            0,  # hard timeout
            flow.priority,
            ofp.OFP_NO_BUFFER,
            ofp.OFPP_ANY,
            ofp.OFPG_ANY,
            ofp.OFPFF_SEND_FLOW_REM if flow.idle_timeout else 0,
        )
        + _MATCH.pack(ofp.OFPMT_OXM, match_size)
        + fields
        + bytes(-match_size % 8)
        + _ACTIONS.pack(ofp.OFPIT_APPLY_ACTIONS, _ACTIONS.size + len(actions))
        + actions
    )
    return _message(xid, ofp.OFPT_FLOW_MOD, body)


def _match(match: Match) -> Iterator[bytes]:
    """Order fields so that each follows the field it depends on (OpenFlow 1.3.5, 7.2.3.6)."""
    if match.in_port is not None:
        yield _field("in_port", match.in_port)
        yield _field("vlan_vid", ofp.OFPVID_NONE if match.vlan is None else _tagged(match.vlan))
        if match.eth_src is not None:
            yield _field("eth_src", match.eth_src)
    yield _field("eth_type", _ETH_IPV4 if isinstance(match.source.host, IPv4Address) else _ETH_IPV6)
    yield _field("ip_proto", _PROTOCOL_UDP)
    for name, value in _ends(match.source, match.destination):
        yield _field(name, value)


def _actions(match: Match, action: Action) -> Iterator[bytes]:
    match action:
        case Copy(max_len):
            yield _output(ofp.OFPP_NORMAL)
            yield _output(ofp.OFPP_CONTROLLER, max_len)
        case Forward():
            if match.in_port is None:
                raise OpenFlowError("a flow that forwards has to match one port: else its VLAN is not known")
            yield from _retag(match.vlan, action.vlan)
            yield _set("eth_src", action.eth_src)
            yield _set("eth_dst", action.eth_dst)
            for name, value in _ends(action.source, action.destination):
                yield _set(name, value)
            yield _DEC_TTL
            yield _output(ofp.OFPP_IN_PORT if action.out_port is None else action.out_port)
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
    yield _set("vlan_vid", _tagged(goes))


def _ends(source: Address, destination: Address) -> Iterator[tuple[str, IPAddress | int]]:
    family = "ipv4" if isinstance(source.host, IPv4Address) else "ipv6"
    yield f"{family}_src", source.host
    yield f"{family}_dst", destination.host
    yield "udp_src", source.port
    yield "udp_dst", destination.port


def _tagged(vlan: int) -> int:
    return int(ofp.OFPVID_PRESENT | vlan)


@lru_cache(_CACHED_FIELDS)
def _field(name: str, value: IPAddress | int | str) -> bytes:
    number, encoded, mask = ofp.oxm_from_user(name, value if isinstance(value, int) else str(value))
    field = bytearray()
    ofp.oxm_serialize(number, encoded, mask, field, 0)
    return bytes(field)


@lru_cache(_CACHED_FIELDS)
def _set(name: str, value: IPAddress | int | str) -> bytes:
    return _action(messages.OFPActionSetField(**{name: value if isinstance(value, int) else str(value)}))


@lru_cache(_CACHED_FIELDS)
def _output(port: int, max_len: int = ofp.OFPCML_MAX) -> bytes:
    return _action(messages.OFPActionOutput(port, max_len))


def _action(action: Any) -> bytes:  # noqa: ANN401 - os_ken has no types
    encoded = bytearray()
    action.serialize(encoded, 0)
    return bytes(encoded)


_DEC_TTL = _action(messages.OFPActionDecNwTtl())
_POP_VLAN = _action(messages.OFPActionPopVlan())
_PUSH_VLAN = _action(messages.OFPActionPushVlan(_ETH_VLAN))
