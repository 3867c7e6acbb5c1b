"""The bodies of the commands that come by HTTP: JSON, and nothing in it that is not known."""

import json

from aiohttp import web

from stasis_offload.comparison import MOST_SECONDS
from stasis_offload.log import LEVELS


async def which_call(request: web.Request) -> str | None:
    """Parse which call is meant, None for all.

    Raises:
        aiohttp.web.HTTPException: the body is not what this command takes; the text says what that is.

    """
    match await _body(request):
        case {"call": str(call), **rest} if not rest:
            return call
        case {"all": True, **rest} if not rest:
            return None
        case _:
            raise web.HTTPBadRequest(text='the body must be {"call": ID} or {"all": true}')


async def which_seconds(request: web.Request) -> float:
    """Parse for how long; raises as `which_call`."""
    match await _body(request):
        case {"seconds": int() | float() as seconds, **rest} if not rest and 0 <= seconds <= MOST_SECONDS:
            return float(seconds)
        case _:
            raise web.HTTPBadRequest(text=f'the body must be {{"seconds": S}}, S from 0 to {MOST_SECONDS}')


async def whether_drained(request: web.Request) -> bool:
    """Parse whether new calls are to be refused; raises as `which_call`."""
    match await _body(request):
        case {"drained": bool(drained), **rest} if not rest:
            return drained
        case _:
            raise web.HTTPBadRequest(text='the body must be {"drained": true} or {"drained": false}')


async def which_level(request: web.Request) -> str:
    """Parse a level of the log; raises as `which_call`."""
    match await _body(request):
        case {"level": str(level), **rest} if not rest and level in LEVELS:
            return level
        case _:
            raise web.HTTPBadRequest(
                text=f'the body must be {{"level": LEVEL}}, LEVEL one of {", ".join(LEVELS)}'
            )


async def _body(request: web.Request) -> object:
    """Return the JSON of a command.

    A browser sends this content type to another site only after a preflight request, which is never granted
    (Fetch standard, CORS-safelisted request-header).
    """
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="the content type must be application/json")
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise web.HTTPBadRequest(text="the body is not JSON") from error
