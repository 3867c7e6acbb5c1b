"""A switch and an Asterisk module for many calls, in a process of their own: what they cost is not the application's.

Both answer at once, by the protocols of the real ones. The switch has no ports: it shows the packets that the calls' flows
would show it, a packet each 20 ms while a leg is learned, one when a flow is to be verified or sampled, and the RTCP of the
legs and of Asterisk.

Usage: python -m tests.bench.counting CALLS SWITCH-SOCKET MODULE-SOCKET   (until the connection to the switch ends)
"""

import asyncio
import json
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from struct import Struct

from os_ken.ofproto import ofproto_v1_3 as ofp

from stasis_offload.asterisk.leg_report import LegReport
from stasis_offload.media.roles import Duty, Role, role_of
from stasis_offload.openflow import encode
from stasis_offload.openflow.decode import Framer, Message
from stasis_offload.openflow.flow import is_ours, owner_in
from tests.bench.talking import PERIOD, REPORTED_EVERY, Talk, call_id
from tests.support.fake_asterisk import IDS

_HEADER = Struct(ofp.OFP_HEADER_PACK_STR)
_FEATURES = Struct(ofp.OFP_SWITCH_FEATURES_PACK_STR)
_CONFIG = Struct(ofp.OFP_SWITCH_CONFIG_PACK_STR)
_MULTIPART = Struct(ofp.OFP_MULTIPART_REPLY_PACK_STR)
_DESCRIPTION = Struct(ofp.OFP_DESC_PACK_STR)
_FLOW_MOD = Struct(ofp.OFP_FLOW_MOD_PACK_STR0)
_STATS_REQUEST = Struct(ofp.OFP_FLOW_STATS_REQUEST_0_PACK_STR)
_STATS = Struct(ofp.OFP_FLOW_STATS_0_PACK_STR)
_PACKET_IN = Struct(ofp.OFP_PACKET_IN_PACK_STR)
_REMOVED = Struct(ofp.OFP_FLOW_REMOVED_PACK_STR0)
_EXPERIMENTER = Struct(ofp.OFP_EXPERIMENTER_HEADER_PACK_STR)
_BUNDLE_CONTROL = Struct(ofp.ONF_BUNDLE_CTRL_PACK_STR)
_BUNDLE_ADD = Struct(ofp.ONF_BUNDLE_ADD_MSG_PACK_STR)
# That a packet came in by port 1 (OXM, 7.2.3), and the padding before the packet.
_BY_PORT_1 = Struct("!HHIII2x").pack(ofp.OFPMT_OXM, 12, ofp.OXM_OF_IN_PORT, 1, 0)
# Bytes of flows in one part of an answer.
_PART = 60_000
# Names in the module's answer that are not those of LegReport (rtpstreams.py).
_NAMES = {
    "ptime": "framing_ms",
    "idle": "idle_s",
    "rtp_timeout": "rtp_timeout_s",
    "rtp_keepalive": "rtp_keepalive_s",
}


@dataclass(frozen=True, slots=True)
class _Held:
    """A flow, as it was added."""

    cookie: int
    table: int
    priority: int
    idle_timeout: int
    hard_timeout: int
    flags: int
    rest: bytes

    def counted(self, packets: int, after: float) -> bytes:
        """Return what statistics say of it."""
        fixed = (self.table, int(after), 0, self.priority, self.idle_timeout, self.hard_timeout, self.flags)
        size = _STATS.size + len(self.rest)
        return _STATS.pack(size, *fixed, self.cookie, packets, 214 * packets) + self.rest


class CountingSwitch:
    """The switch, for one connection."""

    def __init__(self, talks: Iterable[Talk]) -> None:
        self._talks = {talk.owner: talk for talk in talks}
        self._flows: dict[int, dict[bytes, _Held]] = {}
        self._bundles: dict[int, list[bytes]] = {}
        self._writer: StreamWriter | None = None
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self.ended = asyncio.Event()

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Answer, until the application ends."""
        self._writer, framer = writer, Framer()
        self._send(0, ofp.OFPT_HELLO)
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                for message in framer.feed(data):
                    self._handle(message)
        self.ended.set()

    def _handle(self, message: Message) -> None:
        match message.kind:
            case ofp.OFPT_ECHO_REQUEST:
                self._send(message.xid, ofp.OFPT_ECHO_REPLY, message.body)
            case ofp.OFPT_FEATURES_REQUEST:
                self._send(message.xid, ofp.OFPT_FEATURES_REPLY, _FEATURES.pack(1, 0, 254, 0, 0, 0))
            case ofp.OFPT_GET_CONFIG_REQUEST:
                self._send(message.xid, ofp.OFPT_GET_CONFIG_REPLY, _CONFIG.pack(0, 0))
            case ofp.OFPT_BARRIER_REQUEST:
                self._send(message.xid, ofp.OFPT_BARRIER_REPLY)
            case ofp.OFPT_FLOW_MOD:
                self._change(message.body)
            case ofp.OFPT_EXPERIMENTER:
                self._bundle(message.body)
            case ofp.OFPT_MULTIPART_REQUEST:
                self._answer(message)

    def _bundle(self, body: bytes) -> None:
        _, kind = _EXPERIMENTER.unpack_from(body)
        body = body[_EXPERIMENTER.size :]
        if kind == ofp.ONF_ET_BUNDLE_ADD_MESSAGE:
            bundle, _ = _BUNDLE_ADD.unpack_from(body)
            self._bundles[bundle].append(body[_BUNDLE_ADD.size + _HEADER.size :])
            return
        bundle, what, _ = _BUNDLE_CONTROL.unpack_from(body)
        if what == ofp.ONF_BCT_OPEN_REQUEST:
            self._bundles[bundle] = []
            return
        changes = self._bundles.pop(bundle)
        for change in changes if what == ofp.ONF_BCT_COMMIT_REQUEST else ():
            self._change(change)

    def _change(self, body: bytes) -> None:
        cookie, _, table, command, idle, hard, priority, _, _, _, flags = _FLOW_MOD.unpack_from(body)
        rest = body[_FLOW_MOD.size :]
        if command != ofp.OFPFC_ADD:
            for flow in self._flows.pop(cookie, {}).values():
                if flow.flags & ofp.OFPFF_SEND_FLOW_REM:
                    removed = _REMOVED.pack(cookie, priority, ofp.OFPRR_DELETE, table, 0, 0, 0, 0, 0, 0)
                    self._send(0, ofp.OFPT_FLOW_REMOVED, removed + bytes(8))
            return
        is_new = cookie not in self._flows
        size = int.from_bytes(rest[2:4], "big")
        held = _Held(cookie, table, priority, idle, hard, flags, rest)
        self._flows.setdefault(cookie, {})[bytes((table,)) + rest[:size]] = held
        role, talk = role_of(cookie), self._talks.get(owner_in(cookie))
        if is_new and role and talk and is_ours(cookie):
            self._begin(talk, role, cookie)

    def _begin(self, talk: Talk, role: Role, cookie: int) -> None:
        """Show the packets of a new flow."""
        match role.duty:
            case Duty.LEARN_IN | Duty.LEARN_OUT:
                self._learn(talk, role, cookie)
            case Duty.VERIFY | Duty.SAMPLE:
                self._loop.call_later(PERIOD, self._show, talk, role, cookie)
            case Duty.RTCP | Duty.RTCP_DROP:
                self._loop.call_later(REPORTED_EVERY, self._report, talk, role, cookie)

    def _learn(self, talk: Talk, role: Role, cookie: int) -> None:
        if cookie in self._flows:
            self._show(talk, role, cookie)
            self._loop.call_later(PERIOD, self._learn, talk, role, cookie)

    def _show(self, talk: Talk, role: Role, cookie: int) -> None:
        """Show a packet of a leg, or what Asterisk passes on to it."""
        if cookie in self._flows:
            frame = talk.rtp(role.leg, self._number, by_asterisk=role.duty is Duty.LEARN_OUT)
            self._packet_in(cookie, frame)

    def _report(self, talk: Talk, role: Role, cookie: int) -> None:
        """Show an RTCP report of a leg, or of Asterisk to it."""
        if cookie in self._flows:
            frame = talk.rtcp(role.leg, self._number, by_asterisk=role.duty is Duty.RTCP_DROP)
            self._packet_in(cookie, frame)
            self._loop.call_later(REPORTED_EVERY, self._report, talk, role, cookie)

    def _packet_in(self, cookie: int, frame: bytes) -> None:
        fixed = _PACKET_IN.pack(ofp.OFP_NO_BUFFER, len(frame), ofp.OFPR_ACTION, 0, cookie)
        self._send(0, ofp.OFPT_PACKET_IN, fixed + _BY_PORT_1 + frame)

    def _answer(self, message: Message) -> None:
        kind, _ = _MULTIPART.unpack_from(message.body)
        parts = [b""]
        if kind == ofp.OFPMP_DESC:
            parts = [_DESCRIPTION.pack(b"", b"", b"", b"", b"counting")]
        elif kind == ofp.OFPMP_FLOW:
            *_, cookie, mask = _STATS_REQUEST.unpack_from(message.body, _MULTIPART.size)
            parts = self._counted(cookie, mask)
        for number, part in enumerate(parts, 1):
            flags = ofp.OFPMPF_REPLY_MORE if number < len(parts) else 0
            self._send(message.xid, ofp.OFPT_MULTIPART_REPLY, _MULTIPART.pack(kind, flags) + part)

    def _counted(self, cookie: int, mask: int) -> list[bytes]:
        parts, part = [], bytearray()
        for flow in self._found(cookie, mask):
            part += flow.counted(self._number, self._loop.time() - self._began)
            if len(part) > _PART:
                parts.append(bytes(part))
                part.clear()
        return [*parts, bytes(part)]

    def _found(self, cookie: int, mask: int) -> Iterator[_Held]:
        if mask == 0xFFFF_FFFF_FFFF_FFFF:
            yield from self._flows.get(cookie, {}).values()
            return
        for held, flows in self._flows.items():
            if held & mask == cookie & mask:
                yield from flows.values()

    @property
    def _number(self) -> int:
        """How many packets each leg has sent."""
        return int((self._loop.time() - self._began) / PERIOD)

    def _send(self, xid: int, kind: int, body: bytes = b"") -> None:
        assert self._writer
        message = _HEADER.pack(ofp.OFP_VERSION, kind, _HEADER.size + len(body), xid) + body
        self._writer.write(encode.hello(xid) if kind == ofp.OFPT_HELLO else message)


class CountingModule:
    """Asterisk's reports of the calls."""

    def __init__(self, talks: Iterable[Talk]) -> None:
        self._answers = {
            f'rtpstreams json "{IDS.bridge(call_id(number))}"': _as_lines(talk.legs.values())
            for number, talk in enumerate(talks)
        }

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Answer one command."""
        writer.write(b"host/1/22\n")
        line = (await reader.readuntil(b"\0"))[:-1].decode()
        writer.write(self._answers.get(line.removeprefix("cli quit after "), b""))
        writer.close()


def _as_lines(legs: Iterable[LegReport]) -> bytes:
    names = [field.name for field in fields(LegReport)]
    lines = ({_NAMES.get(name, name): getattr(leg, name) for name in names} for leg in legs)
    return b"".join(json.dumps(line, default=str).encode() + b"\n" for line in lines)


async def _serve(calls: int, switch_socket: str, module_socket: str) -> None:
    talks = [Talk(number) for number in range(calls)]
    module, switch = CountingModule(talks), CountingSwitch(talks)
    await asyncio.start_unix_server(module.serve, module_socket, backlog=100)
    await asyncio.start_unix_server(switch.serve, switch_socket)
    print("up", flush=True)
    await switch.ended.wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), *sys.argv[2:]))
