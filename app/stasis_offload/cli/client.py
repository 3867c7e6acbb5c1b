"""Requests to the running application."""

import asyncio
from pathlib import Path

import aiohttp

from stasis_offload import config as configuration
from stasis_offload.api_json import BadAnswerError
from stasis_offload.errors import OffloadError
from stasis_offload.http_api import url_of

# Seconds; a little longer than the server's own timeout (http_api.py), so that its error arrives first.
_ANSWERED_WITHIN = 25.0
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to reach a server that listens everywhere


def request(config: Path | None, method: str, path: str, body: object = None) -> object:
    """Send a request to the running application; raise OffloadError for an error status, but not that of /healthz."""
    http = configuration.load(config).http
    url = url_of(_LOOPBACK.get(http.host, http.host), http.port)
    try:
        ok, answer = asyncio.run(_send(method, url + path, body))
    except TimeoutError as error:
        raise OffloadError(
            f"the application did not answer at {url} within {_ANSWERED_WITHIN:.0f} s"
        ) from error
    except aiohttp.ClientConnectionError as error:
        raise OffloadError(f"the application is not running: nothing answers at {url}") from error
    except (aiohttp.ClientError, ValueError) as error:
        raise BadAnswerError(f"what answers at {url} is not stasis-offload") from error
    match answer:
        case {"error": str(text)} if not ok:
            raise OffloadError(text)
        case {"problems": [*_]}:
            return answer
        case _ if not ok:
            raise BadAnswerError(f"what answers at {url} is not stasis-offload")
        case _:
            return answer


async def _send(method: str, url: str, body: object) -> tuple[bool, object]:
    timeout = aiohttp.ClientTimeout(total=_ANSWERED_WITHIN)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.request(method, url, json=body) as response,
    ):
        return response.ok, await response.json(content_type=None)
