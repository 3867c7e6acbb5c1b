"""`stasis-offload run` as systemd sees it: what it says, how it ends, and that its password is in neither."""

import asyncio
import json
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import pytest

from tests.support.service_process import PASSWORD, environment_of, started


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def other_port() -> int:
    return free_port()


@pytest.fixture
def environment(port: int, tmp_path: Path) -> Mapping[str, str]:
    return environment_of(tmp_path, port=port)


async def until_it_answers(process: Process, port: int) -> tuple[int, list[str]]:
    """Return the status and the problems of the first answer of /healthz."""
    async with aiohttp.ClientSession() as session:
        while process.returncode is None:
            try:
                async with session.get(f"http://127.0.0.1:{port}/healthz") as response:
                    return response.status, (await response.json())["problems"]
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)
    pytest.fail(f"it has ended: {(await process.communicate())[1].decode()}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_runs_without_asterisk_and_switch_says_so_and_stops_on_a_signal(
    environment: Mapping[str, str], port: int, number: int
) -> None:
    async with started(environment) as process:
        status, problems = await until_it_answers(process, port)
        command_line = Path(f"/proc/{process.pid}/cmdline").read_text()  # noqa: ASYNC240 - not a disk
        process.send_signal(number)
        out, err = await process.communicate()
    assert (status, [problem.partition(":")[0] for problem in problems]) == (
        503,
        ["asterisk", "switch", "module"],
    )
    assert process.returncode == 0
    assert out == b""
    events = [json.loads(line)["event"] for line in err.splitlines()]
    assert events[0] == "run.started"
    assert "run.stopped" in events
    assert PASSWORD not in err.decode() + command_line + str(problems)


def last_error(err: bytes) -> str:
    last = json.loads(err.splitlines()[-1])
    assert (last["event"], last["level"]) == ("run.failed", "error")
    return str(last["error"])


async def test_a_port_in_use_is_a_failure_that_may_end_by_itself(
    environment: Mapping[str, str], port: int
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        async with started(environment) as process:
            _, err = await process.communicate()
    assert process.returncode == 1
    expected = f"http.host, http.port: cannot listen on http://127.0.0.1:{port}: Address already in use"
    assert last_error(err) == expected


def elsewhere(environment: Mapping[str, str], port: int) -> Mapping[str, str]:
    """Return the configuration with another place for its HTTP interface."""
    socket = environment["STASIS_OFFLOAD_HTTP__SOCKET"] + ".other"
    return {**environment, "STASIS_OFFLOAD_HTTP__SOCKET": socket, "STASIS_OFFLOAD_HTTP__PORT": str(port)}


async def test_a_second_one_is_refused_whatever_its_port_and_names_the_first(
    environment: Mapping[str, str], port: int, other_port: int
) -> None:
    other = elsewhere(environment, other_port)
    async with started(environment) as first:
        await until_it_answers(first, port)
        async with started(other) as second:
            _, err = await second.communicate()
        assert second.returncode == 1
        assert f"of the same Asterisk: process {first.pid} of user " in last_error(err)
        events = [json.loads(line)["event"] for line in err.splitlines()]
        assert events == ["run.failed"]  # it has touched nothing
        async with started({**other, "STASIS_OFFLOAD_APP": "another"}) as another:
            await until_it_answers(another, other_port)
        first.terminate()
        await first.wait()
    async with started(other) as second:
        await until_it_answers(second, other_port)


async def test_one_that_is_to_take_over_runs_and_has_the_lock_once_the_first_has_ended(
    environment: Mapping[str, str], port: int, other_port: int
) -> None:
    async with started(environment) as first:
        await until_it_answers(first, port)
        async with started(elsewhere(environment, other_port), "--take-over") as second:
            await until_it_answers(second, other_port)
            first.kill()
            await first.wait()
            assert second.stderr is not None
            async for line in second.stderr:
                if json.loads(line)["event"] == "run.took_over":
                    break
            async with started(environment) as third:
                _, err = await third.communicate()
            assert f"process {second.pid} of user " in last_error(err)
