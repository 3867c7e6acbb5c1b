"""The live page as a browser asks for it: its files, its rules, and the stream of events."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from stasis_offload.config_sections import HttpSettings
from stasis_offload.http_api import serve
from tests.support.fake_operations import DIALING, OFFLOADED, FakeOperations, no_metrics

WITHIN = 20.0
PAGE = Path(__file__).parents[3] / "app" / "stasis_offload" / "page"


@pytest.fixture
def operations() -> FakeOperations:
    return FakeOperations()


@pytest.fixture
async def url(free_port: int, operations: FakeOperations) -> AsyncIterator[str]:
    async with serve(
        HttpSettings(socket=None, port=free_port), operations, no_metrics, asterisk_cpu=lambda: 0.25
    ) as (url,):
        yield url


async def first_event(response: aiohttp.ClientResponse) -> Any:
    async with asyncio.timeout(WITHIN):
        line = await response.content.readline()
    name, _, data = line.decode().partition(": ")
    assert name == "data"
    return json.loads(data)


@pytest.mark.parametrize(
    ("path", "kind", "name"),
    [
        ("/", "text/html", "index.html"),
        ("/page.js", "text/javascript", "page.js"),
        ("/page.css", "text/css", "page.css"),
    ],
)
async def test_the_files_of_the_page_come_with_rules_that_keep_others_out(
    url: str, path: str, kind: str, name: str
) -> None:
    async with aiohttp.ClientSession() as session, session.get(url + path) as response:
        assert (response.status, response.content_type) == (200, kind)
        assert await response.text() == text_of(name)
        rules = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in rules
        assert "frame-ancestors 'none'" in rules
        assert "unsafe" not in rules


def text_of(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "word", ["http://", "https://", "//cdn", "innerHTML", "insertAdjacentHTML", "document.write", "eval("]
)
def test_no_file_of_the_page_names_another_site_or_makes_markup_of_text(word: str) -> None:
    allowed = text_of("page.js").replace(
        "http://www.w3.org/2000/svg", ""
    )  # a name of XML, asked for by nobody
    assert word not in text_of("index.html") + text_of("page.css") + allowed


async def test_an_event_has_all_that_the_page_shows(url: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/events") as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        event = await first_event(response)
    assert event["states"] == {"offloaded": 1, "dialing": 1}
    assert {call["call"] for call in event["calls"]} == {OFFLOADED.call, DIALING.call}
    assert (event["omitted"], event["asterisk_cpu"], event["health"]["ok"]) == (0, 0.25, True)
    assert [(each["reason"], each["calls"]) for each in event["reasons"]] == [("nobody answered yet", 1)]


async def test_who_watches_is_shown_what_changes(url: str, operations: FakeOperations) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/events") as response:
        assert (await first_event(response))["health"]["problems"] == []
        operations.problems = ("the switch is away",)
        async with asyncio.timeout(WITHIN):
            while True:
                line = (await response.content.readline()).decode()
                if line.startswith("data: ") and json.loads(line[6:])["health"]["problems"]:
                    break


async def test_so_many_may_watch_and_no_more(url: str) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        watching = [await session.get(f"{url}/events") for _ in range(16)]
        async with session.get(f"{url}/events") as refused:
            assert refused.status == 503
        with capture_logs() as logged:
            watching[0].close()
            async with asyncio.timeout(WITHIN):
                while True:
                    async with session.get(f"{url}/events") as again:
                        if again.status == 200:
                            break
        assert logged == []
        for response in watching:
            response.close()


async def test_the_server_does_not_wait_for_who_watches(free_port: int, operations: FakeOperations) -> None:
    async with aiohttp.ClientSession() as session:
        async with serve(HttpSettings(socket=None, port=free_port), operations, no_metrics) as (url,):
            response = await session.get(f"{url}/events")
            await first_event(response)
        async with asyncio.timeout(WITHIN):
            assert (await response.read()).strip() == b""
