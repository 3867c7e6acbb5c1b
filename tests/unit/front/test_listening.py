"""Where the HTTP interface listens, and who may give commands there."""

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from stat import S_IMODE
from typing import Any

import aiohttp
import pytest

from stasis_offload.config_sections import HttpSettings, SecretFile
from stasis_offload.errors import ConfigError, OffloadError
from stasis_offload.http_api import CommandToken, serve
from tests.support.fake_operations import FakeOperations, no_metrics

ALL = {"all": True}


@pytest.fixture
def operations() -> FakeOperations:
    return FakeOperations()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "http.sock"


@pytest.fixture
def settings(path: Path, free_port: int) -> HttpSettings:
    return HttpSettings(socket=path, port=free_port)


@asynccontextmanager
async def over(path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as session:
        yield session


def rights_of(path: Path) -> int:
    return S_IMODE(path.stat().st_mode)


def token_in(folder: Path) -> SecretFile:
    return SecretFile(folder / "token", "open sesame")


def text_of(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def put_another(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.write_text("of another")


async def post(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str] | None = None
) -> tuple[int, Any]:
    async with session.post(f"{url}/relay", json=ALL, headers=headers) as response:
        return response.status, await response.json()


async def test_the_socket_takes_commands_from_its_user_and_group(
    settings: HttpSettings, path: Path, operations: FakeOperations
) -> None:
    async with serve(settings, operations, no_metrics) as places, over(path) as session:
        assert places[0] == str(path)
        assert rights_of(path) == 0o660
        assert await post(session, "http://localhost") == (200, {"calls": 2})


async def test_a_port_without_a_token_can_be_read_alone(
    settings: HttpSettings, operations: FakeOperations
) -> None:
    async with serve(settings, operations, no_metrics) as (_, url), aiohttp.ClientSession() as session:
        status, answer = await post(session, url, {"Authorization": "Bearer "})
        assert (status, answer["error"].partition(":")[0]) == (403, "read-only")
        async with session.get(f"{url}/calls") as response:
            assert response.status == 200
    assert operations.asked == []


@pytest.mark.parametrize(
    "given",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer open",
        "bearer open sesame",
        "Basic open sesame",
        "open sesame",
        "Bearer ö",
    ],
)
async def test_a_port_takes_no_command_with_another_token(
    settings: HttpSettings, tmp_path: Path, operations: FakeOperations, given: str
) -> None:
    with_token = settings.model_copy(update={"token_file": token_in(tmp_path)})
    async with (
        serve(with_token, operations, no_metrics) as (_, url),
        aiohttp.ClientSession() as session,
        session.post(f"{url}/relay", json=ALL, headers={"Authorization": given}) as response,
    ):
        assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert operations.asked == []


async def test_a_port_goes_by_the_token_of_now(settings: HttpSettings, operations: FakeOperations) -> None:
    token = CommandToken(None)
    async with (
        serve(settings, operations, no_metrics, token=token) as (_, url),
        aiohttp.ClientSession(headers={"Authorization": "Bearer of now"}) as session,
    ):
        statuses = []
        for value in (None, "of before", "of now", None):
            token.value = value
            async with session.post(f"{url}/relay", json=ALL) as response:
                statuses.append(response.status)
    assert statuses == [403, 401, 200, 403]


@pytest.mark.parametrize("port", [True, False], ids=["with a port", "without"])
async def test_each_of_the_two_may_be_left_out(
    settings: HttpSettings, operations: FakeOperations, *, port: bool
) -> None:
    alone = settings.model_copy(update={"socket": None} if port else {"port": 0})
    async with serve(alone, operations, no_metrics) as places:
        assert len(places) == 1


async def test_a_socket_that_was_left_is_replaced_and_none_is_left(
    settings: HttpSettings, path: Path, operations: FakeOperations
) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    async with serve(settings, operations, no_metrics), over(path) as session:
        assert (await post(session, "http://localhost"))[0] == 200
    assert text_of(path) is None


async def test_a_socket_at_which_somebody_listens_is_not_taken(
    settings: HttpSettings, path: Path, operations: FakeOperations
) -> None:
    async with serve(settings, operations, no_metrics):
        with pytest.raises(
            OffloadError, match=rf"^http.socket: cannot listen on {path}: Address already in use$"
        ) as raised:
            async with serve(settings, operations, no_metrics):
                pass
        assert not isinstance(raised.value, ConfigError)
        async with over(path) as session:
            assert (await post(session, "http://localhost"))[0] == 200


async def test_the_socket_of_a_successor_is_left_to_it(
    settings: HttpSettings, path: Path, operations: FakeOperations
) -> None:
    async with serve(settings, operations, no_metrics):
        put_another(path)
    assert text_of(path) == "of another"


async def test_a_file_that_is_no_socket_is_left_alone(
    settings: HttpSettings, path: Path, operations: FakeOperations
) -> None:
    put_another(path)
    with pytest.raises(ConfigError, match=r"^http.socket: cannot listen on "):
        async with serve(settings, operations, no_metrics):
            pass
    assert text_of(path) == "of another"


async def test_a_directory_that_is_missing_is_said(
    settings: HttpSettings, tmp_path: Path, operations: FakeOperations
) -> None:
    nowhere = settings.model_copy(update={"socket": tmp_path / "none" / "http.sock"})
    with pytest.raises(ConfigError, match=r"No such file or directory; the unit's RuntimeDirectory= makes"):
        async with serve(nowhere, operations, no_metrics):
            pass
