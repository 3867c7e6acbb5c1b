"""HTTP transport for ARI: credentials in a header only, a deadline for each request, our own error types."""

import asyncio
import json
import os
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import urlsplit

import aiohttp

from stasis_offload.errors import AriError, AriUnavailableError
from stasis_offload.measures import Requests

# In seconds. Asterisk responds within milliseconds; a server that takes this long is hanging.
REQUEST_DEADLINE = 5.0
# In seconds, of a request whose response comes when a party has dialled or spoken.
LONG_REQUEST_DEADLINE = 3600.0
# In seconds. A peer that vanished without closing the connection is detected within one and a half intervals; so is an Asterisk
# that could not write an event in time, and has closed the websocket for itself alone (ast_websocket_write in
# res/res_http_websocket.c, websocket_write_timeout in ari.conf).
HEARTBEAT = 5.0
# Below http.conf's sessionlimit, which defaults to 100 for all clients together.
CONNECTIONS = 32
# In seconds. Asterisk closes a connection that is idle for 15 s (http.conf, session_keep_alive). It must not do so
# just as we send a POST, which cannot be repeated.
KEEP_ALIVE = 5.0

NOT_FOUND = 404

_deadline = ContextVar("deadline", default=REQUEST_DEADLINE)


@contextmanager
def long_requests() -> Iterator[None]:
    """Wait long for the responses to what the block requests: a subroutine may ask somebody something."""
    token = _deadline.set(LONG_REQUEST_DEADLINE)
    try:
        yield
    finally:
        _deadline.reset(token)


class RefusedError(AriError):
    """Asterisk refused a request; carries the HTTP status."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class AriHttp:
    """HTTP client for aioari, in place of its own.

    aioari's own client puts the password into every URL (unquoted into the websocket's), has no deadlines and keeps
    connections open until Asterisk closes them. `requests` is added to with each request.
    """

    def __init__(self, username: str, password: str, requests: Requests) -> None:
        self._requests = requests
        key = b64encode(f"{username}:{password}".encode()).decode()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE),
            headers={"Authorization": f"Basic {key}"},
        )

    async def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None = None,
        data: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> aiohttp.ClientResponse:
        """Send a request and return the response, its body already read.

        Raises:
            RefusedError: Asterisk refused the request.
            AriUnavailableError: there is no response.

        """
        now = asyncio.get_running_loop().time
        began = now()
        try:
            async with self._session.request(
                method,
                url,
                params=params,
                data=data,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=_deadline.get()),
            ) as response:
                body = await response.text()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Closing the session cancels every task that waits for one of its connections.
            self._requests.unanswered()
            raise _unavailable(method, url, aiohttp.ClientConnectionError()) from None
        except (aiohttp.ClientError, OSError) as error:
            self._requests.unanswered()
            raise _unavailable(method, url, error) from None
        if response.status >= 300:  # noqa: PLR2004 - ARI answers 200 or 204, and redirects nowhere
            self._requests.refused(now() - began)
            text = f"Asterisk refused {method} {urlsplit(url).path}: {_reason(response, body)}"
            raise RefusedError(text, response.status)
        if _deadline.get() == REQUEST_DEADLINE:  # the time of a long one is that of a party, not of Asterisk
            self._requests.answered(now() - began)
        return response

    async def ws_connect(self, url: str, params: Mapping[str, str]) -> aiohttp.ClientWebSocketResponse:
        """Open a websocket; raise AriUnavailableError if that fails."""
        try:
            return await self._session.ws_connect(url, params=params, heartbeat=HEARTBEAT)
        except (aiohttp.ClientError, OSError) as error:
            raise _unavailable("the websocket", url, error) from None

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()


def _unavailable(method: str, url: str, error: Exception) -> AriUnavailableError:
    match error:
        case aiohttp.WSServerHandshakeError(status=status):
            reason = f"HTTP status {status}"
        case TimeoutError():
            reason = f"no answer within {_deadline.get():g} s"
        case OSError(errno=int(number)) if number > 0:
            reason = os.strerror(number)
        case OSError(strerror=str(text)):  # for a name that cannot be resolved
            reason = text
        case _:
            reason = type(error).__name__
    to = urlsplit(url)
    return AriUnavailableError(f"{method} {to.path} of Asterisk at {to.hostname}:{to.port} failed: {reason}")


def _reason(response: aiohttp.ClientResponse, body: str) -> str:
    try:
        match json.loads(body):
            case {"message": str(message)}:
                return f"{response.status} {message}"
    except ValueError:
        pass
    return f"{response.status} {response.reason}"
