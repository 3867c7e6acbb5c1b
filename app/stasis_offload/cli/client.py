"""Requests to the running application: over its socket, or over its TCP port where it has none."""

import asyncio
import errno
import os
import pwd
from pathlib import Path

import aiohttp

from stasis_offload import config as configuration
from stasis_offload.api_json import BadAnswerError
from stasis_offload.config_sections import HttpSettings
from stasis_offload.errors import ConfigError, OffloadError
from stasis_offload.listening import url_of

# Seconds; a little longer than the server's own timeout (http_api.py), so that its error arrives first.
_ANSWERED_WITHIN = 25.0
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to reach a server that listens everywhere


def request(config: Path | None, method: str, path: str, body: object = None) -> object:
    """Send a request to the running application; raise OffloadError for an error status, but not that of /healthz."""
    http = configuration.load_http(config)
    where = _place(http)
    try:
        ok, answer = asyncio.run(_send(http, method, path, body))
    except TimeoutError as error:
        raise OffloadError(
            f"the application did not answer at {where} within {_ANSWERED_WITHIN:.0f} s"
        ) from error
    except aiohttp.ClientConnectorError as error:
        if error.os_error.errno in (errno.EACCES, errno.EPERM):
            raise OffloadError(
                f"may not use {where}: run this as root, or as a member of its group"
            ) from error
        raise OffloadError(f"the application is not running: nothing answers at {where}") from error
    except aiohttp.ClientConnectionError as error:
        raise OffloadError(f"the application is not running: nothing answers at {where}") from error
    except (aiohttp.ClientError, ValueError) as error:
        raise BadAnswerError(f"what answers at {where} is not stasis-offload") from error
    match answer:
        case {"error": str(text)} if not ok:
            raise OffloadError(text)
        case {"problems": [*_]}:
            return answer
        case _ if not ok:
            raise BadAnswerError(f"what answers at {where} is not stasis-offload")
        case _:
            return answer


def _place(http: HttpSettings) -> str:
    """Return where the application is asked: a path, or a base URL."""
    if http.socket:
        return str(http.socket)
    if http.port:
        return url_of(_LOOPBACK.get(http.host, http.host), http.port)
    raise ConfigError("http.socket, http.port: neither is set, so the running application cannot be asked")


def _program() -> str:
    """Return what the log of the application is to say of who asked: this program, and the user, before sudo if by that."""
    try:
        user = os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # in a container the name may be unknown
        user = str(os.getuid())
    return f"stasis-offload, user {user}"


async def _send(http: HttpSettings, method: str, path: str, body: object) -> tuple[bool, object]:
    connector = aiohttp.UnixConnector(str(http.socket)) if http.socket else None
    base = "http://localhost" if http.socket else _place(http)
    headers = {"User-Agent": _program()}
    if http.token and not http.socket:
        headers["Authorization"] = f"Bearer {http.token}"
    async with (
        aiohttp.ClientSession(
            connector=connector, headers=headers, timeout=aiohttp.ClientTimeout(total=_ANSWERED_WITHIN)
        ) as session,
        session.request(method, base + path, json=body) as response,
    ):
        return response.ok, await response.json(content_type=None)
