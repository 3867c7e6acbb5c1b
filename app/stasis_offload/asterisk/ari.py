"""ARI client: what is asked of Asterisk over its REST interface, a method a request."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import uuid4

from stasis_offload.asterisk.ari_connection import AriConnection
from stasis_offload.asterisk.ari_events import Bridge, Channel
from stasis_offload.asterisk.ari_http import NOT_FOUND, RefusedError
from stasis_offload.asterisk.ari_messages import parse_bridge, parse_channel
from stasis_offload.asterisk.indication import Indication

# Seconds for which the creation of a bridge waits for the end of an earlier one, and between two attempts.
DESTROYED_WITHIN = 2.0
DESTROYED_EVERY = 0.02

BAD_REQUEST = 400
# Also of a dialplan function that does not exist, or cannot be read of this channel.
SERVER_ERROR = 500
CONFLICT = 409
UNPROCESSABLE = 422


class AriClient(AriConnection):
    """Asterisk's REST interface for one Stasis application.

    Every request raises AriError when Asterisk refuses it, and AriUnavailableError when there is no connection
    or no response in time. Both name the request and the reason, never the password.
    """

    async def application(self) -> bool:
        """Return whether any program has registered the application."""
        try:
            await self._call("applications", "get", applicationName=self._app)
        except RefusedError as error:
            if error.status != NOT_FOUND:
                raise
            return False
        return True

    async def modules(self) -> dict[str, str]:
        """Return what every module that runs (`res_x`, without `.so`) says of itself."""
        found = {}
        for module in await self._list("asterisk", "listModules"):
            match module:
                case {"name": str(name), "status": "Running", "description": str(description)}:
                    found[name.removesuffix(".so")] = description
        return found

    async def settings(self, module: str, kind: str, name: str) -> dict[str, str]:
        """Return the attributes of an object of a module's configuration (sorcery); none if it has no such."""
        path = {"configClass": module, "objectType": kind, "id": name}
        try:
            answer = await self._call("asterisk", "getObject", **path)
        except RefusedError:
            return {}
        found = {}
        for field in answer if isinstance(answer, list) else ():
            match field:
                case {"attribute": str(attribute), "value": str(value)}:
                    found[attribute] = value
        return found

    async def write_timeout_ms(self) -> int | None:
        """Return how long Asterisk tries to write an event to the websocket before it closes that; None if it does not say."""
        value = (await self.settings("res_ari", "general", "general")).get("websocket_write_timeout", "")
        return int(value) if value.isdecimal() else None

    async def endpoints(self, technology: str) -> tuple[str, ...]:
        """Return the names of a technology's endpoints."""
        names = []
        for endpoint in await self._list("endpoints", "listByTech", tech=technology):
            match endpoint:
                case {"resource": str(name)}:
                    names.append(name)
        return tuple(sorted(names))

    async def channels(self) -> tuple[Channel, ...]:
        """Return every channel of Asterisk, ours and others'."""
        return tuple(map(parse_channel, await self._list("channels", "list")))

    async def bridges(self) -> tuple[Bridge, ...]:
        """Return every bridge of Asterisk, ours and others'."""
        return tuple(map(parse_bridge, await self._list("bridges", "list")))

    async def make_bridge(self, bridge: str) -> None:
        """Create a mixing bridge with this id; succeeds if an earlier process of ours created it.

        Asterisk destroys a bridge some time after it has answered that it did, and refuses another one of the same id
        until then: a caller that comes back at once is waited for.
        """
        deadline = asyncio.get_running_loop().time() + DESTROYED_WITHIN
        while True:
            try:
                # `mixing` alone: with proxy_media or dtmf_events Asterisk would never bridge natively.
                await self._call("bridges", "createWithId", bridgeId=bridge, type="mixing")
            except RefusedError as error:
                if error.status != CONFLICT or asyncio.get_running_loop().time() > deadline:
                    raise
                if await self._takes_channels(bridge):
                    return
            else:
                return
            await asyncio.sleep(DESTROYED_EVERY)

    async def _takes_channels(self, bridge: str) -> bool:
        """Return whether a bridge exists and does not end: then it refuses only the channel, if there is no such."""
        try:
            await self.join("nobody", bridge=bridge)
        except RefusedError as error:
            return error.status not in (CONFLICT, NOT_FOUND)
        return True

    async def destroy_bridge(self, bridge: str) -> None:
        """Destroy a bridge; succeeds if there is none."""
        with _fine_if(NOT_FOUND, CONFLICT):
            await self._call("bridges", "destroy", bridgeId=bridge)

    async def join(self, *channels: str, bridge: str, silent: bool = False) -> None:
        """Put channels of the application into a bridge, in their order; `silent`: the others in it are not told who it is."""
        params = {"inhibitConnectedLineUpdates": "true"} if silent else {}
        await self._call("bridges", "addChannel", bridgeId=bridge, channel=list(channels), **params)

    async def part(self, *, bridge: str, channel: str) -> None:
        """Take a channel out of a bridge; succeeds if it is not in it, or there is none."""
        with _fine_if(NOT_FOUND, CONFLICT, UNPROCESSABLE):
            await self._call("bridges", "removeChannel", bridgeId=bridge, channel=channel)

    async def create(
        self, channel: str, *, endpoint: str, originator: str, withholds: str = "", forwarded: bool = False
    ) -> None:
        """Create a channel with this id for an endpoint (`TECH/resource`); StasisStart follows.

        The originator's formats are offered first (resource_channels.c). Our module is told who calls what number, and what
        the channel `withholds`, and whether another one `forwarded` to it (asterisk-module/README.md, OFFLOAD_PARTY). The
        other half of a Local channel may call in turn: ids made of each other would reach the limit of 149 characters.
        """
        number = endpoint.partition("/")[2]
        party = f"OFFLOAD_PARTY({withholds}{'f' * forwarded})"
        await self._call(
            "channels",
            "create",
            channelId=channel,
            otherChannelId=uuid4().hex,
            endpoint=endpoint,
            originator=originator,
            app=self._app,
            variables={
                "OFFLOAD_CALLER()": f"{originator},{number}",
                party: originator,
            },
        )

    async def dial(self, channel: str, *, caller: str | None) -> None:
        """Dial a created channel with the identity, language and inherited variables of a caller, if one is given."""
        params = {"caller": caller} if caller else {}
        await self._call("channels", "dial", channelId=channel, **params)

    async def indicate(self, channel: str, indication: Indication) -> None:
        """Indicate something to a channel, or stop it."""
        await self._call("channels", indication, channelId=channel)

    async def start_music(self, channel: str, *, music: str) -> None:
        """Play music on hold of a class to a channel, or of its own if that is empty; before its answer as early media."""
        params = {"mohClass": music} if music else {}
        await self._call("channels", "startMoh", channelId=channel, **params)

    async def play(self, channel: str, *, media: str, playback: str) -> None:
        """Play a media URI to a channel; PlaybackFinished with this id follows."""
        await self._call("channels", "playWithId", channelId=channel, playbackId=playback, media=media)

    async def stop_playback(self, playback: str) -> None:
        """Stop a playback; succeeds if it has ended."""
        with _fine_if(NOT_FOUND, CONFLICT):
            await self._call("playbacks", "stop", playbackId=playback)

    async def send_digits(self, channel: str, digits: str) -> None:
        """Begin to send DTMF to a channel, 250 ms between two digits as Dial() has it."""
        await self._call("channels", "sendDTMF", channelId=channel, dtmf=digits, between="250")

    async def hang_up(self, channel: str, *, cause: int) -> None:
        """Hang up a channel, in our application or not; succeeds if there is none."""
        with _fine_if(NOT_FOUND):
            await self._call("channels", "hangup", channelId=channel, reason_code=str(cause))

    async def release(self, channel: str, *, cause: int) -> None:
        """Hang up a channel of the application, unless another program is moving it; succeeds if it has left.

        `hang_up` would end a channel wherever it is. Our dialplan function decides in the thread that runs Stasis() for the
        channel: a redirect that is pending stays so until that thread leaves it (res_stasis.c, stasis_app_exec).
        """
        with _fine_if(BAD_REQUEST, NOT_FOUND, CONFLICT):
            await self.set_variable(channel, name="OFFLOAD_HANGUP()", value=str(int(cause)))

    async def set_variable(self, channel: str, *, name: str, value: str | None) -> None:
        """Set a variable (None: unset it), or write a dialplan function; one that does not exist also succeeds."""
        params = {} if value is None else {"value": value}
        await self._call("channels", "setChannelVar", channelId=channel, variable=name, **params)

    async def set_variables(self, channel: str, variables: Mapping[str, str]) -> None:
        """Set some variables, in their order: by one request where Asterisk knows how, since 22.10."""
        if len(variables) > 1 and self._knows("channels", "setChannelVars"):
            await self._call("channels", "setChannelVars", channelId=channel, variables=dict(variables))
            return
        for name, value in variables.items():
            await self.set_variable(channel, name=name, value=value)

    async def get_variable(self, channel: str, name: str) -> str | None:
        """Return a channel variable or a dialplan function's value; None if it is not set or does not exist."""
        try:
            answer = await self._call("channels", "getChannelVar", channelId=channel, variable=name)
        except RefusedError as error:
            if error.status not in (NOT_FOUND, SERVER_ERROR):
                raise
            return None
        match answer:
            case {"value": str(value)}:
                return value
            case _:
                return None

    async def get_global(self, name: str) -> str:
        """Return the value of a global variable; empty if it is not set."""
        match await self._call("asterisk", "getGlobalVar", variable=name):
            case {"value": str(value)}:
                return value
            case _:
                return ""

    async def device_state(self, name: str) -> str:
        """Return the state of a device that ARI controls; UNKNOWN if nobody has set it."""
        match await self._call("deviceStates", "get", deviceName=f"Stasis:{name}"):
            case {"state": str(state)}:
                return state
            case _:
                return "UNKNOWN"

    async def set_device_state(self, name: str, state: str) -> None:
        """Set the state of a device that ARI controls, and make it if there is none."""
        await self._call("deviceStates", "update", deviceName=f"Stasis:{name}", deviceState=state)

    async def continue_in_dialplan(self, channel: str, place: Sequence[str] = ()) -> None:
        """Continue a channel at the next priority, or at a context, extension and priority or label, if there is such.

        Succeeds if the channel has left.
        """
        params = {}
        if place:
            context, extension, priority = place
            where = {"priority" if priority.isdecimal() else "label": priority}
            params = {"context": context, "extension": extension, **where}
        with _fine_if(CONFLICT) if place else _fine_if(NOT_FOUND, CONFLICT):
            await self._call("channels", "continueInDialplan", channelId=channel, **params)

    async def _list(self, resource: str, operation: str, **params: object) -> Sequence[object]:
        answer = await self._call(resource, operation, **params)
        return answer if isinstance(answer, list) else ()


@contextmanager
def _fine_if(*statuses: int) -> Iterator[None]:
    """Treat these statuses as success: the request has already taken effect."""
    try:
        yield
    except RefusedError as error:
        if error.status not in statuses:
            raise
