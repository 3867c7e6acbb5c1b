"""Captures go to the collector that was given last; none is waited for."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from stasis_offload.calls import hep_sender
from stasis_offload.calls.hep_sender import Collector, HepSender
from stasis_offload.packets.address import Address
from stasis_offload.packets.hep import Agent, Capture, Kind, encode

AGENT = Agent(capture_id=7)
CAPTURE = Capture(
    kind=Kind.RTP_REPORT,
    at=1.0,
    source=Address.parse("192.0.2.1:1"),
    destination=Address.parse("192.0.2.2:2"),
    channel="PJSIP/a-1",
    call_id="id",
    payload="{}",
)


@contextmanager
def collector() -> Iterator[tuple[socket.socket, Collector]]:
    """Listen at a port of loopback."""
    with socket.socket(type=socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(10)
        yield listening, Collector("127.0.0.1", listening.getsockname()[1], AGENT)


@asynccontextmanager
async def running(first: Collector | None) -> AsyncIterator[HepSender]:
    sender = HepSender(first)
    task = asyncio.create_task(sender.run())
    try:
        yield sender
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def sent(sender: HepSender, count: int) -> None:
    """Send until so many captures were sent."""
    async with asyncio.timeout(10):
        while sender.sent < count:
            sender.send(CAPTURE)
            await asyncio.sleep(0.01)


def test_captures_go_to_the_collector_that_was_given_last() -> None:
    async def main() -> None:
        with collector() as (one, first), collector() as (other, second):
            async with running(first) as sender:
                await sent(sender, 1)
                assert one.recv(1000) == encode(CAPTURE, AGENT)
                again = replace(second, agent=Agent(capture_id=8))
                sender.use(again)
                await sent(sender, sender.sent + 2)
                assert other.recv(1000) == encode(CAPTURE, again.agent)

    asyncio.run(main())


def test_without_a_collector_nothing_is_sent_or_lost() -> None:
    async def main() -> None:
        async with running(None) as sender:
            sender.send(CAPTURE)
            assert not sender.wants_reports
            assert (sender.sent, sender.lost) == (0, 0)

    asyncio.run(main())


def test_where_nobody_listens_captures_are_lost_and_that_is_logged_once() -> None:
    with collector() as (_, gone):
        pass

    async def main() -> None:
        async with running(gone) as sender, asyncio.timeout(10):
            while sender.lost < 20:
                sender.send(CAPTURE)
                await asyncio.sleep(0.005)

    with capture_logs() as logged:
        asyncio.run(main())
    assert [line["event"] for line in logged] == ["hep.up", "hep.refused"]


def test_a_name_that_is_not_known_yet_is_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hep_sender, "_LOOKED_UP_AGAIN_AFTER", 0.01)
    asked: list[object] = []

    async def main() -> None:
        with collector() as (listening, there):
            loop = asyncio.get_running_loop()
            resolve = loop.getaddrinfo

            async def getaddrinfo(host: str, port: int, **options: int) -> object:
                asked.append(host)
                if len(asked) < 4:
                    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
                return await resolve("127.0.0.1", port, **options)

            monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
            async with running(replace(there, host="homer.example")) as sender:
                await sent(sender, 1)
                listening.recv(1000)
                assert sender.lost > 0

    with capture_logs() as logged:
        asyncio.run(main())
    assert asked == ["homer.example"] * 4
    assert [line["event"] for line in logged] == ["hep.not_found", "hep.up"]


def test_a_name_that_can_be_none_is_one_that_is_not_found() -> None:
    async def main() -> None:
        with collector() as (listening, there):
            async with running(replace(there, host="homer..example")) as sender:
                async with asyncio.timeout(10):
                    while not logged:  # noqa: ASYNC110 - a log has no event
                        await asyncio.sleep(0.01)
                sender.use(there)
                await sent(sender, 1)
                listening.recv(1000)

    with capture_logs() as logged:
        asyncio.run(main())
    assert [line["event"] for line in logged] == ["hep.not_found", "hep.up"]
