"""What `check` says of the two sockets' rights, and of what Asterisk's CLI lets us run."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pydantic import SecretStr

from stasis_offload.checks.accounts import group_name, user_name
from stasis_offload.checks.command_line import check_command_line, judge_control_socket
from stasis_offload.checks.items import Item
from stasis_offload.checks.run import run_checks
from stasis_offload.checks.running import Running
from stasis_offload.config import Config
from stasis_offload.config_sections import AriSettings, AsteriskSettings, OpenFlowSettings
from stasis_offload.openflow.endpoint import Unix

NOBODY = 65534
PROJECT = Path(__file__).parents[3]


@pytest.fixture
def path() -> Iterator[Path]:
    """Bind a socket where others get, too: not in pytest's folder, which each start of pytest closes to them."""
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        Path(folder).chmod(0o755)
        path = Path(folder, "asterisk.ctl")
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


@contextmanager
def unprivileged() -> Iterator[None]:
    """Be nobody: root is refused nothing."""
    user = os.geteuid()
    os.seteuid(NOBODY if user == 0 else user)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_socket_open_to_its_group_is_fine(path: Path) -> None:
    path.chmod(0o660)
    item = judge_control_socket(path)
    assert (item.mark, item.text) == ("ok", f"{path} is srw-rw---- {owner(path)}, open to us")


def owner(path: Path) -> str:
    return f"{user_name(path.stat().st_uid)}:{group_name(path.stat().st_gid)}"


def test_a_socket_open_to_everybody_is_a_hint(path: Path) -> None:
    path.chmod(0o666)
    item = judge_control_socket(path)
    assert (item.mark, item.command) == ("hint", f"chmod 660 {path}")
    assert "open to everybody on this host: set astctlpermissions = 0660" in item.text


def given_to_group(path: Path, mode: int) -> str:
    """Give a file to a group that we are not in, where we may: else it stays with ours. Return the group's name."""
    if os.geteuid() == 0:
        os.chown(path, 0, 1)
    path.chmod(mode)
    return group_name(path.stat().st_gid)


@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root cannot give a file to a group")
@pytest.mark.parametrize(
    ("mode", "command"),
    [
        (0o660, "usermod -aG {group} {user} && systemctl restart stasis-offload"),
        (0o600, "chmod g+rw {path} && usermod -aG {group} {user} && systemctl restart stasis-offload"),
    ],
    ids=["not in its group", "nor may that"],
)
def test_a_socket_closed_to_us_is_one_line_with_the_command_that_opens_it(
    path: Path, mode: int, command: str
) -> None:
    group = given_to_group(path, mode)
    with unprivileged():
        item = judge_control_socket(path)
        user = user_name(os.geteuid())
    assert not item.ok
    assert f"closed to {user} (groups " in item.text
    assert item.command == command.format(group=group, user=user, path=path)


@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root cannot give a file to root")
def test_nobody_is_told_to_join_roots_group(path: Path) -> None:
    path.chmod(0o600)
    os.setegid(1)
    try:
        with unprivileged():
            item = judge_control_socket(path)
    finally:
        os.setegid(0)
    assert item.command == f"chgrp {group_name(1)} {path} && chmod g+rw {path}"


@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root cannot give a directory away")
def test_a_directory_that_is_closed_is_named_before_what_is_in_it(path: Path) -> None:
    group = given_to_group(path.parent, 0o750)
    user = os.geteuid()
    os.seteuid(NOBODY)
    try:
        item = judge_control_socket(path)
    finally:
        os.seteuid(user)
    assert not item.ok
    assert item.text.startswith(f"{path.parent} is drwxr-x--- ")
    assert item.command == f"usermod -aG {group} {user_name(NOBODY)} && systemctl restart stasis-offload"


@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root cannot give a file to root")
async def test_a_management_socket_that_is_roots_alone_names_the_units_that_give_it_away(path: Path) -> None:
    management = path.parent / "breth0.mgmt"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(management))
        listener.listen()
        management.chmod(0o750)
        # What is imported then nobody may be unable to read.
        await run_checks(config_at(Path("/nonexistent/asterisk.ctl")), Running(problems=()))
        with unprivileged():
            items = {item.name: item for item in await run_checks(config_at(path), Running(problems=()))}
    assert set(items) == {"health", "ari", "control socket", "module", "switch"} - (
        {"module"} if not items["control socket"].ok else set()
    )
    item = items["switch"]
    assert not item.ok
    unit = "stasis-offload-socket@breth0"
    assert item.command == f"systemctl enable --now {unit}.path {unit}.service"
    assert {f"{unit.partition('@')[0]}@{kind}" for kind in (".path", ".service")} <= {
        each.name for each in (PROJECT / "systemd").iterdir()
    }


OURS = version("stasis-offload")
LIMITED = "You don't have permissions to run 'core show uptime' command"


async def looked(folder: Path, *, module: str = OURS, answer: str = LIMITED) -> tuple[Item, ...]:
    """Check a CLI with a module of that version, which answers so to a command that is not needed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"pbx/1/22.10.1\n")
        asked = await reader.readuntil(b"\0")
        text = f"res_rtpstreams {module}" if b"rtpstreams version" in asked else answer
        writer.write(f"{text}\n".encode())
        writer.close()

    path = folder / "asterisk.ctl"
    async with await asyncio.start_unix_server(serve, path):
        path.chmod(0o660)
        return await check_command_line(config_at(path), within=5.0)


@pytest.mark.parametrize(
    ("answer", "limited"),
    [(LIMITED, True), ("System uptime: 1 s", False)],
    ids=["limited", "the whole CLI"],
)
async def test_a_cli_that_runs_more_for_us_than_we_need_is_fine_with_a_warning(
    tmp_path: Path, answer: str, *, limited: bool
) -> None:
    items = await looked(tmp_path, answer=answer)
    assert [(item.name, item.ok) for item in items] == [
        ("control socket", True),
        ("module", True),
        ("cli permissions", True),
    ]
    assert items[1].line == f"module: res_rtpstreams {OURS}"
    assert items[2].mark == ("ok" if limited else "hint")
    assert ("cli_permissions.conf" in items[2].text) is not limited


async def test_a_module_of_another_version_than_the_application_is_a_hint(tmp_path: Path) -> None:
    _, item, _ = await looked(tmp_path, module="0.0.1")
    assert (item.name, item.mark) == ("module", "hint")
    assert item.text.startswith(f"res_rtpstreams 0.0.1, while the application is {OURS}")
    assert item.command == "asterisk -rx 'module refresh res_rtpstreams.so'"


def test_something_else_than_a_socket_is_named(tmp_path: Path) -> None:
    item = judge_control_socket(tmp_path)
    assert not item.ok
    assert "not a socket" in item.text


def test_a_socket_that_is_not_there_says_that_asterisk_does_not_run(tmp_path: Path) -> None:
    item = judge_control_socket(tmp_path / "asterisk.ctl")
    assert (item.ok, item.command) == (False, "systemctl start asterisk")
