"""The operator's HTTP interface. Every response but the metrics is JSON; web pages of other sites cannot use it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hmac import compare_digest
from http import HTTPStatus
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from stasis_offload.api_json import calls_as_json, details_as_json, health_as_json, stats_as_json
from stasis_offload.calls.views import CallDetails, CallView, Health, Stats, UnknownCallError
from stasis_offload.command_bodies import whether_drained, which_call, which_level, which_seconds
from stasis_offload.config_sections import HttpSettings
from stasis_offload.errors import OffloadError
from stasis_offload.listening import is_local_socket, listening, user_of
from stasis_offload.live_page import EVENTS, LivePage
from stasis_offload.log import set_level


class CallControl(Protocol):
    """The operations that the running application offers to an operator."""

    async def calls(self) -> Sequence[CallView]:
        """Return every call, oldest first, with the switch's current counters."""
        ...

    async def call(self, call: str) -> CallDetails:
        """Return one call with the switch's current counters, or one that ended within the last hour.

        Raises:
            UnknownCallError: there is no such call.

        """
        ...

    def health(self) -> Health:
        """Return the current problems, without waiting for anything."""
        ...

    async def stats(self) -> Stats:
        """Return what has become of all calls, with the switch's current counters."""
        ...

    async def relay(self, call: str | None, *, by: str) -> int:
        """Return a call's media to Asterisk and block its offload; None is all calls, new ones too. `by` is who wants it.

        Returns:
            the number of calls affected (1 for one call).

        Raises:
            UnknownCallError: there is no such call.
            OffloadError: it failed; the text says what is left to do.

        """
        ...

    async def drain(self, *, drained: bool) -> int:
        """Have the dialplan refuse new calls, or take them again.

        Returns:
            the number of calls, which go on.

        Raises:
            OffloadError: it failed.

        """
        ...

    async def offload(self, call: str | None) -> int:
        """Lift the block of `relay`; the call is offloaded as soon as no other reason prevents it.

        Returns and raises as `relay` does.
        """
        ...

    async def measure(self, seconds: float) -> int:
        """Have Asterisk relay all calls for so long, and no longer whoever dies; 0 ends it.

        Returns and raises as `relay` does.
        """
        ...


# The metrics and their content type, for a header `Accept`.
Exposition = Callable[[str], tuple[bytes, str]]

log = structlog.get_logger()

# Seconds for one request. A command for all calls takes a moment per call; after this something hangs.
_ANSWER_WITHIN = 20.0
# Seconds in which pending requests may finish when the application stops.
_FINISH_WITHIN = 2.0
_MAX_BODY = 4096
# Characters of what a program says of itself that are logged.
_SHORT = 80


@dataclass(slots=True)
class CommandToken:
    """The token by which the TCP port takes commands, as it is now; None: the port is read-only."""

    value: str | None


@asynccontextmanager
async def serve(
    config: HttpSettings,
    operations: CallControl,
    metrics: Exposition,
    *,
    token: CommandToken | None = None,
    asterisk_cpu: Callable[[], float | None] = lambda: None,
    look_at_switch: Callable[[], Awaitable[dict[str, object]]] | None = None,
) -> AsyncIterator[tuple[str, ...]]:
    """Serve until the context ends, then finish pending requests; yield where: a path, a base URL, or both.

    `token` is that of the configuration, unless one is given that may change. `asterisk_cpu` returns the cores that Asterisk
    uses, if that is known, for the page; `look_at_switch` returns what `check` says of the connected switch.

    Raises:
        ConfigError, OffloadError: as `listening` does.

    """
    app = web.Application(
        middlewares=[
            _answer_in_json,
            _refuse_rebound_names(config),
            _refuse_commands(token or CommandToken(config.token)),
        ],
        client_max_size=_MAX_BODY,
    )

    async def look() -> tuple[Sequence[CallView], Health, float | None]:
        return await operations.calls(), operations.health(), asterisk_cpu()

    page = LivePage(look)
    app.add_routes([*_routes(operations), *page.routes(), web.get("/metrics", _show_metrics(metrics))])
    if look_at_switch:
        app.add_routes([web.get("/switch", _show_switch(look_at_switch))])
    # No access log: an operator polls, and the log is about calls.
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_FINISH_WITHIN)
    async with listening(runner, config) as places:
        try:
            yield places
        finally:
            page.end()


def _routes(operations: CallControl) -> list[web.RouteDef]:
    async def list_calls(request: web.Request) -> web.Response:
        del request
        return web.json_response(calls_as_json(await operations.calls()))

    async def show_call(request: web.Request) -> web.Response:
        return web.json_response(details_as_json(await operations.call(request.match_info["call"])))

    async def show_health(request: web.Request) -> web.Response:
        del request
        health = operations.health()
        status = HTTPStatus.OK if health.ok else HTTPStatus.SERVICE_UNAVAILABLE
        return web.json_response(health_as_json(health), status=status)

    async def show_stats(request: web.Request) -> web.Response:
        del request
        return web.json_response(stats_as_json(await operations.stats()))

    async def relay(request: web.Request) -> web.Response:
        call, who = await which_call(request), _operator(request)
        log.info("operator.relay", call=call or "all", **who)
        by = who.get("user") or who.get("remote") or "unknown"
        by += f" ({who['program']})" if who["program"] else ""
        return web.json_response({"calls": await operations.relay(call, by=by)})

    async def offload(request: web.Request) -> web.Response:
        call = await which_call(request)
        log.info("operator.offload", call=call or "all", **_operator(request))
        return web.json_response({"calls": await operations.offload(call)})

    async def measure(request: web.Request) -> web.Response:
        seconds = await which_seconds(request)
        log.info("operator.measure", seconds=seconds, **_operator(request))
        return web.json_response({"calls": await operations.measure(seconds)})

    async def drain(request: web.Request) -> web.Response:
        drained = await whether_drained(request)
        log.warning("operator.drain", drained=drained, **_operator(request))
        return web.json_response({"calls": await operations.drain(drained=drained)})

    async def set_log_level(request: web.Request) -> web.Response:
        level = await which_level(request)
        was = set_level(level)
        log.warning("operator.log", to=level, was=was, **_operator(request))
        return web.json_response({"level": level, "was": was})

    return [
        web.get("/calls", list_calls),
        web.get("/calls/{call}", show_call),
        web.get("/healthz", show_health),
        web.get("/stats", show_stats),
        web.post("/relay", relay),
        web.post("/offload", offload),
        web.post("/measure", measure),
        web.post("/drain", drain),
        web.post("/log", set_log_level),
    ]


def _operator(request: web.Request) -> dict[str, str]:
    """Return what the log says of who commands: the user or the address, and the program, as that says itself."""
    who = {"user": user_of(request)} if is_local_socket(request) else {"remote": request.remote or ""}
    program = "".join(filter(str.isprintable, request.headers.get("User-Agent", "")))
    return {**who, "program": program[:_SHORT]}


def _show_metrics(metrics: Exposition) -> Handler:
    async def show(request: web.Request) -> web.Response:
        body, content_type = metrics(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    return show


def _show_switch(look: Callable[[], Awaitable[dict[str, object]]]) -> Handler:
    async def show(request: web.Request) -> web.Response:
        del request
        return web.json_response(await look())

    return show


@web.middleware
async def _answer_in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        async with asyncio.timeout(None if request.path == EVENTS else _ANSWER_WITHIN):
            return await handler(request)
    except web.HTTPException as error:
        return _error(error.status, error.text or error.reason, error.headers.get("WWW-Authenticate"))
    except UnknownCallError as error:
        return _error(HTTPStatus.NOT_FOUND, str(error))
    except OffloadError as error:
        return _error(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    except TimeoutError:
        return _error(HTTPStatus.GATEWAY_TIMEOUT, f"not done within {_ANSWER_WITHIN:.0f} s; see the log")
    except Exception:
        log.exception("http.failed", method=request.method, path=request.path)
        return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error; see the log")


def _error(status: int, text: str, challenge: str | None = None) -> web.Response:
    headers = {"WWW-Authenticate": challenge} if challenge else None  # RFC 9110, 11.6.1
    return web.json_response({"error": text}, status=status, headers=headers)


def _refuse_rebound_names(config: HttpSettings) -> Middleware:
    """Return a middleware that, on loopback, accepts only loopback names as Host: protection from DNS rebinding.

    A page whose name is rebound to 127.0.0.1 has our origin, so the content type does not stop it; but its browser
    sends the page's name as Host.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if is_local_socket(request):  # which no browser opens
            return await handler(request)
        try:
            name = urlsplit("//" + request.headers.get("Host", "")).hostname or ""
        except ValueError as error:
            raise web.HTTPBadRequest(text="the Host header is not a host") from error
        if _is_loopback(config.host) and not _is_loopback(name):
            raise web.HTTPForbidden(text=f"this interface is not called {name!r}")
        return await handler(request)

    return check


def _refuse_commands(token: CommandToken) -> Middleware:
    """Return a middleware that takes commands over the socket, whose file has rights, and else from who has the token."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD") and not is_local_socket(request):
            if token.value is None:
                raise web.HTTPForbidden(text="read-only: http.token_file is not set; use the command line")
            given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
            if not compare_digest(given, f"Bearer {token.value}".encode()):
                raise web.HTTPUnauthorized(
                    text="send the token: Authorization: Bearer …", headers={"WWW-Authenticate": "Bearer"}
                )
        return await handler(request)

    return check


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
