"""The operator's HTTP interface: every answer is JSON, and no web page of another site can command it."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from stasis_offload.api_json import call_as_json, calls_as_json, health_as_json
from stasis_offload.calls.views import CallView, Health, UnknownCallError
from stasis_offload.config import HttpSettings
from stasis_offload.errors import ConfigError, OffloadError


class CallControl(Protocol):
    """What the running application lets an operator do."""

    async def calls(self) -> Sequence[CallView]:
        """Return every call, oldest first, with the switch's counters of this moment."""
        ...

    def health(self) -> Health:
        """Return what is wrong at this moment, without waiting for anything."""
        ...

    async def relay(self, call: str | None) -> int:
        """Put a call's media back through Asterisk and hold it there; None is all calls, new ones too.

        Returns:
            how many calls were meant (1 for one call).

        Raises:
            UnknownCallError: there is no such call.
            OffloadError: it could not be done; the text says what is left to do.

        """
        ...

    async def offload(self, call: str | None) -> int:
        """End what `relay` holds; the call is offloaded as soon as nothing else speaks against it.

        Returns and raises as `relay` does.
        """
        ...


log = structlog.get_logger()

# An operator's word to all calls takes a moment per call; longer than this and something hangs.
_ANSWER_WITHIN = 20.0
# What is being answered when the application stops may take this long to finish (s).
_FINISH_WITHIN = 2.0
_MAX_BODY = 4096


@asynccontextmanager
async def serve(config: HttpSettings, operations: CallControl) -> AsyncIterator[str]:
    """Serve until the context ends, then finish what is being answered; yields the base URL.

    Raises:
        ConfigError: the address cannot be listened on.

    """
    app = web.Application(
        middlewares=[_answer_in_json, _refuse_rebound_names(config)], client_max_size=_MAX_BODY
    )
    app.add_routes(_routes(operations))
    # No access log: an operator polls, and the log is about calls.
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_FINISH_WITHIN)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, config.host, config.port).start()
        except OSError as error:
            where = url_of(config.host, config.port)
            # asyncio writes a text of its own around the system's; a name that is none has a negative number.
            cause = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise ConfigError(f"http.host, http.port: cannot listen on {where}: {cause}") from error
        host, port, *_ = runner.addresses[0]
        yield url_of(host, port)
    finally:
        await runner.cleanup()


def url_of(host: str, port: int) -> str:
    """Write the address of a server; an IPv6 host goes in brackets (RFC 3986, 3.2.2)."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _routes(operations: CallControl) -> list[web.RouteDef]:
    async def list_calls(request: web.Request) -> web.Response:
        del request
        return web.json_response(calls_as_json(await operations.calls()))

    async def show_call(request: web.Request) -> web.Response:
        return web.json_response(call_as_json(_find(await operations.calls(), request.match_info["call"])))

    async def tell_health(request: web.Request) -> web.Response:
        del request
        health = operations.health()
        status = HTTPStatus.OK if health.ok else HTTPStatus.SERVICE_UNAVAILABLE
        return web.json_response(health_as_json(health), status=status)

    async def relay(request: web.Request) -> web.Response:
        return web.json_response({"calls": await operations.relay(await _which_call(request))})

    async def offload(request: web.Request) -> web.Response:
        return web.json_response({"calls": await operations.offload(await _which_call(request))})

    return [
        web.get("/calls", list_calls),
        web.get("/calls/{call}", show_call),
        web.get("/healthz", tell_health),
        web.post("/relay", relay),
        web.post("/offload", offload),
    ]


def _find(views: Sequence[CallView], call: str) -> CallView:
    for view in views:
        if view.call == call:
            return view
    raise UnknownCallError(f"there is no call {call!r}")


async def _which_call(request: web.Request) -> str | None:
    """Read which call is meant, None for all.

    A browser sends this content type to another site only after asking it, and we never consent
    (Fetch standard, CORS-safelisted request-header).
    """
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="the content type must be application/json")
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise web.HTTPBadRequest(text="the body is not JSON") from error
    match body:
        case {"call": str(call)} if len(body) == 1:
            return call
        case {"all": True} if len(body) == 1:
            return None
        case _:
            raise web.HTTPBadRequest(text='the body must be {"call": ID} or {"all": true}')


@web.middleware
async def _answer_in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        async with asyncio.timeout(_ANSWER_WITHIN):
            return await handler(request)
    except web.HTTPException as error:
        return _error(error.status, error.text or error.reason)
    except UnknownCallError as error:
        return _error(HTTPStatus.NOT_FOUND, str(error))
    except OffloadError as error:
        return _error(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    except TimeoutError:
        return _error(HTTPStatus.GATEWAY_TIMEOUT, f"not done within {_ANSWER_WITHIN:.0f} s; see the log")
    except Exception:
        log.exception("http.failed", method=request.method, path=request.path)
        return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error; see the log")


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


def _refuse_rebound_names(config: HttpSettings) -> Middleware:
    """Answer on loopback only to loopback's own names, whatever a foreign name was made to resolve to.

    A page whose name is rebound to 127.0.0.1 is of the same origin as we, so the content type does not stop it;
    but it cannot help sending its own name.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            name = urlsplit("//" + request.headers.get("Host", "")).hostname or ""
        except ValueError as error:
            raise web.HTTPBadRequest(text="the Host header is not a host") from error
        if _is_loopback(config.host) and not _is_loopback(name):
            raise web.HTTPForbidden(text=f"this interface is not called {name!r}")
        return await handler(request)

    return check


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
