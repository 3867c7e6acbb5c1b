"""How requests travel to Asterisk: the key in a header and nowhere else, a deadline on each, errors of ours."""

import asyncio
import json
import os
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import urlsplit

import aiohttp

from stasis_offload.errors import AriError, AriUnavailableError

# Asterisk answers within milliseconds; what takes this long (s) is a server that hangs.
REQUEST_DEADLINE = 5.0
# A peer that vanished without a word is noticed within one and a half of these (s).
HEARTBEAT = 10.0
# Fewer than the 100 that http.conf's sessionlimit allows everybody by default.
CONNECTIONS = 32
# Asterisk closes a connection that is idle for 15 s (http.conf, session_keep_alive): it must not do so just as
# we send a POST, which cannot be repeated.
KEEP_ALIVE = 5.0


class RefusedError(AriError):
    """An answer that says no, with its HTTP status."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class AriHttp:
    """What aioari asks of an HTTP client, in place of its own.

    Its own puts the key into every URL (into that of the websocket without quoting it), knows no deadlines and
    keeps connections until Asterisk closes them.
    """

    def __init__(self, username: str, password: str) -> None:
        key = b64encode(f"{username}:{password}".encode()).decode()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE),
            headers={"Authorization": f"Basic {key}"},
            timeout=aiohttp.ClientTimeout(total=REQUEST_DEADLINE),
        )

    async def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None = None,
        data: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> aiohttp.ClientResponse:
        """Send a request and return its answer, the body already read.

        Raises:
            RefusedError: the answer is no.
            AriUnavailableError: there is no answer.

        """
        try:
            async with self._session.request(
                method, url, params=params, data=data, headers=headers, allow_redirects=False
            ) as response:
                body = await response.text()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Closing the session cancels whoever waits for one of its connections.
            raise _unavailable(method, url, aiohttp.ClientConnectionError()) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _unavailable(method, url, error) from None
        if response.status >= 300:  # noqa: PLR2004 - ARI answers 200 or 204, and redirects nowhere
            text = f"Asterisk refused {method} {urlsplit(url).path}: {_reason(response, body)}"
            raise RefusedError(text, response.status)
        return response

    async def ws_connect(self, url: str, params: Mapping[str, str]) -> aiohttp.ClientWebSocketResponse:
        """Open a websocket; AriUnavailableError when that fails."""
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
            reason = f"no answer within {REQUEST_DEADLINE:g} s"
        case OSError(errno=int(number)) if number > 0:
            reason = os.strerror(number)
        case OSError(strerror=str(text)):  # of a name that cannot be resolved
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
