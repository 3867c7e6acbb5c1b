"""The HTTP interface: what it answers, what it refuses, and that a web page cannot command it."""

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from stasis_offload.api_json import call_as_json, details_as_json, parse_stats
from stasis_offload.calls.views import CallDetails
from stasis_offload.config_sections import HttpSettings, SecretFile
from stasis_offload.errors import ConfigError, OffloadError
from stasis_offload.http_api import serve
from stasis_offload.listening import url_of
from tests.support.fake_operations import (
    DIALING,
    FIGURES,
    METRICS,
    MOVES,
    OFFLOADED,
    REFUSED,
    FakeOperations,
    no_metrics,
)

TOKEN = "open sesame"
BEARER = {"Authorization": f"Bearer {TOKEN}"}

Answer = tuple[int, Any]


class Client:
    """Sends one request and returns the status and the JSON of the answer."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def __call__(self, method: str, path: str, **how: Any) -> Answer:
        async with self.session.request(method, self.url + path, **how) as response:
            assert response.content_type == "application/json"
            return response.status, await response.json()


@pytest.fixture
def operations() -> FakeOperations:
    return FakeOperations()


@pytest.fixture
def settings(free_port: int, tmp_path: Path) -> HttpSettings:
    """Return a port of loopback that takes commands from who has the token, and no socket."""
    return HttpSettings(socket=None, port=free_port, token_file=SecretFile(tmp_path / "token", TOKEN))


@pytest.fixture
async def client(settings: HttpSettings, operations: FakeOperations) -> AsyncIterator[Client]:
    async with (
        serve(settings, operations, no_metrics) as (url,),
        aiohttp.ClientSession(headers=BEARER) as session,
    ):
        yield Client(session, url)


async def test_all_calls_are_listed(client: Client) -> None:
    assert await client("GET", "/calls") == (200, {"calls": [call_as_json(OFFLOADED), call_as_json(DIALING)]})


async def test_one_call_is_shown_with_its_moves_whatever_characters_its_id_has(client: Client) -> None:
    details = CallDetails(OFFLOADED, MOVES, ended_age=None)
    assert await client("GET", "/calls/1700000000.1") == (200, details_as_json(details))
    assert (await client("GET", "/calls/odd%2Fid%20[red]"))[1]["call"] == DIALING.call


async def test_an_unknown_call_is_not_found(client: Client, operations: FakeOperations) -> None:
    unknown = (404, {"error": "there is no call 'x'"})
    assert await client("GET", "/calls/x") == unknown
    assert await client("POST", "/relay", json={"call": "x"}) == unknown
    assert await client("POST", "/offload", json={"call": "x"}) == unknown
    assert operations.asked == []


async def test_health_is_200_when_well_and_503_with_what_is_wrong(
    client: Client, operations: FakeOperations
) -> None:
    assert (await client("GET", "/healthz"))[0] == 200
    operations.problems = ("the switch is away",)
    status, answer = await client("GET", "/healthz")
    assert (status, answer["problems"]) == (503, ["the switch is away"])


async def test_metrics_are_in_the_format_that_was_asked_for(client: Client) -> None:
    async with client.session.get(client.url + "/metrics", headers={"Accept": "*/*"}) as response:
        assert (await response.read(), response.headers["Content-Type"]) == METRICS


async def test_one_call_or_all_are_relayed_and_offloaded(client: Client, operations: FakeOperations) -> None:
    assert await client("POST", "/relay", json={"call": OFFLOADED.call}) == (200, {"calls": 1})
    assert await client("POST", "/offload", json={"all": True}) == (200, {"calls": 2})
    assert operations.asked == [("relay", OFFLOADED.call), ("offload", None)]
    assert operations.by.startswith("127.0.0.1 (")


async def test_what_a_program_says_of_itself_cannot_write_to_a_terminal(
    client: Client, operations: FakeOperations
) -> None:
    headers = {"User-Agent": "me \x9b2J"}
    assert (await client("POST", "/relay", json={"all": True}, headers=headers))[0] == 200
    assert operations.by == "127.0.0.1 (me 2J)"


async def test_the_figures_of_all_calls_are_told(client: Client) -> None:
    status, answer = await client("GET", "/stats")
    assert (status, parse_stats(answer)) == (200, FIGURES)


async def test_all_calls_are_relayed_for_a_measurement(client: Client, operations: FakeOperations) -> None:
    assert await client("POST", "/measure", json={"seconds": 20.5}) == (200, {"calls": 2})
    assert await client("POST", "/measure", json={"seconds": 0}) == (200, {"calls": 2})
    assert operations.asked == [("measure 20.5", None), ("measure 0", None)]


@pytest.mark.parametrize("seconds", [-1, 301, "20", None, math.nan])
async def test_a_measurement_has_an_end(client: Client, operations: FakeOperations, seconds: object) -> None:
    status, answer = await client("POST", "/measure", json={"seconds": seconds})
    assert (status, answer["error"]) == (400, 'the body must be {"seconds": S}, S from 0 to 300')
    assert operations.asked == []


async def test_the_node_is_drained_and_taken_back_into_service(
    client: Client, operations: FakeOperations
) -> None:
    assert await client("POST", "/drain", json={"drained": True}) == (200, {"calls": 2})
    assert operations.drained
    assert await client("POST", "/drain", json={"drained": False}) == (200, {"calls": 2})
    assert not operations.drained


@pytest.mark.parametrize("body", ["{}", '{"drained": 1}', '{"drained": true, "call": "1"}', '{"all": true}'])
async def test_a_body_that_does_not_say_whether_the_node_is_to_be_drained_is_refused(
    client: Client, operations: FakeOperations, body: str
) -> None:
    how = {"data": body, "headers": {"Content-Type": "application/json"}}
    assert (await client("POST", "/drain", **how))[0] == 400
    assert operations.asked == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"all"',
        b"{}",
        b'{"all": false}',
        b'{"all": 1}',
        b'{"call": 1}',
        b'{"call": "1", "all": true}',
        b'{"all": true, "x": 1}',
        b"\xff",
        b"[" * 4000,
    ],
)
async def test_a_body_that_says_neither_one_call_nor_all_is_refused(
    client: Client, operations: FakeOperations, body: bytes
) -> None:
    how = {"data": body, "headers": {"Content-Type": "application/json; charset=no-such"}}
    assert (await client("POST", "/relay", **how))[0] == 400
    assert operations.asked == []


async def test_a_body_of_more_than_any_command_needs_is_refused(client: Client) -> None:
    assert (await client("POST", "/relay", json={"call": "x" * 5000}))[0] == 413


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_what_a_web_page_of_another_site_can_send_unasked_is_refused(
    client: Client, operations: FakeOperations, kind: str
) -> None:
    how = {"data": b'{"all": true}', "headers": {"Content-Type": kind, "Origin": "http://evil.example"}}
    assert (await client("POST", "/relay", **how))[0] == 415
    assert operations.asked == []


async def test_no_web_page_of_another_site_is_allowed_to_ask(client: Client) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    async with client.session.options(client.url + "/relay", headers=headers) as response:
        assert response.status == 405
        assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize("host", ["evil.example:8086", "evil.example", "127.0.0.1.evil.example", ""])
async def test_a_name_that_was_made_to_resolve_to_loopback_is_refused(
    client: Client, operations: FakeOperations, host: str
) -> None:
    assert (await client("GET", "/calls", headers={"Host": host}))[0] == 403
    assert (await client("POST", "/relay", json={"all": True}, headers={"Host": host}))[0] == 403
    assert operations.asked == []


@pytest.mark.parametrize("host", ["localhost", "localhost:8086", "127.0.0.1:1", "[::1]:8086", "LOCALHOST"])
async def test_the_names_of_loopback_are_accepted(client: Client, host: str) -> None:
    assert (await client("GET", "/calls", headers={"Host": host}))[0] == 200


async def test_a_host_header_that_is_no_host_is_a_bad_request(client: Client) -> None:
    assert (await client("GET", "/calls", headers={"Host": "[::1"}))[0] == 400


async def test_an_interface_opened_to_others_answers_to_any_name(
    settings: HttpSettings, operations: FakeOperations
) -> None:
    everywhere = settings.model_copy(update={"host": "0.0.0.0"})
    async with serve(everywhere, operations, no_metrics) as (url,), aiohttp.ClientSession() as session:
        client = Client(session, url.replace("0.0.0.0", "127.0.0.1"))
        assert (await client("GET", "/healthz", headers={"Host": "offload:8086"}))[0] == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", "/relay", 405)])
async def test_what_is_not_offered_is_refused_in_json(
    client: Client, method: str, path: str, status: int
) -> None:
    got, answer = await client(method, path)
    assert (got, list(answer)) == (status, ["error"])


async def test_what_could_not_be_done_is_said(client: Client, operations: FakeOperations) -> None:
    operations.failure = REFUSED
    refused = (503, {"error": "the switch is away"})
    assert await client("POST", "/relay", json={"all": True}) == refused
    assert await client("GET", "/calls") == refused


async def test_a_defect_shows_no_detail_and_does_not_end_the_server(
    client: Client, operations: FakeOperations
) -> None:
    operations.failure = ZeroDivisionError("detail")
    status, answer = await client("GET", "/calls")
    assert status == 500
    assert "detail" not in answer["error"]
    operations.failure = None
    assert (await client("GET", "/calls"))[0] == 200


async def test_what_hangs_is_given_up(
    client: Client, operations: FakeOperations, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(call: str | None, *, by: str) -> int:
        del call, by
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    monkeypatch.setattr("stasis_offload.http_api._ANSWER_WITHIN", 0.01)
    monkeypatch.setattr(operations, "relay", hang)
    assert (await client("POST", "/relay", json={"all": True}))[0] == 504


async def test_an_address_in_use_is_an_error_that_may_end_by_itself(
    settings: HttpSettings, operations: FakeOperations
) -> None:
    async with serve(settings, operations, no_metrics):
        with pytest.raises(
            OffloadError,
            match=r"^http.host, http.port: cannot listen on http://127.*: Address already in use$",
        ) as raised:
            async with serve(settings, operations, no_metrics):
                pass
    assert not isinstance(raised.value, ConfigError)


@pytest.mark.parametrize(("host", "wrong"), [("198.51.100.1", False), ("no such host", True)])
async def test_an_address_that_the_host_has_not_may_come_and_a_name_that_is_none_is_wrong(
    settings: HttpSettings, operations: FakeOperations, host: str, *, wrong: bool
) -> None:
    with pytest.raises(OffloadError, match=r"^http.host, http.port: cannot listen on ") as raised:
        async with serve(settings.model_copy(update={"host": host}), operations, no_metrics):
            pass
    assert isinstance(raised.value, ConfigError) is wrong


async def test_the_server_is_gone_when_its_context_ends(
    settings: HttpSettings, operations: FakeOperations
) -> None:
    async with serve(settings, operations, no_metrics) as (url,):
        pass
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(url + "/healthz")


def test_an_ipv6_address_is_bracketed_in_a_url() -> None:
    assert url_of("::1", 8086) == "http://[::1]:8086"
