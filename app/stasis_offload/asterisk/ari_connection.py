"""The connection to ARI: receives events and runs operations. The only module that imports aioari."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import PurePath
from typing import Any, NoReturn
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import structlog
from aioari.client import Client
from aioswagger11.client import SwaggerClient
from aioswagger11.swagger_model import SwaggerError

from stasis_offload.asterisk.ari_events import AriDown, AriReplaced, AriUp, Event
from stasis_offload.asterisk.ari_fields import BadEventError
from stasis_offload.asterisk.ari_http import NOT_FOUND, AriHttp, RefusedError
from stasis_offload.asterisk.ari_messages import EVENT_TYPES, is_of_no_interest, parse_event
from stasis_offload.errors import AriError, AriReplacedError, AriUnavailableError
from stasis_offload.measures import Requests

# What we use of ARI; each has a description of its own.
_NEEDED = ("applications", "asterisk", "bridges", "channels", "events", "playbacks")  # no call can do without
_RESOURCES = (*_NEEDED, "deviceStates", "endpoints")

FIRST_RETRY = 0.1
LAST_RETRY = 1.0

log = structlog.get_logger(__name__)


class AriConnection:
    """A connection to Asterisk's REST interface for one Stasis application, made anew whenever it ends.

    `measured` is of all its requests.
    """

    def __init__(
        self, *, url: str, username: str, password: str, app: str, on_event: Callable[[Event], None]
    ) -> None:
        self._url = url.rstrip("/") + "/"
        self._username = username
        self._password = password
        self._app = app
        self._on_event = on_event
        self.measured = Requests()
        self._client: Client | None = None

    def use(self, *, username: str, password: str) -> None:
        """Connect as this user from the next connection on."""
        self._username, self._password = username, password

    async def run(self) -> NoReturn:
        """Keep the application registered; pass every event to `on_event`, in order.

        While Asterisk lacks what a call needs it is not registered, so that the dialplan has Dial() make the calls.
        Emits AriUp after each connection and AriDown after each loss (repeated during an outage only if the
        reason changes), and reconnects at intervals that grow to 1 s.

        Raises:
            AriReplacedError: another program registered the application's name; AriReplaced was emitted before.
                Registering it again would make the two programs replace each other endlessly.

        """
        retry, known = FIRST_RETRY, ""
        while True:
            try:
                async with self.requests():
                    await self._try_out()
                    async with self._websocket() as websocket:
                        retry, known = FIRST_RETRY, ""
                        self._on_event(AriUp(await self.info()))
                        reason = await self._receive(websocket)
            except AriError as error:
                reason = str(error)
            if reason is None:
                self._on_event(AriReplaced())
                raise AriReplacedError(f"another program registered the Stasis application {self._app!r}")
            if reason != known:
                self._on_event(AriDown(reason))
            known = reason
            await asyncio.sleep(retry)
            retry = min(2 * retry, LAST_RETRY)

    @asynccontextmanager
    async def requests(self) -> AsyncIterator[None]:
        """Allow requests without registering the application, for read-only checks.

        Raises:
            AriError: there is no response, the password is wrong, or the server is not Asterisk.

        """
        http = AriHttp(self._username, self._password, self.measured)
        try:
            self._client = await _describe(self._url, http)
            yield
        finally:
            self._client = None
            await http.close()

    async def _try_out(self) -> None:
        """Try what each call needs: what `try_resources` does, the right to write, a bridge, which is destroyed again.

        Raises:
            AriError: one is missing; it says which.

        """
        await self.try_resources()
        bridge = uuid4().hex  # no id of a call (call_ids.py)
        await self._call("bridges", "createWithId", bridgeId=bridge, type="mixing")
        await self._call("bridges", "destroy", bridgeId=bridge)

    async def try_resources(self) -> None:
        """Try the resources of ARI that each call needs, and Stasis(); nothing is changed by it.

        Asterisk's descriptions of the resources are files; they are there without the modules, too (res_ari.c, ast_ari_get_docs).

        Raises:
            AriError: one is missing; it says which.

        """
        http = self._connected().swagger.http_client
        needed = [("OPTIONS", resource, f"/ari/{resource}", f"res_ari_{resource}.so") for resource in _NEEDED]
        # A channel that ARI makes runs Stasis() (res/ari/resource_channels.c, ari_channel_thread).
        needed.append(("GET", "asterisk/modules/app_stasis.so", "Stasis()", "app_stasis.so"))
        for method, resource, what, module in needed:
            try:
                await http.request(method, f"{self._url}ari/{resource}")
            except RefusedError as error:
                if error.status != NOT_FOUND:
                    raise
                raise AriError(
                    f"no {what} in Asterisk: `asterisk -rx 'module load {module}'`, and modules.conf"
                ) from error

    @asynccontextmanager
    async def _websocket(self) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        # Not aioari's run(): it reports neither when it is connected nor whether it still is.
        client = self._connected()
        websocket = await client.swagger.events.eventWebsocket(app=self._app)
        async with websocket:
            await self._narrow(client)
            yield websocket

    async def _narrow(self, client: Client) -> None:
        """Restrict Asterisk to the event types we parse; unfiltered, it sends dozens of events per call."""
        uri = client.swagger.applications.filter.uri.replace("{applicationName}", quote(self._app, safe=""))
        # The filter is the body itself; aioari would wrap it, as it wraps every body parameter.
        body = json.dumps({"allowed": [{"type": kind} for kind in EVENT_TYPES]})
        await client.swagger.http_client.request(
            "PUT", uri, data=body, headers={"Content-Type": "application/json"}
        )

    async def _receive(self, websocket: aiohttp.ClientWebSocketResponse) -> str | None:
        """Pass on events until the connection ends; return the reason, or None if another program replaced us."""
        async for message in websocket:
            if message.type is aiohttp.WSMsgType.ERROR:
                return f"the connection failed: {message.data}"
            if is_of_no_interest(message.data):
                continue
            try:
                event = parse_event(json.loads(message.data))
            except (BadEventError, ValueError, TypeError) as error:
                log.warning("ari.bad_event", error=str(error))
                continue
            if isinstance(event, AriReplaced):
                return None
            if event is not None:
                self._on_event(event)
        return f"the connection ended (websocket code {websocket.close_code})"

    def _connected(self) -> Client:
        if self._client is None:
            raise AriUnavailableError("there is no connection to Asterisk's REST interface")
        return self._client

    def _knows(self, resource: str, operation: str) -> bool:
        """Return whether this version of Asterisk has an operation."""
        return self._client is not None and hasattr(getattr(self._client.swagger, resource), operation)

    async def _call(self, resource: str, operation: str, **params: object) -> object:
        """Run one operation by its nickname in Asterisk's API description; return the response's JSON."""
        call = getattr(getattr(self._connected().swagger, resource), operation)
        body = await (await call(**params)).text()
        return json.loads(body) if body else None

    async def info(self) -> str:
        """Return the version of Asterisk."""
        match await self._call("asterisk", "getInfo", only="system"):
            case {"system": {"version": str(version)}}:
                return version
            case _:
                raise AriError("Asterisk does not report its version")


async def _describe(url: str, http: AriHttp) -> Client:
    """Fetch Asterisk's description of ARI, as far as it is used, and build a client from it."""
    client = Client(url, http)
    try:
        client.swagger.url = await _api_docs(client.swagger)
        await client.init()
    except (SwaggerError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise AriError("what answers at the address of ARI does not describe ARI") from error
    return client


async def _api_docs(swagger: SwaggerClient) -> dict[str, Any]:
    """Fetch the descriptions all at once: aioari fetches those of all resources one after the other."""
    answer = await swagger.http_client.request("GET", swagger.url)
    docs: dict[str, Any] = json.loads(await answer.text())
    docs["url"] = swagger.url
    docs["apis"] = [api for api in docs["apis"] if PurePath(api["path"]).stem in _RESOURCES]
    try:
        async with asyncio.TaskGroup() as tasks:
            for api in docs["apis"]:
                tasks.create_task(swagger.loader.load_api_declaration(docs["basePath"], api))
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    return docs
