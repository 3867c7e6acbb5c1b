"""Parsers of OpenFlow messages. Any bytes from a switch become a value or an OpenFlowError, nothing else.

os_ken's parsers loop endlessly on a length of zero (OFPHello.parser, OFPMultipartReply.parser), and log a traceback for
what they cannot parse. What is taken of os_ken is its names of errors, when there is one.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from struct import error as StructError  # noqa: N812 - a class in all but its spelling
from typing import Any

from stasis_offload.errors import OpenFlowError, TableFullError
from stasis_offload.openflow import ofp
from stasis_offload.openflow.events import FlowRemoved, PacketIn, Port, PortDown, Removal, SeenFlow
from stasis_offload.openflow.flow import COOKIE_ROLE_MASK, GATE_ROLE, FlowCount, is_ours
from stasis_offload.packets.frame import ETH_IPV4, ETH_IPV6, PROTOCOL_UDP

VERSION = ofp.OFP_VERSION
VERSION_NAMES = {1: "1.0", 2: "1.1", 3: "1.2", 4: "1.3", 5: "1.4", 6: "1.5"}

_HEADER = Struct(ofp.OFP_HEADER_PACK_STR)
_ELEMENT = Struct(ofp.OFP_HELLO_ELEM_HEADER_PACK_STR)
_ERROR = Struct(ofp.OFP_ERROR_MSG_PACK_STR)
_FEATURES = Struct(ofp.OFP_SWITCH_FEATURES_PACK_STR)
_CONFIG = Struct(ofp.OFP_SWITCH_CONFIG_PACK_STR)
_MULTIPART = Struct(ofp.OFP_MULTIPART_REPLY_PACK_STR)
_DESCRIPTION = Struct(ofp.OFP_DESC_PACK_STR)
_PORT = Struct(ofp.OFP_PORT_PACK_STR)
_PORT_STATUS = Struct(ofp.OFP_PORT_STATUS_PACK_STR)
_FLOW_STATS = Struct(ofp.OFP_FLOW_STATS_0_PACK_STR)
_CONTENT = Struct("!BHHHH")
_PACKET_IN = Struct(ofp.OFP_PACKET_IN_PACK_STR)
_FLOW_REMOVED = Struct(ofp.OFP_FLOW_REMOVED_PACK_STR0)
_MATCH = Struct("!HH")
_OXM = Struct("!I")

_EVERY_PACKET = Struct("!HH4x").pack(ofp.OFPMT_OXM, 4)
_OUTPUT_NORMAL = Struct("!HH4xHHI").pack(
    *(ofp.OFPIT_APPLY_ACTIONS, 24, ofp.OFPAT_OUTPUT, 16, ofp.OFPP_NORMAL)
)
_PLAIN_NORMAL_SIZE = len(_EVERY_PACKET) + 24

# The headers, without and with a mask, of register 15 and of the larger ones that it is a part of: xreg7, xxreg3
# (include/openvswitch/meta-flow.h); they are the same in a match and in an action.
_REGISTER_15 = tuple(
    bytes.fromhex(header)
    for header in ("00011e04", "00011f08", "80010e08", "80010f10", "0001e410", "0001e520")
)
_REGISTER_14, _METADATA = bytes.fromhex("00011c04"), bytes.fromhex("80000408")
_ETH_IPV4, _ETH_IPV6 = ETH_IPV4.to_bytes(2, "big"), ETH_IPV6.to_bytes(2, "big")
_UDP = bytes((PROTOCOL_UDP,))

_REMOVALS = {
    ofp.OFPRR_IDLE_TIMEOUT: Removal.IDLE,
    ofp.OFPRR_HARD_TIMEOUT: Removal.HARD,
    ofp.OFPRR_DELETE: Removal.DELETE,
}


class MessageKind(IntEnum):
    """The message types that the application handles (ofp_type, OpenFlow 1.3.5, 7.1.1)."""

    HELLO = ofp.OFPT_HELLO
    ERROR = ofp.OFPT_ERROR
    ECHO_REQUEST = ofp.OFPT_ECHO_REQUEST
    FEATURES_REPLY = ofp.OFPT_FEATURES_REPLY
    GET_CONFIG_REPLY = ofp.OFPT_GET_CONFIG_REPLY
    PACKET_IN = ofp.OFPT_PACKET_IN
    FLOW_REMOVED = ofp.OFPT_FLOW_REMOVED
    PORT_STATUS = ofp.OFPT_PORT_STATUS
    MULTIPART_REPLY = ofp.OFPT_MULTIPART_REPLY
    BARRIER_REPLY = ofp.OFPT_BARRIER_REPLY


@dataclass(frozen=True, slots=True)
class Message:
    """One OpenFlow message: the fields of its header, and its body. `kind` may be any number."""

    version: int
    kind: int
    xid: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Description:
    """The switch's reply to `description_request`."""

    manufacturer: str
    hardware: str
    software: str
    datapath: str


class Framer:
    """Splits a byte stream into messages; buffers at most one incomplete message (64 KiB)."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Add received bytes, and yield the messages that are complete.

        Raises:
            OpenFlowError: the stream is not OpenFlow.

        """
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            version, kind, length, xid = _HEADER.unpack_from(self._buffer)
            if version not in VERSION_NAMES or length < _HEADER.size:
                start = self._buffer[: _HEADER.size].hex(" ")
                raise OpenFlowError(f"the peer is not an OpenFlow switch: it sent {start}")
            if len(self._buffer) < length:
                return
            body = bytes(self._buffer[_HEADER.size : length])
            del self._buffer[:length]
            yield Message(version=version, kind=kind, xid=xid, body=body)


def parse_hello(message: Message) -> frozenset[int]:
    """Return the wire numbers of the versions that the switch accepts (4 is OpenFlow 1.3).

    Without a version bitmap these are all versions up to the header's (OpenFlow 1.3.5, 6.3.1).
    """
    offset = 0
    with reading("hello"):
        while offset < len(message.body):
            kind, length = _ELEMENT.unpack_from(message.body, offset)
            if length < _ELEMENT.size:
                raise OpenFlowError(f"broken hello from the switch: an element of {length} bytes")
            if kind == ofp.OFPHET_VERSIONBITMAP:
                bitmap = message.body[offset + _ELEMENT.size : offset + length]
                return frozenset(_bits(bitmap))
            offset += length + -length % 8
    return frozenset(range(1, message.version + 1))


def _bits(bitmap: bytes) -> Iterator[int]:
    for word in range(len(bitmap) // 4):
        bits = int.from_bytes(bitmap[4 * word : 4 * word + 4], "big")
        yield from (32 * word + bit for bit in range(32) if bits >> bit & 1)


def refusal(message: Message) -> OpenFlowError:
    """Return an error of the switch as one of ours."""
    text = parse_error(message)
    full = _ERROR.unpack_from(message.body) == (ofp.OFPET_FLOW_MOD_FAILED, ofp.OFPFMFC_TABLE_FULL)
    return TableFullError(text) if full else OpenFlowError(text)


def parse_error(message: Message) -> str:
    """Return the text of an error: the names of its type and code, and of the message that was refused."""
    with reading("error"):
        kind, code = _ERROR.unpack_from(message.body)
    names = _names()
    data = message.body[_ERROR.size :]
    if kind == ofp.OFPET_HELLO_FAILED:
        text = data.decode("ascii", errors="replace").strip("\0 ")
        return f"the switch refused the connection: {names.ofp_error_code_to_str(kind, code)} {text}".rstrip()
    if kind == ofp.OFPET_EXPERIMENTER:
        what, data = _experimenter_error(code), data[4:]
    else:
        what = f"{names.ofp_error_type_to_str(kind)} {names.ofp_error_code_to_str(kind, code)}"
    refused = names.ofp_msg_type_to_str(data[1]) if len(data) >= _HEADER.size else "a message"
    return f"the switch refused {refused}: {what}"


def _names() -> Any:  # noqa: ANN401 - os_ken has no types
    from os_ken.ofproto import ofproto_v1_3  # noqa: PLC0415 - it takes a fifth of the start, and is rarely needed

    return ofproto_v1_3


def _experimenter_error(code: int) -> str:
    """Return the name of an error of the ONF extensions, to which the bundles of OpenFlow 1.3 belong."""
    names = (name for name, value in vars(_names()).items() if name.startswith("ONFERR_") and value == code)
    return f"{next(names, 'experimenter error')}({code})"


def parse_features(message: Message) -> tuple[int, int]:
    """Return the datapath id, and how many tables there are."""
    with reading("features"):
        datapath_id, _, tables, *_ = _FEATURES.unpack_from(message.body)
    return datapath_id, tables


def parse_config(message: Message) -> int:
    """Return the flags of a switch's configuration: how it handles fragments (7.3.2)."""
    with reading("configuration"):
        return int(_CONFIG.unpack_from(message.body)[0])


def has_more(message: Message) -> bool:
    """Return whether another message continues a multipart reply."""
    with reading("multipart reply"):
        _, flags = _MULTIPART.unpack_from(message.body)
    return bool(flags & ofp.OFPMPF_REPLY_MORE)


def parse_description(parts: Sequence[Message]) -> Description:
    """Parse the reply to `description_request`."""
    with reading("description"):
        texts = _DESCRIPTION.unpack_from(b"".join(bodies(parts, ofp.OFPMP_DESC)))
    manufacturer, hardware, software, _, datapath = (_text(text) for text in texts)
    return Description(manufacturer=manufacturer, hardware=hardware, software=software, datapath=datapath)


def parse_ports(parts: Sequence[Message]) -> tuple[Port, ...]:
    """Parse the reply to `ports_request`."""
    with reading("port description"):
        return tuple(
            Port(number=number, name=_text(name))
            for body in bodies(parts, ofp.OFPMP_PORT_DESC)
            for number, _, name, *_ in _PORT.iter_unpack(body)
        )


def parse_flow_stats(parts: Sequence[Message]) -> Iterator[tuple[int, FlowCount]]:
    """Parse the reply to `flow_stats_request`: the cookie and the counters of each flow."""
    for (*_, cookie, packets, octets), _ in _flow_stats(parts):
        yield cookie, FlowCount(packets=packets, octets=octets)


def parse_flows(parts: Sequence[Message]) -> Iterator[SeenFlow]:
    """Parse the reply to `flow_stats_request`: what each flow is."""
    for (_, table, _, _, priority, _, hard, _, cookie, _, _), rest in _flow_stats(parts):
        # The match of every packet has no field. What follows the length of an output is the same from every switch
        # up to the port; the rest has a meaning for CONTROLLER alone (7.2.4).
        plain = rest.startswith(_EVERY_PACKET + _OUTPUT_NORMAL) and len(rest) == _PLAIN_NORMAL_SIZE
        yield SeenFlow(
            table=table,
            priority=priority,
            cookie=cookie,
            is_normal=plain,
            drops=_does_nothing(rest),
            may_take_udp=_may_be_udp(rest),
            uses_register=any(header in rest for header in _REGISTER_15),
            is_ovn=_REGISTER_14 in rest and _METADATA in rest,
            is_lease=bool(hard) and is_ours(cookie) and cookie & COOKIE_ROLE_MASK == GATE_ROLE and table != 0,
        )


def _does_nothing(rest: bytes) -> bool:
    """Return whether nothing follows a flow's match, which is filled up to 8 bytes (7.2.3.1): such a flow drops (5.9)."""
    length = int(_MATCH.unpack_from(rest)[1])
    return len(rest) <= length + -length % 8


def _may_be_udp(match: bytes) -> bool:
    """Return whether some UDP packet has these fields: they are of no other type or protocol."""
    (_, length), fields = _MATCH.unpack_from(match), {}
    offset = _MATCH.size
    while offset + _OXM.size <= length:
        (header,) = _OXM.unpack_from(match, offset)
        offset += _OXM.size
        fields[header] = match[offset : offset + (header & 0xFF)]
        offset += header & 0xFF
    ethernet = fields.get(ofp.OXM_OF_ETH_TYPE, _ETH_IPV4)
    return ethernet in (_ETH_IPV4, _ETH_IPV6) and fields.get(ofp.OXM_OF_IP_PROTO, _UDP) == _UDP


def parse_contents(part: Message) -> Iterator[tuple[int, bytes]]:
    """Parse a part of the reply to `flow_stats_request`: the cookie and the content of each flow (`flowmod.content`)."""
    for (_, table, _, _, priority, idle, hard, flags, cookie, _, _), rest in _flow_stats([part]):
        yield cookie, _CONTENT.pack(table, priority, idle, hard, flags) + rest


def _flow_stats(parts: Sequence[Message]) -> Iterator[tuple[tuple[int, ...], bytes]]:
    """Yield the fixed fields of each flow, and what follows: its match and its instructions."""
    with reading("flow statistics"):
        for body in bodies(parts, ofp.OFPMP_FLOW):
            offset = 0
            while offset < len(body):
                fields = _FLOW_STATS.unpack_from(body, offset)
                length = fields[0]
                if length < _FLOW_STATS.size:
                    raise OpenFlowError(f"broken flow statistics from the switch: an entry of {length} bytes")
                yield fields, body[offset + _FLOW_STATS.size : offset + length]
                offset += length


def parse_packet_in(message: Message) -> PacketIn:
    """Parse a packet-in."""
    body, offset = message.body, _PACKET_IN.size
    with reading("packet-in"):
        _, total, _, _, cookie = _PACKET_IN.unpack_from(body)
        _, length = _MATCH.unpack_from(body, offset)
        in_port = _in_port(body[offset + _MATCH.size : offset + length])
    begin = offset + length + -length % 8 + 2
    return PacketIn(cookie=cookie, in_port=in_port, frame=body[begin : begin + total])


def _in_port(match: bytes) -> int:
    offset = 0
    while offset < len(match):
        (header,) = _OXM.unpack_from(match, offset)
        offset += _OXM.size
        if header == ofp.OXM_OF_IN_PORT:
            return int(_OXM.unpack_from(match, offset)[0])
        offset += header & 0xFF
    raise OpenFlowError("broken packet-in from the switch: it names no port")


def parse_flow_removed(message: Message) -> FlowRemoved:
    """Parse a flow-removed."""
    with reading("flow-removed"):
        cookie, _, reason, *_, packets, octets = _FLOW_REMOVED.unpack_from(message.body)
    return FlowRemoved(
        cookie=cookie,
        reason=_REMOVALS.get(reason, Removal.OTHER),
        count=FlowCount(packets=packets, octets=octets),
    )


def parse_port_status(message: Message) -> PortDown | None:
    """Parse a port-status; None if the port is there and carries packets."""
    with reading("port-status"):
        reason, number, _, _, config, state, *_ = _PORT_STATUS.unpack_from(message.body)
    is_down = config & ofp.OFPPC_PORT_DOWN or state & (ofp.OFPPS_LINK_DOWN | ofp.OFPPS_BLOCKED)
    return PortDown(number) if reason == ofp.OFPPR_DELETE or is_down else None


def bodies(parts: Sequence[Message], kind: int) -> Iterator[bytes]:
    """Yield what each part of a multipart reply of a kind (OFPMP_...) has."""
    for part in parts:
        actual, _ = _MULTIPART.unpack_from(part.body)
        if actual != kind:
            raise OpenFlowError(f"the switch answered a multipart request of type {kind} with type {actual}")
        yield part.body[_MULTIPART.size :]


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode(errors="replace")


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Make an OpenFlowError of a message that is too short."""
    try:
        yield
    except StructError as error:
        raise OpenFlowError(f"broken {what} from the switch: {error}") from error
