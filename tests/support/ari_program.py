"""ARI of node 2 as another program uses it: requests by hand, and a Stasis application that is not ours."""

import asyncio
import base64
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request, urlopen

import aiohttp

from lab.capture import NODE2
from lab.control import LabError, wait_until

URL = f"http://{NODE2}:8088/ari"
KEY = {"Authorization": f"Basic {base64.b64encode(b'offload:lab-only').decode()}"}


def get(*path: str, **query: str) -> Any:
    """GET one resource and return what it says."""
    return _request("GET", path, query)


def post(*path: str, **query: str) -> Any:
    """POST to one resource, everything in the query, and return the answer."""
    return _request("POST", path, query)


def post_each(*path: str, queries: Iterable[Mapping[str, str]]) -> None:
    """POST to one resource once for each query, over one connection."""
    url = urlsplit("/".join([URL, *(quote(part, safe="") for part in path)]))
    with closing(HTTPConnection(url.netloc, timeout=10)) as connection:
        for query in queries:
            connection.request("POST", f"{url.path}?{urlencode(query)}", headers=KEY)
            answer = connection.getresponse()
            if answer.status != HTTPStatus.NO_CONTENT:
                raise LabError(f"POST {url.path}: {answer.status}")
            answer.read()


def delete(*path: str, **query: str) -> None:
    """DELETE one resource."""
    _request("DELETE", path, query)


def _request(method: str, path: tuple[str, ...], query: Mapping[str, str]) -> Any:
    url = "/".join([URL, *(quote(part, safe="") for part in path)])
    request = Request(f"{url}?{urlencode(query)}", method=method, headers=KEY)
    try:
        with urlopen(request, timeout=10) as answer:
            body = answer.read()
    except HTTPError as error:
        raise LabError(f"{method} {url}: {error.code} {error.read().decode()}") from error
    return json.loads(body) if body else None


@dataclass(frozen=True, slots=True)
class Heard:
    """One event: when Asterisk made it and when it arrived here (both Unix time, s), and what it says."""

    made: float
    arrived: float
    event: Mapping[str, Any]


class Program:
    """A Stasis application beside ours: it may hold channels of its own, and hears of theirs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.heard: list[Heard] = []

    def wait_for(self, kind: str, *, within: float = 10.0, **about: str) -> Mapping[str, Any]:
        """Return the first event of a type in which these objects have these ids (`channel="1.2"`)."""

        def found() -> Mapping[str, Any] | None:
            events = (heard.event for heard in self.heard)
            return next((event for event in events if _is(event, kind, about)), None)

        return wait_until(found, within=within, what=f"{kind} of {about}")


def _is(event: Mapping[str, Any], kind: str, about: Mapping[str, str]) -> bool:
    return event["type"] == kind and all(
        event.get(key, {}).get("id") == value for key, value in about.items()
    )


@contextmanager
def program(name: str, *, hears_all: bool = False) -> Iterator[Program]:
    """Run a Stasis application while the block runs; with `hears_all` it hears of every channel and bridge."""
    told = Program(name)
    begun, end = threading.Event(), _End()
    query = {"app": name, "subscribeAll": str(hears_all).lower()}
    listening = threading.Thread(
        target=lambda: asyncio.run(_listen(query, told.heard, begun, end)), daemon=True
    )
    listening.start()
    try:
        if not begun.wait(timeout=10):
            raise LabError(f"no events from {URL} for {name}")
        yield told
    finally:
        end.come()
        listening.join(timeout=10)


class _End:
    """Lets the test end what runs in another thread's event loop."""

    def __init__(self) -> None:
        self.come: Callable[[], object] = lambda: None

    def within(self) -> asyncio.Event:
        """Make the event that `come` sets, in the loop that waits for it."""
        ended, loop = asyncio.Event(), asyncio.get_running_loop()
        self.come = lambda: loop.call_soon_threadsafe(ended.set)
        return ended


async def _listen(query: Mapping[str, str], heard: list[Heard], begun: threading.Event, end: _End) -> None:
    ended = asyncio.create_task(end.within().wait())
    async with (
        aiohttp.ClientSession(headers=KEY) as session,
        session.ws_connect(f"{URL}/events", params=query) as websocket,
    ):
        begun.set()
        while True:
            message = asyncio.create_task(websocket.receive())
            await asyncio.wait({message, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done() or message.result().type is not aiohttp.WSMsgType.TEXT:
                message.cancel()
                return
            event = json.loads(message.result().data)
            made = datetime.strptime(event["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
            heard.append(Heard(made=made, arrived=time.time(), event=event))
