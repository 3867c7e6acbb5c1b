"""The host that `stasis-offload setup` looks at and changes: its files, accounts, units, Asterisk and switch."""

import grp
import os
import pwd
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from stasis_offload.dialplan.config_file import Open
from stasis_offload.errors import OffloadError
from stasis_offload.setup_plan import CONTROL_SOCKET, FOLDER, SERVICE, Change, Command, Host, Read, Rights
from stasis_offload.setup_snippets import USER

_SYSTEMD = Path("/run/systemd/system")
_WANTED = Path("/etc/systemd/system/multi-user.target.wants")
_WITHIN = 60  # seconds that a command may take


def bridge_of(given: str | None) -> str:
    """Return the bridge: the one that is named, or the only one that the switch has.

    Raises:
        OffloadError: there is none, or there are several and none is named.

    """
    bridges = _run("ovs-vsctl", "--timeout=5", "list-br").split()
    known = f"the switch has {', '.join(bridges) or 'no bridge'}"
    if given is None and len(bridges) == 1:
        return bridges[0]
    if given is None:
        raise OffloadError(
            f"{known}: name the one that the RTP passes by --bridge (docs/bridge.md makes one)"
        )
    if given not in bridges:
        raise OffloadError(f"there is no bridge {given}, {known} (docs/bridge.md makes one)")
    return given


def look(asterisk: Path, bridge: str) -> Host:
    """Return what is so on this host."""
    modules = _asks_asterisk("module show")
    return Host(
        asterisk=str(asterisk),
        bridge=bridge,
        user=_user_id() is not None,
        in_group=_in_group(),
        systemd=_SYSTEMD.is_dir(),
        enabled=frozenset(link.name for link in _WANTED.glob("stasis-offload*")),
        active=frozenset({SERVICE} if _service_active() else ()),
        asterisk_runs=modules is not None,
        loaded=frozenset(re.findall(r"^(\S+)\.so .* Running", modules or "", re.MULTILINE)),
        control_socket_open=_control_socket_open(),
    )


def reader(asterisk: Path) -> Read:
    """Return what reads a file of Asterisk's directory."""
    return lambda name: contents(asterisk / name)


def includer(asterisk: Path) -> Open:
    """Return what reads the files that an `#include` of Asterisk names."""

    def included(name: str) -> Iterator[tuple[str, bytes]]:
        path = asterisk / name
        for found in sorted(path.parent.glob(path.name)) if path.parent.is_dir() else ():
            if found.is_file():
                yield str(found), found.read_bytes()

    return included


def contents(file: Path) -> bytes | None:
    """Return the contents of a file; None if there is none."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OffloadError(f"{file}: {error.strerror}; run `setup` as root") from error


def apply(step: Change | Command) -> None:
    """Make a change, or run a command."""
    if isinstance(step, Change):
        _write(step)
    else:
        _run(*step)


def _write(change: Change) -> None:
    """Replace a file as a whole: nobody reads half of it, and one that another has changed since is left alone."""
    path = Path(change.path)
    if contents(path) != change.before:
        raise OffloadError(f"{path} was changed meanwhile: run `setup` again")
    if change.after is None:
        path.unlink()
        if path.parent.name == FOLDER and not any(path.parent.iterdir()):
            path.parent.rmdir()
        return
    if not path.parent.exists():
        path.parent.mkdir(mode=0o750)
        _own(path.parent, Rights("root", change.rights.group, 0o750))
    rights = change.rights if change.before is None else _rights(path)
    made = path.with_name(f".{path.name}.setup")
    with made.open("xb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(change.after)
    _own(made, rights)
    made.rename(path)


def _rights(file: Path) -> Rights:
    status = file.stat()
    return Rights(file.owner(), file.group(), stat.S_IMODE(status.st_mode))


def _own(path: Path, rights: Rights) -> None:
    shutil.chown(path, rights.owner, rights.group)
    path.chmod(rights.mode)


def _run(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_WITHIN)  # noqa: S603 - fixed programs
    except FileNotFoundError as error:
        raise OffloadError(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise OffloadError(f"{' '.join(command)}: not done within {_WITHIN} s") from error
    if done.returncode:
        text = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()[-1]
        raise OffloadError(f"{' '.join(command)}: {text}")
    return done.stdout


def _asks_asterisk(command: str) -> str | None:
    """Return an answer of Asterisk's CLI; None if it does not run."""
    return _or_none(lambda: _run("asterisk", "-rx", command))


def _or_none(run: Callable[[], str]) -> str | None:
    try:
        return run()
    except OffloadError:
        return None


def _service_active() -> bool:
    return _or_none(lambda: _run("systemctl", "--quiet", "is-active", SERVICE)) is not None


def _user_id() -> int | None:
    try:
        return pwd.getpwnam(USER).pw_uid
    except KeyError:
        return None


def _in_group() -> bool:
    try:
        return USER in grp.getgrnam("asterisk").gr_mem
    except KeyError as error:
        raise OffloadError("there is no group asterisk: install Asterisk first") from error


def _control_socket_open() -> bool:
    """Return whether the group of Asterisk's CLI socket may use it; one that is not there will be made so."""
    try:
        return Path(CONTROL_SOCKET).stat().st_mode & 0o060 == 0o060  # noqa: PLR2004 - rw for the group
    except FileNotFoundError:
        return True
