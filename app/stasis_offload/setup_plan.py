"""What `stasis-offload setup` would do to a host: files to add, one line for each file of Asterisk, commands. Pure.

No line of a file that is there is changed or removed. What Asterisk needs is in files of ours, each of which one `#tryinclude` at
the end of Asterisk's own file reads; without our file that line does nothing (main/config.c).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from stasis_offload.dialplan.config_file import ConfigFile, Open, parse_config
from stasis_offload.setup_snippets import SNIPPETS, USER, Ari, Needs, ari_of, endpoints_against

FOLDER = "stasis-offload"
"""Of our files, in Asterisk's directory."""
CONFIG = "/etc/stasis-offload/stasis-offload.toml"
PASSWORD = "/etc/stasis-offload/ari-password"  # noqa: S105 - a path
CONTROL_SOCKET = "/run/asterisk/asterisk.ctl"
SERVICE = "stasis-offload.service"

MODULES = (
    *("res_rtpstreams", "func_offload_cause", "func_offload_sub", "func_offload_features"),
    "app_offload_dial",
)
"""Asterisk's modules that are ours, in the order in which they load."""

Read = Callable[[str], bytes | None]
"""The contents of a file of Asterisk's directory by its name; None if there is none."""

Command = tuple[str, ...]
"""A program and its arguments."""


@dataclass(frozen=True, slots=True)
class Rights:
    """Who may do what with a file that is made."""

    owner: str
    group: str
    mode: int


_OURS = Rights("root", USER, 0o640)
_ASTERISKS = Rights("root", "asterisk", 0o640)
_PASSWORD = Rights(USER, USER, 0o400)


@dataclass(frozen=True, slots=True)
class Change:
    """A file as it is (None: there is none) and as it will be (None: removed); one that is there keeps its rights."""

    path: str
    before: bytes | None
    after: bytes | None
    rights: Rights
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Host:
    """What is so on the host.

    `asterisk` is the directory of Asterisk's files, `bridge` is empty if it does not matter, `enabled` and `active` are units of ours,
    names in `loaded` are without `.so`.
    """

    asterisk: str
    bridge: str
    user: bool
    in_group: bool
    systemd: bool
    enabled: frozenset[str]
    active: frozenset[str]
    asterisk_runs: bool
    loaded: frozenset[str]
    control_socket_open: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in order; remarks are for the operator to act on."""

    steps: tuple[Change | Command, ...]
    remarks: tuple[str, ...] = ()


def plan_setup(
    host: Host, ours: Mapping[str, bytes | None], *, read: Read, included: Open, new_password: str
) -> Plan:
    """Return what is missing on a host; on one that is set up that is nothing.

    `ours` has the contents of CONFIG and PASSWORD. `new_password` is used if neither that file nor Asterisk's ari.conf has one.

    Raises:
        DialplanError: Asterisk would refuse one of its files as it is.

    """
    files = {name: _parsed(host, name, read, included) for name in (*SNIPPETS, "pjsip.conf")}
    known = _first_line(ours[PASSWORD])
    ari = ari_of(files["ari.conf"], files["http.conf"], known or new_password)
    needs = Needs(files, ari)
    changes = [change for name in SNIPPETS for change in _included(host, name, needs, read)]
    if ours[PASSWORD] is None:
        changes.append(Change(PASSWORD, None, f"{ari.password}\n".encode(), _PASSWORD, secret=True))
    if ours[CONFIG] is None:
        changes.append(Change(CONFIG, None, _toml(host, ari).encode(), _OURS))
    remarks = endpoints_against(files["pjsip.conf"])
    if known and known != ari.password:
        remarks += (f"{PASSWORD} is not what ari.conf has for [{USER}]: ARI will refuse it",)
    return Plan((*_account(host), *changes, *_commands(host, changes)), remarks)


def plan_undo(host: Host, *, read: Read) -> Plan:
    """Return what takes Asterisk's files back to what they were, byte by byte; /etc/stasis-offload stays."""
    steps: list[Change | Command] = []
    if units := sorted(host.enabled | host.active):
        steps.append(("systemctl", "disable", "--now", *units))
    for name in SNIPPETS:
        before = read(name)
        if before is not None and (after := _without_line(before, name)) != before:
            steps.append(Change(f"{host.asterisk}/{name}", before, after or None, _ASTERISKS))
        snippet = read(f"{FOLDER}/{name}")
        if snippet is not None:
            steps.append(_snippet(host, name, snippet, None))
    if host.user and host.in_group:
        steps.append(("gpasswd", "--delete", USER, "asterisk"))
    return Plan(tuple(steps))


def _parsed(host: Host, name: str, read: Read, included: Open) -> ConfigFile:
    contents = read(name)
    if contents is None:
        return ConfigFile()
    return parse_config(f"{host.asterisk}/{name}", contents, included=included)


def _included(host: Host, name: str, needs: Needs, read: Read) -> Iterator[Change]:
    """Yield our file, unless it is there or nothing is missing, and the line that reads it."""
    before = read(name)
    if read(f"{FOLDER}/{name}") is None:
        text = SNIPPETS[name](needs)
        if not text:
            return
        yield _snippet(host, name, None, text.encode())
    after = _with_line(before or b"", name)
    if after != before:
        yield Change(f"{host.asterisk}/{name}", before, after, _ASTERISKS)


def _snippet(host: Host, name: str, before: bytes | None, after: bytes | None) -> Change:
    return Change(f"{host.asterisk}/{FOLDER}/{name}", before, after, _ASTERISKS, secret=name == "ari.conf")


def _line(name: str) -> bytes:
    return f"#tryinclude {FOLDER}/{name}".encode()


def _with_line(contents: bytes, name: str) -> bytes:
    """Add the line, if there is none, at the end: without a newline where there was none, so that undoing it gives the same bytes."""
    if _without_line(contents, name) != contents:
        return contents
    if contents and not contents.endswith(b"\n"):
        return contents + b"\n" + _line(name)
    return contents + _line(name) + b"\n"


def _without_line(contents: bytes, name: str) -> bytes:
    if contents.endswith(b"\n" + _line(name)):
        return contents[: -len(_line(name)) - 1]
    return b"".join(line for line in contents.splitlines(keepends=True) if line.strip() != _line(name))


def _first_line(contents: bytes | None) -> str:
    return (contents or b"").decode(errors="replace").partition("\n")[0].strip()


def _toml(host: Host, ari: Ari) -> str:
    return f"""# Written by `stasis-offload setup`; `stasis-offload example stasis-offload.toml.example` shows every key.

[ari]
url = "{ari.url}"
username = "{USER}"
password_file = "{PASSWORD}"

[openflow]
connection = "unix:/run/openvswitch/{host.bridge}.mgmt"
"""


def _account(host: Host) -> Iterator[Command]:
    if not host.user:
        yield ("useradd", "--system", "--user-group", "--shell", "/usr/sbin/nologin", USER)
    if not host.in_group:
        yield ("usermod", "--append", "--groups", "asterisk", USER)


def _commands(host: Host, changes: Iterable[Change]) -> Iterator[Command]:
    """Yield what makes the changes take effect, without a restart of Asterisk or of the switch."""
    changed = {change.path.rpartition("/")[2] for change in changes}
    unit = f"stasis-offload-socket@{host.bridge}"
    yield from _enabled(host, f"{unit}.path", f"{unit}.service")
    if host.asterisk_runs:
        for name, reload in (
            ("cli_permissions.conf", "cli reload permissions"),
            ("http.conf", "module reload http"),
            ("ari.conf", "module reload res_ari.so"),
        ):
            if name in changed:
                yield ("asterisk", "-rx", reload)
        for module in MODULES:
            if module not in host.loaded:
                yield ("asterisk", "-rx", f"module load {module}.so")
        if not host.control_socket_open:
            yield ("chmod", "0660", CONTROL_SOCKET)  # what astctlpermissions does at the next start
    yield from _enabled(host, SERVICE, active=SERVICE in host.active)


def _enabled(host: Host, *units: str, active: bool = True) -> Iterator[Command]:
    """Yield what enables and starts units, unless they are enabled and what has to be active is."""
    if host.systemd and not (host.enabled.issuperset(units) and active):
        yield ("systemctl", "enable", "--now", *units)
