"""What systemd is told, by a socket of its own kind."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from stasis_offload.service_manager import INTERVAL, ServiceManager

WITHIN = 20.0


class Systemd:
    """A socket as systemd's, with its name in the environment of whoever is started."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.environment = {"NOTIFY_SOCKET": address.replace("\0", "@", 1)}
        self.listen()

    def listen(self) -> None:
        """Listen, as at the beginning or after an absence."""
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.address)
        self.socket.settimeout(0)

    def leave(self) -> None:
        """Listen no more."""
        self.socket.close()
        Path(self.address).unlink()

    async def next(self) -> list[str]:
        """Return the lines of the next message."""
        async with asyncio.timeout(WITHIN):
            return (await asyncio.get_running_loop().sock_recv(self.socket, 4096)).decode().split("\n")

    def read(self) -> list[list[str]]:
        """Return the messages that are there."""
        messages = []
        try:
            while True:
                messages.append(self.socket.recv(4096).decode().split("\n"))
        except BlockingIOError:
            return messages


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    path = str(tmp_path / "notify")
    found = Systemd(path if request.param == "path" else f"\0{path}")
    yield found
    found.socket.close()


@pytest.fixture
def at_path(tmp_path: Path) -> Iterator[Systemd]:
    found = Systemd(str(tmp_path / "notify"))
    yield found
    found.socket.close()


@asynccontextmanager
async def running(manager: ServiceManager, state: Callable[[], str]) -> AsyncIterator[None]:
    task = asyncio.create_task(manager.run(state))
    yield
    task.cancel()


def test_it_says_once_that_it_is_ready_and_when_it_stops(systemd: Systemd) -> None:
    manager = ServiceManager(systemd.environment)
    manager.ready()
    manager.ready()
    manager.stopping()
    assert systemd.read() == [["READY=1"], ["STOPPING=1"]]


def test_a_reload_has_its_time_and_an_end(systemd: Systemd) -> None:
    manager = ServiceManager(systemd.environment)
    manager.ready()
    manager.reloading()
    manager.reloaded()
    _, (reloading, at), ready = systemd.read()
    assert reloading == "RELOADING=1"
    name, _, microseconds = at.partition("=")
    assert (name, ready) == ("MONOTONIC_USEC", ["READY=1"])
    assert int(microseconds) > 0


def test_a_reload_before_it_is_ready_does_not_make_it_so(systemd: Systemd) -> None:
    manager = ServiceManager(systemd.environment)
    manager.reloading()
    manager.reloaded()
    assert [message[0] for message in systemd.read()] == ["RELOADING=1"]


async def test_the_state_is_told_in_one_line_and_again_when_it_changes(systemd: Systemd) -> None:
    states = iter(["no\n calls", "no\n calls", "1 call"])
    async with running(ServiceManager(systemd.environment), lambda: next(states, "1 call")):
        assert [await systemd.next(), await systemd.next()] == [["STATUS=no calls"], ["STATUS=1 call"]]
    assert systemd.read() == []


async def test_signs_of_life_go_out_twice_in_the_time_that_systemd_waits(systemd: Systemd) -> None:
    wanted = {"WATCHDOG_USEC": "100000", "WATCHDOG_PID": str(os.getpid())}
    manager = ServiceManager(systemd.environment | wanted)
    assert manager.interval == pytest.approx(0.05)
    async with running(manager, lambda: "fine"):
        assert await systemd.next() == ["STATUS=fine", "WATCHDOG=1"]
        assert await systemd.next() == ["WATCHDOG=1"]


def test_signs_of_life_need_not_be_rarer_than_looks_at_the_state(systemd: Systemd) -> None:
    assert ServiceManager(systemd.environment | {"WATCHDOG_USEC": "10000000"}).interval == INTERVAL


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"},
    ],
)
async def test_no_sign_of_life_is_sent_that_is_not_wanted_of_this_process(
    at_path: Systemd, asked: dict[str, str]
) -> None:
    states = iter(["one"])
    async with running(ServiceManager(at_path.environment | asked), lambda: next(states, "two")):
        assert [await at_path.next(), await at_path.next()] == [["STATUS=one"], ["STATUS=two"]]


async def test_what_systemd_did_not_read_is_told_when_it_is_back(at_path: Systemd) -> None:
    manager = ServiceManager(at_path.environment)
    at_path.leave()
    manager.ready()
    async with running(manager, lambda: "fine"):
        await asyncio.sleep(0)  # it has been told in vain
        at_path.listen()
        assert [await at_path.next(), await at_path.next()] == [["READY=1"], ["STATUS=fine"]]


@pytest.mark.parametrize("address", [None, "", "vsock:2:1234", "notify"])
async def test_without_a_socket_nothing_is_sent(address: str | None) -> None:
    manager = ServiceManager({} if address is None else {"NOTIFY_SOCKET": address})
    manager.ready()
    manager.stopping()
    async with running(manager, lambda: "fine"):
        await asyncio.sleep(0)
