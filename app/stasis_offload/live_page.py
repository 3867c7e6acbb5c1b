"""The live page: files that come with the application, and a stream of events that shows the calls (WHATWG HTML, 9.2)."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from time import monotonic

from aiohttp import web

from stasis_offload.api_json import call_as_json, health_as_json
from stasis_offload.calls.views import CallView, Health
from stasis_offload.media.reasons import EXPLANATIONS

EVENTS = "/events"
_FOLDER = Path(__file__).parent / "page"
# Seconds between two looks, one for all who watch.
_EVERY = 2.0
# Who may watch at a time, and the calls that they are shown, the newest first.
_MOST_WATCHERS = 16
_MOST_CALLS = 200
_FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
_HEADERS = {
    # Nothing of another site, nothing inline, and no other site shows the page in a frame (Content Security Policy Level 3).
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Look = Callable[[], Awaitable[tuple[Sequence[CallView], Health, float | None]]]


class LivePage:
    """Serves the page; `look` returns every call, the health, and the cores that Asterisk uses, if that is known."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._looking = asyncio.Lock()
        self._seen: tuple[float, str] | None = None
        self._watchers = 0
        self._ended = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the page, its files and its events."""
        return [*(web.get(path, self._file) for path in _FILES), web.get(EVENTS, self._events)]

    def end(self) -> None:
        """End every stream of events, so that the server need not wait for who watches."""
        self._ended.set()

    async def _file(self, request: web.Request) -> web.Response:
        name, kind = _FILES[request.path]
        text = (_FOLDER / name).read_text(encoding="utf-8")
        return web.Response(text=text, content_type=kind, headers=_HEADERS)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self._watchers >= _MOST_WATCHERS:
            raise web.HTTPServiceUnavailable(text=f"{_MOST_WATCHERS} watch already")
        self._watchers += 1
        try:
            return await self._stream(request)
        finally:
            self._watchers -= 1

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(
            status=HTTPStatus.OK,
            headers={**_HEADERS, "Content-Type": "text/event-stream", "Cache-Control": "no-store"},
        )
        with suppress(ConnectionResetError):  # who watched has gone
            await response.prepare(request)
            while not self._ended.is_set():
                await response.write(f"data: {await self._latest()}\n\n".encode())
                with suppress(TimeoutError):
                    async with asyncio.timeout(_EVERY):
                        await self._ended.wait()
        return response

    async def _latest(self) -> str:
        """Return what there is to be seen, looked at no more often than each _EVERY s."""
        async with self._looking:
            if self._seen is None or monotonic() - self._seen[0] >= _EVERY / 2:
                views, health, cpu = await self._look()
                self._seen = (monotonic(), json.dumps(as_json(views, health, cpu)))
            return self._seen[1]


def as_json(views: Sequence[CallView], health: Health, cpu: float | None) -> dict[str, object]:
    """Return an event of the page: calls by state and by reason, the newest calls, health, and the cores of Asterisk."""
    newest = sorted(views, key=lambda view: view.age)[:_MOST_CALLS]
    reasons = Counter(view.reason_kind for view in views if view.reason_kind)
    return {
        "states": Counter(view.state for view in views),
        "reasons": [
            {"reason": kind, "calls": count, "text": _TEXTS.get(kind, "")}
            for kind, count in reasons.most_common()
        ],
        "calls": [call_as_json(view) for view in newest],
        "omitted": len(views) - len(newest),
        "health": health_as_json(health),
        "asterisk_cpu": None if cpu is None else round(cpu, 4),
    }


_TEXTS = {str(kind): text for kind, text in EXPLANATIONS.items()}
