"""A real Asterisk's ARI: a call made over it, a restart, a wrong password, and somebody who takes our place."""

import asyncio
import base64
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TypeVar

import aiohttp
import pytest

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.asterisk.ari_events import (
    AriDown,
    AriReplaced,
    AriUp,
    Bridge,
    BridgeDestroyed,
    ChannelDestroyed,
    DialChanged,
    DialState,
    EnteredBridge,
    Event,
    HangupRequested,
    LeftBridge,
    StasisEnd,
    StasisStart,
)
from stasis_offload.asterisk.ari_messages import EVENT_TYPES
from stasis_offload.asterisk.indication import Indication
from stasis_offload.errors import AriError, AriUnavailableError
from tests.support.ari_asterisk import PASSWORD, WITHIN
from tests.support.asterisk_container import Asterisk, docker
from tests.support.fake_asterisk import IDS

E = TypeVar("E", bound=Event)


class Heard:
    """The events of one Ari; each wait begins after the event that the last one found."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._seen = 0
        self._more = asyncio.Event()

    def take(self, event: Event) -> None:
        self.events.append(event)
        self._more.set()

    async def until(self, kind: type[E], fits: Callable[[E], bool] = lambda _: True) -> E:
        async with asyncio.timeout(WITHIN):
            while True:
                for at, event in enumerate(self.events[self._seen :], start=self._seen + 1):
                    if isinstance(event, kind) and fits(event):
                        self._seen = at
                        return event
                self._more.clear()
                await self._more.wait()


@asynccontextmanager
async def running(
    asterisk: Asterisk, password: str = PASSWORD, *, username: str = "offload"
) -> AsyncIterator[tuple[AriClient, Heard]]:
    heard = Heard()
    ari = AriClient(
        url=asterisk.url, username=username, password=password, app="offload", on_event=heard.take
    )
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(ari.run())
        yield ari, heard
        task.cancel()


async def test_a_call_is_made_and_every_event_of_it_is_heard_in_order(asterisk: Asterisk) -> None:
    async with running(asterisk) as (ari, heard):
        assert (await heard.until(AriUp)).asterisk.startswith("22.")
        await asterisk.cli("channel originate Local/enter@in extension quiet@in")
        start = await heard.until(StasisStart)
        assert start.args == ("Local/answer@in", "30", "g")
        assert (start.channel.application, start.channel.arguments) == (
            "Stasis",
            "offload,Local/answer@in,30,g",
        )
        call, callee, bridge = start.channel.id, IDS.callee(start.channel.id, 1), IDS.bridge(start.channel.id)

        await ari.make_bridge(bridge)
        await ari.make_bridge(bridge)  # as after a restart of ours
        await ari.create(callee, endpoint="Local/answer@in", originator=call)
        assert (await heard.until(StasisStart)).channel.id == callee
        await ari.dial(callee, caller=call)
        answered = await heard.until(DialChanged, lambda event: event.state is DialState.ANSWER)
        assert answered.channel == callee
        assert answered.age is not None
        assert 0 < answered.age < WITHIN
        for indication in (Indication.RING, Indication.STOP_RING, Indication.ANSWER):
            await ari.indicate(call, indication)
        await ari.join(call, callee, bridge=bridge)
        await heard.until(EnteredBridge, lambda event: event == EnteredBridge(bridge, callee))
        assert Bridge(bridge, "simple_bridge", tuple(sorted((call, callee)))) in await _bridges(ari)
        assert {call, callee} <= {channel.id for channel in await ari.channels()}

        await ari.set_variable(call, name="DIALSTATUS", value="ANSWER")
        assert await ari.get_variable(call, "DIALSTATUS") == "ANSWER"
        several = {"ONE": "a=b&c", "TWO": "", "THREE": "Zoe, \u00fc"}
        await ari.set_variables(call, several)
        assert {name: await ari.get_variable(call, name) or "" for name in several} == several
        assert await ari.get_variable(call, "NEVER_SET") is None
        await ari.hang_up(callee, cause=26)
        await heard.until(HangupRequested, lambda event: event.channel == callee)
        await heard.until(LeftBridge, lambda event: event.channel == callee)
        await heard.until(StasisEnd, lambda event: event.channel == callee)
        await heard.until(ChannelDestroyed, lambda event: event == ChannelDestroyed(callee, 26))
        await ari.continue_in_dialplan(call)
        await heard.until(StasisEnd, lambda event: event.channel == call)
        await heard.until(ChannelDestroyed, lambda event: event.channel == call)
        assert "RESULT=SUCCESS ANSWER" in await asterisk.cli("dialplan show globals")
        await ari.destroy_bridge(bridge)
        await heard.until(BridgeDestroyed, lambda event: event == BridgeDestroyed(bridge))
        assert await _bridges(ari) == set()


async def test_a_bridge_is_made_although_an_earlier_one_of_its_id_is_still_ending(asterisk: Asterisk) -> None:
    async with running(asterisk) as (ari, heard):
        await heard.until(AriUp)
        for _ in range(100):
            await ari.make_bridge("again")
            with pytest.raises(
                AriError, match="addChannel: 400 "
            ):  # nobody to join; 409 if it is no bridge of ours
                await ari.join("nobody", bridge="again")
            await ari.destroy_bridge("again")


async def _bridges(ari: AriClient) -> set[Bridge]:
    return {Bridge(b.id, b.technology, tuple(sorted(b.channels))) for b in await ari.bridges()}


async def test_what_is_gone_already_is_done_and_what_cannot_be_done_is_an_error(asterisk: Asterisk) -> None:
    async with running(asterisk) as (ari, heard):
        await heard.until(AriUp)
        await ari.hang_up("nobody", cause=16)
        await ari.destroy_bridge("none")
        await ari.continue_in_dialplan("nobody")
        with pytest.raises(AriError, match="create: 500 "):
            await ari.create("offload-1-1", endpoint="PJSIP/nobody", originator="")
        with pytest.raises(AriError, match=r"addChannel: 404 Bridge not found"):
            await ari.join("nobody", bridge="none")
        modules = await ari.modules()
        assert "olding bridge" in modules["bridge_holding"]
        assert "res_rtpstreams" not in modules


async def test_asterisk_sends_only_what_is_understood(asterisk: Asterisk) -> None:
    key = base64.b64encode(f"offload:{PASSWORD}".encode()).decode()
    headers = {"Authorization": f"Basic {key}"}
    async with running(asterisk) as (_, heard), aiohttp.ClientSession(headers=headers) as session:
        await heard.until(AriUp)
        async with session.get(f"{asterisk.url}/ari/applications/offload") as answer:
            application = await answer.json()
    assert {event["type"] for event in application["events_allowed"]} == set(EVENT_TYPES)


async def test_a_restarted_asterisk_is_found_again(asterisk: Asterisk) -> None:
    async with running(asterisk) as (ari, heard):
        await heard.until(AriUp)
        await docker("restart", "--time", "2", asterisk.name)
        await heard.until(AriDown)
        await heard.until(AriUp)
        assert await ari.channels() == ()
        assert all(one != other for one, other in pairwise(heard.events) if isinstance(one, AriDown))


async def test_without_a_connection_a_request_says_so(asterisk: Asterisk) -> None:
    ari = AriClient(
        url=asterisk.url, username="offload", password=PASSWORD, app="offload", on_event=Heard().take
    )
    with pytest.raises(AriUnavailableError, match="no connection"):
        await ari.channels()
    async with ari.requests():
        assert (await ari.info()).startswith("22.")
        assert await ari.write_timeout_ms() == 100  # Asterisk's default
        assert not await ari.application()


async def test_whoever_registers_the_application_last_has_it(asterisk: Asterisk) -> None:
    first, second = Heard(), Heard()
    options = {"url": asterisk.url, "username": "offload", "password": PASSWORD, "app": "offload"}
    replaced = asyncio.create_task(AriClient(**options, on_event=first.take).run())
    await first.until(AriUp)
    task = asyncio.create_task(AriClient(**options, on_event=second.take).run())
    await second.until(AriUp)
    async with asyncio.timeout(WITHIN):
        with pytest.raises(AriError, match="another program registered the Stasis application 'offload'"):
            await replaced
    assert first.events[-1] == AriReplaced()
    assert second.events == [second.events[0]]
    task.cancel()
    await asyncio.wait([task])


async def test_a_wrong_password_is_named_and_not_shown(asterisk: Asterisk) -> None:
    wrong = "wr0ng&#pass"
    async with running(asterisk, wrong) as (ari, heard):
        reason = (await heard.until(AriDown)).reason
        with pytest.raises(AriUnavailableError):
            await ari.info()
    assert "401" in reason
    assert wrong not in reason


async def _registered(asterisk: Asterisk) -> bool:
    return "offload" in await asterisk.cli("ari show apps")


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        *(
            (
                f"res_ari_{resource}",
                f"no /ari/{resource} in Asterisk: `asterisk -rx 'module load res_ari_{resource}.so'`",
            )
            for resource in ("applications", "bridges", "channels", "playbacks")
        ),
        ("app_stasis", "no Stasis() in Asterisk: `asterisk -rx 'module load app_stasis.so'`"),
        ("bridge_simple", "500"),
    ],
)
async def test_without_what_a_call_needs_the_application_is_not_registered_until_it_is_there(
    asterisk: Asterisk, module: str, reason: str
) -> None:
    await asterisk.cli(f"module unload {module}.so")
    try:
        async with running(asterisk) as (_, heard):
            assert reason in (await heard.until(AriDown)).reason
            assert not await _registered(asterisk)
            await asterisk.cli(f"module load {module}.so")
            await heard.until(AriUp)
            assert await _registered(asterisk)
    finally:
        await asterisk.cli(f"module load {module}.so")


async def test_a_user_that_may_only_read_registers_nothing(asterisk: Asterisk) -> None:
    async with running(asterisk, username="reader") as (_, heard):
        assert "403 Write access denied" in (await heard.until(AriDown)).reason
        assert not await _registered(asterisk)


async def test_nothing_is_left_of_the_trial(asterisk: Asterisk) -> None:
    async with running(asterisk) as (ari, heard):
        await heard.until(AriUp)
        async with asyncio.timeout(WITHIN):
            while await ari.bridges():
                pass


async def test_the_key_is_in_no_url_and_in_no_error() -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        heard = Heard()
        options = {"url": f"http://127.0.0.1:{port}", "username": "offload", "password": PASSWORD}
        ari = AriClient(**options, app="offload", on_event=heard.take)
        with pytest.raises(AriUnavailableError) as failure:
            async with ari.requests():
                pass
    shown = "".join(traceback.format_exception(failure.value)) + asked[0].decode()
    assert f"127.0.0.1:{port}" in shown
    for secret in (PASSWORD, "api_key", base64.b64encode(f"offload:{PASSWORD}".encode()).decode()):
        assert secret not in shown
