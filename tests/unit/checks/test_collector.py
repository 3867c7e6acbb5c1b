"""Whether the Homer collector's name is known."""

import asyncio
import socket
from types import SimpleNamespace

import pytest

from stasis_offload.checks.collector import check_collector
from stasis_offload.config import Config
from stasis_offload.config_sections import AriSettings, HepSettings, OpenFlowSettings


def config(address: str) -> Config:
    return Config.model_construct(
        ari=AriSettings.model_construct(),
        openflow=OpenFlowSettings.model_construct(),
        hep=HepSettings(capture_address=address),  # type: ignore[arg-type]
    )


async def test_a_collector_that_is_known_is_shown_with_its_address() -> None:
    [item] = await check_collector(config("[::1]:9060"))
    assert (item.mark, item.text) == ("ok", "reports go to ::1, port 9060 (udp)")


async def test_a_name_that_is_not_known_is_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    async def getaddrinfo(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio, "get_running_loop", lambda: SimpleNamespace(getaddrinfo=getaddrinfo))
    [item] = await check_collector(config("homer.example:9060"))
    assert item.mark == "hint"
    assert item.line == (
        "homer: homer.example: Name or service not known; until its name is known Homer is told nothing:"
        " `getent hosts homer.example`"
    )


async def test_without_a_collector_there_is_nothing_to_say() -> None:
    assert await check_collector(config("")) == ()
