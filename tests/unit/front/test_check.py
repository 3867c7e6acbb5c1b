"""What `check` says of a control socket's rights; the rest of it needs a real Asterisk and a real switch."""

import asyncio
import os
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from stasis_offload.check import FUNCTIONS, Item, judge_functions, run_checks
from stasis_offload.config import AriSettings, AsteriskSettings, Config, OpenFlowSettings
from stasis_offload.openflow.endpoint import Unix

NOBODY = 65534
PROJECT = Path(__file__).parents[3]
FUNCTION = re.compile(r"OFFLOAD_[A-Z]+(?:_[A-Z]+)*(?=\()")


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "asterisk.ctl"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        yield path


def config_at(path: Path) -> Config:
    """Configure nothing at all but this path, and a bridge beside it."""
    return Config.model_construct(
        app="offload",
        ari=AriSettings(url="http://127.0.0.1:1", username="offload", password=SecretStr("s3cret")),
        asterisk=AsteriskSettings(control_socket=path),
        openflow=OpenFlowSettings.model_construct(connection=Unix(str(path.parent / "breth0.mgmt"))),
    )


async def control_socket(path: Path) -> Item:
    """Check with nothing at all there but this path, and pick what is said of it."""
    items = await run_checks(config_at(path))
    assert [item.name for item in items if item.ok] in ([], ["control socket"])
    (found,) = (item for item in items if item.name == "control socket")
    return found


async def test_a_socket_open_to_its_group_is_fine(path: Path) -> None:
    os.chmod(path, 0o660)  # noqa: PTH101 - a local file
    item = await control_socket(path)
    assert item.ok
    assert f"{path} is srw-rw---- " in item.text
    assert item.text.endswith(", open to us")


async def test_a_socket_open_to_everybody_is_fine_with_a_warning(path: Path) -> None:
    os.chmod(path, 0o666)  # noqa: PTH101 - a local file
    item = await control_socket(path)
    assert item.ok
    assert "and to everybody on this host: set astctlpermissions = 0660" in item.text


async def test_a_socket_closed_to_us_says_who_we_are_and_what_to_do(path: Path) -> None:
    os.chmod(path, stat.S_IRUSR)  # noqa: PTH101 - a local file
    for parent in list(path.parents)[:3]:
        os.chmod(parent, 0o755)  # noqa: PTH101 - a local file
    user = os.geteuid()
    os.seteuid(NOBODY if user == 0 else user)  # root is refused nothing
    try:
        item = await control_socket(path)
        us = f"user {os.geteuid()}"
    finally:
        os.seteuid(user)
    assert not item.ok
    assert "closed to us (" in item.text
    assert us in item.text
    assert "astctlpermissions = 0660" in item.text


async def test_a_management_socket_that_is_roots_alone_names_the_units_that_give_it_away(path: Path) -> None:
    management = path.parent / "breth0.mgmt"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(management))
        listener.listen()
        os.chmod(management, 0)  # noqa: PTH101 - a local file
        for parent in list(path.parents)[:3]:
            os.chmod(parent, 0o755)  # noqa: PTH101 - a local file
        user = os.geteuid()
        os.seteuid(NOBODY if user == 0 else user)  # root is refused nothing
        try:
            items = {item.name: item for item in await run_checks(config_at(path))}
        finally:
            os.seteuid(user)
    item = items["switch"]
    assert not item.ok
    unit = "stasis-offload-socket@breth0"
    assert f"`systemctl enable --now {unit}.path {unit}.service` (systemd/)" in item.text
    assert {f"{unit.partition('@')[0]}@{kind}" for kind in (".path", ".service")} <= {
        each.name for each in (PROJECT / "systemd").iterdir()
    }


@pytest.mark.parametrize(
    ("answer", "limited"),
    [
        (b"You don't have permissions to run 'core show uptime' command\n", True),
        (b"System uptime: 1 s\n", False),
    ],
    ids=["limited", "the whole CLI"],
)
async def test_a_cli_that_runs_more_for_us_than_we_need_is_fine_with_a_warning(
    tmp_path: Path, answer: bytes, *, limited: bool
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"pbx/1/22.10.1\n")
        asked = await reader.readuntil(b"\0")
        writer.write(b"res_rtpstreams 1.0.0\n" if b"rtpstreams version" in asked else answer)
        writer.close()

    path = tmp_path / "asterisk.ctl"
    async with await asyncio.start_unix_server(serve, path):
        items = await run_checks(config_at(path))
    (module,) = (item for item in items if item.name == "module")
    assert module.ok
    assert module.text.startswith("res_rtpstreams 1.0.0")
    assert ("cli_permissions.conf" in module.text) is not limited


async def test_something_else_than_a_socket_is_named(tmp_path: Path) -> None:
    item = await control_socket(tmp_path)
    assert not item.ok
    assert "not a socket" in item.text


def description_of(module: str) -> str:
    """Read what a module of ours says of itself."""
    source = (PROJECT / "asterisk-module" / f"{module}.c").read_text(encoding="utf-8")
    found = re.search(r'AST_MODULE_INFO\([^"]*"([^"]*)"', source)
    assert found
    return found[1]


@pytest.mark.parametrize("module", FUNCTIONS)
def test_a_module_of_an_old_build_is_known_by_the_function_it_has_not(module: str) -> None:
    described = description_of(module)
    assert judge_functions(module, described).ok
    *_, newest = FUNCTIONS[module]
    item = judge_functions(module, described.replace(newest, ""))
    assert not item.ok
    assert f"an old build, without {newest}:" in item.text


def test_every_function_that_the_application_uses_is_checked() -> None:
    sources = (PROJECT / "app").rglob("*.py")
    used = {name for source in sources for name in FUNCTION.findall(source.read_text(encoding="utf-8"))}
    assert {f"{name}()" for name in used} <= {name for names in FUNCTIONS.values() for name in names}
