"""Asterisk's CLI socket: whether we may use it, whether the module answers there, and what else we may run."""

import stat
from importlib.metadata import version as version_of
from pathlib import Path

from stasis_offload.asterisk.control_socket import ask
from stasis_offload.asterisk.rtpstreams import HOW_TO_LOAD, LOAD, RtpStreams
from stasis_offload.checks.accounts import current
from stasis_offload.checks.items import Item
from stasis_offload.checks.rights import closed_directory, command_to_open, described, is_open
from stasis_offload.config import Config
from stasis_offload.errors import ModuleError

# A command of the CLI that the application has no use for.
_NOT_NEEDED = "core show uptime"
_PERMISSIONS = (
    "whoever may use the socket has the whole CLI of Asterisk, its shell included: put what SECURITY.md shows into"
    " cli_permissions.conf, then"
)
_OPEN_TO_ALL = "open to everybody on this host: set astctlpermissions = 0660 in asterisk.conf, [files]"


async def check_command_line(config: Config, *, within: float) -> tuple[Item, ...]:
    """Return the items of the socket, of the module behind it, and of cli_permissions.conf; at the first failure no more."""
    path = config.asterisk.control_socket
    rights = judge_control_socket(path)
    if not rights.ok:
        return (rights,)
    try:
        version = await RtpStreams(path).version()
    except ModuleError as error:
        text = str(error).removesuffix(HOW_TO_LOAD)
        return (rights, Item("module", ok=False, text=text, command=LOAD if "not loaded" in text else ""))
    return (
        rights,
        _judge_version(version, version_of("stasis-offload")),
        await _check_permissions(path, within),
    )


def _judge_version(module: str, application: str) -> Item:
    """Judge the module that Asterisk has: a new one that is installed it takes when it is told to."""
    text = f"res_rtpstreams {module}"
    if module == application:
        return Item("module", ok=True, text=text)
    text += f", while the application is {application}; once that version's is installed"
    return Item("module", ok=True, text=text, command="asterisk -rx 'module refresh res_rtpstreams.so'")


def judge_control_socket(path: Path) -> Item:
    """Judge the file and its permissions; whether Asterisk listens on it the module's answer shows."""
    name, us = "control socket", current()
    directory = closed_directory(path)
    if directory is not None:
        text = f"{described(directory)}, closed to {us}"
        return Item(name, ok=False, text=text, command=command_to_open(directory))
    try:
        status, rights = path.stat(), described(path)
    except OSError as error:
        text = f"{path}: {error.strerror}: Asterisk does not run, or astctl in its asterisk.conf is another"
        return Item(name, ok=False, text=text, command="systemctl start asterisk")
    if not stat.S_ISSOCK(status.st_mode):
        text = f"{rights}, not a socket; compare astctl in asterisk.conf with [asterisk] control_socket"
        return Item(name, ok=False, text=text, command="asterisk -rx 'core show settings'")
    if not is_open(path):
        text = f"{rights}, closed to {us}; to stay so after a restart: astctlpermissions = 0660 in asterisk.conf, [files]"
        return Item(name, ok=False, text=text, command=command_to_open(path))
    if status.st_mode & stat.S_IWOTH:
        return Item(name, ok=True, text=f"{rights}, {_OPEN_TO_ALL}", command=f"chmod 660 {path}")
    return Item(name, ok=True, text=f"{rights}, open to us")


async def _check_permissions(path: Path, within: float) -> Item:
    name = "cli permissions"
    try:
        await ask(path, _NOT_NEEDED, connect_within=within)
    except ModuleError:
        return Item(name, ok=True, text=f"limited: `{_NOT_NEEDED}` is refused, as it should be")
    return Item(name, ok=True, text=_PERMISSIONS, command="asterisk -rx 'cli reload permissions'")
