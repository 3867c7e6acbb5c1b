"""Peers that are no Open vSwitch: whatever they do, it is told in one sentence, and we go on."""

import asyncio
import struct
import tempfile
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stasis_offload.errors import SwitchUnavailableError
from stasis_offload.openflow import channel, pending
from stasis_offload.openflow.channel import Timeouts
from stasis_offload.openflow.decode import Framer, Message
from stasis_offload.openflow.describe import describe_switch
from stasis_offload.openflow.endpoint import Unix
from stasis_offload.openflow.events import SwitchDown, SwitchUp
from stasis_offload.openflow.instance import Instance
from stasis_offload.openflow.switch import FIRST_DELAY, Switch
from tests.support.switch_events import SECONDS, Events, running

Peer = Callable[[StreamReader, StreamWriter], Awaitable[None]]

HELLO = b"\x04\x00\x00\x08\x00\x00\x00\x01"
# Of what is waited for in vain; the rest comes in time on a busy machine, too.
NO_HELLO, NO_ANSWER = Timeouts(connect=1.0), Timeouts(answer=0.3)


@asynccontextmanager
async def listening(peer: Peer) -> AsyncIterator[Unix]:
    """Let each connection to a socket meet the peer, until the block ends."""

    async def meet(reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(ConnectionError):  # what happens to a peer when we hang up
            await peer(reader, writer)
        writer.close()

    with tempfile.TemporaryDirectory(prefix="ovs-test-") as directory:
        path = Path(directory) / "peer.sock"
        server = await asyncio.start_unix_server(meet, path)
        try:
            yield Unix(str(path))
        finally:
            server.close()


def saying(data: bytes, *, then_close: bool = False) -> Peer:
    async def peer(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(data)
        if not then_close:
            await reader.read()

    return peer


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no OpenFlow hello from the switch within 1 s"),
        (HELLO[:5], "no OpenFlow hello from the switch within 1 s"),
        (
            b"HTTP/1.1 400 Bad Request\r\n",
            "the peer is not an OpenFlow switch: it sent 48 54 54 50 2f 31 2e 31",
        ),
        (b"\x01\x00\x00\x08\x00\x00\x00\x01", "the switch offers OpenFlow 1.0, but not 1.3"),
        (b"\x04\x02\x00\x08\x00\x00\x00\x01", "the switch began with message type 2 instead of a hello"),
        (
            b"\x01\x01\x00\x0f\x00\x00\x00\x01\x00\x00\x00\x00old",
            "the switch refused the connection: OFPHFC_INCOMPATIBLE(0) old",
        ),
        (HELLO, "no answer from the switch within 0.3 s"),
        (HELLO + b"\x01\x02\x00\x08\x00\x00\x00\x02", "the switch sent OpenFlow 1.0 after agreeing on 1.3"),
        (HELLO + b"\x04\x0a\x00\x08\x00\x00\x00\x02", "broken packet-in from the switch"),
    ],
)
async def test_a_peer_that_is_no_switch_is_told_apart(data: bytes, reason: str) -> None:
    timeouts = NO_HELLO if len(data) < len(HELLO) else NO_ANSWER
    async with listening(saying(data)) as endpoint, running(endpoint, timeouts=timeouts) as (_, events):
        assert (await events.next(SwitchDown)).reason.startswith(reason)


@settings(max_examples=30)
@given(st.binary(max_size=100), st.booleans())
async def test_whatever_a_peer_sends_its_end_is_told_and_it_is_tried_again(data: bytes, greets: bool) -> None:  # noqa: FBT001
    said = HELLO * greets + data
    async with listening(saying(said, then_close=True)) as endpoint, running(endpoint) as (switch, events):
        assert (await events.next(SwitchDown)).reason
        with pytest.raises(SwitchUnavailableError):
            _ = switch.flow_table.channel


async def switch_without_bundles(reader: StreamReader, writer: StreamWriter) -> None:
    """Answer as an OpenFlow 1.3 switch does that has one table, and to which experimenters mean nothing."""
    framer = Framer()
    writer.write(HELLO)
    while data := await reader.read(1 << 16):
        for message in framer.feed(data):
            writer.write(_answer(message))


async def switch_that_takes_all(reader: StreamReader, writer: StreamWriter) -> None:
    """Answer as a switch that refuses nothing, and keeps nothing."""
    framer = Framer()
    writer.write(HELLO)
    while data := await reader.read(1 << 16):
        for message in framer.feed(data):
            writer.write(_answer(message, tables=254))


def _answer(message: Message, *, tables: int = 1) -> bytes:
    match message.kind:
        case 4 if tables > 1:
            return b""
        case 4:  # experimenter: OFPET_BAD_REQUEST, OFPBRC_BAD_EXPERIMENTER
            kind, body = 1, struct.pack("!HHBBHI", 1, 3, 4, 4, 8, message.xid)
        case 5:
            kind, body = 6, struct.pack("!QIBB2xII", 0xAB, 0, tables, 0, 0, 0)
        case 7:
            kind, body = 8, bytes(4)
        case 18 if message.body[:2] == b"\x00\x00":
            kind, body = 19, message.body[:8] + b"Example".ljust(1056, b"\0")
        case 18:
            kind, body = 19, message.body[:8]
        case 20:
            kind, body = 21, b""
        case _:
            return b""
    return struct.pack("!BBHI", 4, kind, 8 + len(body), message.xid) + body


async def test_a_switch_that_lacks_what_is_needed_is_refused_and_says_so_once() -> None:
    async with listening(switch_without_bundles) as endpoint:
        description, _ = await describe_switch(endpoint, Instance())
        assert (description.datapath_id, description.manufacturer, description.ports) == (0xAB, "Example", ())
        lacks = "table 79 (it has 1), for the flows of calls; atomic bundles, for all flows of a call to change at once"
        assert "; ".join(map(str, description.missing)) == lacks
        async with running(endpoint) as (_, events):
            assert (await events.next(SwitchDown)).reason == f"the switch lacks {lacks}"
            await asyncio.sleep(2 * FIRST_DELAY)  # in which it is tried again
            assert events.rest() == []


# Of another id nothing more is asked; else the flows of table 0, then a flow and its barrier, then what else there is to know (7.1.1).
@pytest.mark.parametrize(
    ("datapath_id", "why", "first"),
    [("", "the switch lacks ", [0, 5, 18, 14, 20, 18]), (f"{1:016x}", "unix:", [0, 5])],
)
async def test_a_switch_is_first_asked_who_it_is_and_told_to_forward(
    datapath_id: str, why: str, first: list[int]
) -> None:
    kinds: list[int] = []

    async def peer(reader: StreamReader, writer: StreamWriter) -> None:
        framer = Framer()
        writer.write(HELLO)
        while data := await reader.read(1 << 16):
            for message in framer.feed(data):
                kinds.append(message.kind)
                writer.write(_answer(message))

    async with (
        listening(peer) as endpoint,
        running(endpoint, datapath_id=datapath_id, adds_table_miss=True) as (_, events),
    ):
        assert (await events.next(SwitchDown)).reason.startswith(why)
        assert kinds[:6] == first


async def test_a_switch_that_refuses_a_renewal_is_left_and_tried_again() -> None:
    async def peer(reader: StreamReader, writer: StreamWriter) -> None:
        framer, renewals = Framer(), 0
        writer.write(HELLO)
        while data := await reader.read(1 << 16):
            for message in framer.feed(data):
                renewals += message.kind == 13
                refused = message.kind == 13 and renewals > 1
                writer.write(_refusal(message) if refused else _answer(message, tables=254))

    async with listening(peer) as endpoint, running(endpoint) as (_, events):
        await events.next(SwitchUp)
        assert (await events.next(SwitchDown)).reason.startswith("the switch refused ")
        await events.next(SwitchUp)


def _refusal(message: Message) -> bytes:
    """Refuse a message: OFPET_BAD_ACTION, OFPBAC_BAD_TYPE."""
    return struct.pack("!BBHIHHBBHI", 4, 1, 20, message.xid, 2, 0, 4, message.kind, 8, message.xid)


@pytest.mark.parametrize("turns", range(8))
async def test_what_is_cancelled_while_a_connection_ends_has_ended(turns: int) -> None:
    async with listening(switch_that_takes_all) as endpoint:
        events = Events()
        switch = Switch(endpoint, events.tell)
        run = asyncio.create_task(switch.run())
        await events.next(SwitchUp)
        switch.flow_table.channel.close("as planned")
        for _ in range(turns):
            await asyncio.sleep(0)
        run.cancel()
        done, _ = await asyncio.wait([run], timeout=SECONDS)
        assert done


async def test_a_switch_that_asks_for_a_sign_of_life_gets_it() -> None:
    answered = asyncio.get_running_loop().create_future()

    async def peer(reader: StreamReader, writer: StreamWriter) -> None:
        await reader.readexactly(16)
        writer.write(HELLO + b"\x04\x02\x00\x0c\x00\x00\x00\x07ping")
        framer = Framer()
        while not answered.done():
            for message in framer.feed(await reader.read(1 << 16)):
                if message.kind == 3:
                    answered.set_result(message)

    async with listening(peer) as endpoint, running(endpoint):
        async with asyncio.timeout(SECONDS):
            assert await answered == Message(version=4, kind=3, xid=7, body=b"ping")


async def test_an_answer_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "MAX_ANSWER", 1 << 16)

    async def peer(reader: StreamReader, writer: StreamWriter) -> None:
        framer = Framer()
        writer.write(HELLO)
        while data := await reader.read(1 << 16):
            for message in framer.feed(data):
                while message.kind == 18:
                    part = struct.pack("!BBHIHH4x", 4, 19, 16 + 1056, message.xid, 0, 1) + bytes(1056)
                    writer.write(part)
                    await writer.drain()
                writer.write(_answer(message))

    async with listening(peer) as endpoint, running(endpoint) as (_, events):
        assert (await events.next(SwitchDown)).reason == "the switch's answer is larger than 0 MiB"


async def test_a_peer_that_asks_and_does_not_listen_is_not_answered_without_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(channel, "MAX_UNSENT", 1 << 16)

    async def peer(reader: StreamReader, writer: StreamWriter) -> None:
        del reader
        writer.write(HELLO)
        while True:
            writer.write(struct.pack("!BBHI", 4, 2, 0xFFF8, 1) + bytes(0xFFF0))
            await writer.drain()

    async with listening(peer) as endpoint, running(endpoint) as (_, events):
        assert (await events.next(SwitchDown)).reason == "the switch has not read the last 0 MiB sent to it"
