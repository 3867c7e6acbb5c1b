"""What systemd is told of the running application, and what that makes of a signal to read its configuration again."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.ari_asterisk import PASSWORD as ARI_PASSWORD
from tests.support.asterisk_container import Asterisk, free_port
from tests.support.service_process import environment_of, started


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    return environment_of(tmp_path, port=free_port())


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """Listen as systemd does to the service that it has started."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(0)
        yield listening


async def told(systemd: socket.socket) -> list[str]:
    return (await asyncio.get_running_loop().sock_recv(systemd, 4096)).decode().split("\n")


async def test_systemd_is_told_what_is_missing_that_it_lives_and_that_it_stops_but_not_that_it_is_ready(
    environment: Mapping[str, str], systemd: socket.socket
) -> None:
    watched = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "2000000"}
    async with started({**environment, **watched}) as process:
        lines = await told(systemd)
        while not any("Connection refused" in line for line in lines):
            lines = await told(systemd)
        while lines != ["WATCHDOG=1"]:
            lines = await told(systemd)
        process.send_signal(signal.SIGTERM)
        before: list[str] = []
        while (lines := await told(systemd)) != ["STOPPING=1"]:
            before += lines
        await process.communicate()
    assert "READY=1" not in before
    assert process.returncode == 0


async def test_systemd_is_told_that_it_is_ready_once_asterisk_has_registered_it(
    environment: Mapping[str, str], systemd: socket.socket, asterisk: Asterisk
) -> None:
    ours = {"ARI__URL": asterisk.url, "ARI__PASSWORD": ARI_PASSWORD}
    variables = {f"STASIS_OFFLOAD_{name}": value for name, value in ours.items()}
    async with started({**environment, **variables, "NOTIFY_SOCKET": systemd.getsockname()}) as process:
        while await told(systemd) != ["READY=1"]:
            pass
        apps = await asterisk.cli("ari show apps")
        async with started({**environment, **variables}, "--all", command="relay") as relaying:
            await relaying.communicate()
        held = "STATUS=0 calls, 0 offloaded; all held by `relay --all` of "
        while not (status := await told(systemd))[0].startswith(held):
            pass
        process.send_signal(signal.SIGTERM)
        await process.communicate()
    assert "offload" in apps
    assert "asterisk: " not in status[0]


async def test_a_process_that_stands_still_gives_no_sign_of_life_and_says_where_when_it_is_aborted(
    environment: Mapping[str, str], systemd: socket.socket
) -> None:
    watched = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "200000"}
    async with started({**environment, **watched}) as process:
        while "WATCHDOG=1" not in await told(systemd):
            pass
        process.send_signal(signal.SIGSTOP)
        _, status = await asyncio.to_thread(os.waitpid, process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        with suppress(BlockingIOError):
            while systemd.recv(4096):
                pass
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await told(systemd)
        # As systemd does, which wakes it to be aborted.
        process.send_signal(signal.SIGABRT)
        process.send_signal(signal.SIGCONT)
        _, err = await process.communicate()
    assert process.returncode == -signal.SIGABRT
    assert b"Fatal Python error: Aborted" in err
    assert b"base_events.py" in err


async def test_on_sighup_it_reads_its_configuration_again_and_tells_systemd_of_that(
    environment: Mapping[str, str], systemd: socket.socket, tmp_path: Path, asterisk: Asterisk
) -> None:
    file = tmp_path / "stasis-offload.toml"
    file.write_text('[log]\nlevel = "info"\n')
    ours = {"ARI__URL": asterisk.url, "ARI__PASSWORD": ARI_PASSWORD}
    variables = {f"STASIS_OFFLOAD_{name}": value for name, value in ours.items()}
    variables["NOTIFY_SOCKET"] = systemd.getsockname()
    async with started({**environment, **variables}, "--config", str(file)) as process:
        while await told(systemd) != ["READY=1"]:
            pass
        for text in (
            '[log]\nlevel = "debug"\n[http]\nhost = "127.0.0.2"\n',
            '[log]\nlevel = "loud"\n',
            '[hep]\ncapture_address = "homer..example.net:9060"\n',  # which no resolver takes
        ):
            file.write_text(text)
            process.send_signal(signal.SIGHUP)
            while (await told(systemd))[0] != "RELOADING=1":
                pass
            while await told(systemd) != ["READY=1"]:
                pass
        while "hep.capture_address: given 'homer..example.net:9060'" not in (await told(systemd))[0]:
            pass
        process.send_signal(signal.SIGTERM)
        _, err = await process.communicate()
    lines = [json.loads(line) for line in err.splitlines()]
    told_of = {line["event"]: line for line in lines if line["event"].startswith("config.")}
    assert told_of["config.reloaded"]["changed"] == ["log.level"]
    assert told_of["config.restart_needed"]["keys"] == ["http.host"]
    rejected = [line["error"] for line in lines if line["event"] == "config.rejected"]
    expected = (
        "log.level: given 'loud', expected debug",
        "hep.capture_address: given 'homer..example.net:9060', expected",
    )
    assert [text in error for text, error in zip(expected, rejected, strict=True)] == [True, True]
    assert process.returncode == 0
