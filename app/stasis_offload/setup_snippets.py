"""What each of Asterisk's files lacks for the application, as a file that Asterisk includes at its end. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stasis_offload.dialplan.config_file import ConfigFile, Section

USER = "offload"
"""The user of ARI, and of the host, and its group."""

_HEAD = (
    "; Written by `stasis-offload setup`, which leaves it alone from then on; `setup --undo` removes it.\n"
)
_WRITE_WITHIN_MS = 1000
"""How long at least Asterisk should try to write an event; by default it is 100 ms."""

# Besides ours, what an Asterisk without autoload must load.
_LOADED = (
    *("res_http_websocket", "res_websocket_client", "res_stasis", "res_stasis_answer", "res_stasis_playback"),
    *("res_stasis_recording", "res_stasis_snoop", "res_stasis_device_state", "app_stasis", "res_ari"),
    *("res_ari_model", "res_ari_applications", "res_ari_asterisk", "res_ari_bridges", "res_ari_channels"),
    *("res_ari_endpoints", "res_ari_events", "bridge_holding", "bridge_native_rtp", "bridge_simple"),
    *("func_timeout", "app_stack", "app_dial", "res_rtpstreams", "func_offload_cause", "func_offload_sub"),
    *("func_offload_features", "app_offload_dial", "func_pjsip_endpoint"),
)
_TRUE = {"yes", "true", "y", "t", "1", "on"}  # main/utils.c, ast_true


@dataclass(frozen=True, slots=True)
class Ari:
    """How the application reaches ARI; `known` says that Asterisk has the user already."""

    url: str
    password: str
    known: bool


@dataclass(frozen=True, slots=True)
class Needs:
    """Asterisk's files as they are, by name, and how ARI is to be reached."""

    files: Mapping[str, ConfigFile]
    ari: Ari


def ari_of(ari: ConfigFile, http: ConfigFile, password: str) -> Ari:
    """Return where ARI answers, or will, and the password: that of ari.conf if it has the user."""
    general = _section(http, "general")
    address = _value(general, "bindaddr") or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address, address)  # noqa: S104 - how to reach a server that listens everywhere
    url = f"http://{host}:{_value(general, 'bindport') or '8088'}{_prefix(_value(general, 'prefix'))}"
    user = _section(ari, USER)
    return Ari(url, _value(user, "password") or password, known=user is not None)


def endpoints_against(pjsip: ConfigFile) -> tuple[str, ...]:
    """Return a sentence for each setting of endpoints in pjsip.conf that keeps their calls with Asterisk."""
    endpoints = [section for section in pjsip.sections if _value(section, "type") == "endpoint"]
    direct = [each.name for each in endpoints if (_value(each, "direct_media") or "yes").lower() in _TRUE]
    kept = [each.name for each in endpoints if (_value(each, "rtp_keepalive") or "0") != "0"]
    return tuple(
        f"pjsip.conf: {setting} is missing for {_some(names)}: calls of theirs stay with Asterisk"
        for setting, names in (("direct_media = no", direct), ("rtp_keepalive = 0", kept))
        if names
    )


def _ari(needs: Needs) -> str:
    general = _section(needs.files["ari.conf"], "general")
    lines = []
    if (_value(general, "enabled") or "yes").lower() not in _TRUE:
        lines.append("enabled = yes")
    if _number(_value(general, "websocket_write_timeout")) < _WRITE_WITHIN_MS:
        lines.append("websocket_write_timeout = 10000")
    text = _added(needs, "ari.conf", "general", lines)
    if not needs.ari.known:
        text += f"[{USER}]\ntype = user\nread_only = no\npassword = {needs.ari.password}\n"
    return _headed(text)


def _http(needs: Needs) -> str:
    general = _section(needs.files["http.conf"], "general")
    lines = []
    if (_value(general, "enabled") or "no").lower() not in _TRUE:
        lines.append("enabled = yes")
    if not _value(general, "bindaddr"):
        lines.append("bindaddr = 127.0.0.1")
    return _headed(_added(needs, "http.conf", "general", lines))


def _asterisk(needs: Needs) -> str:
    options = _section(needs.files["asterisk.conf"], "options")
    lines = [
        f"{name} = yes"
        for name in ("hideconnect", "disable_remote_console_shell")
        if (_value(options, name) or "no").lower() not in _TRUE
    ]
    text = _added(needs, "asterisk.conf", "options", lines)
    rights = _value(_section(needs.files["asterisk.conf"], "files"), "astctlpermissions")
    wanted = [] if rights in ("0660", "660") else ["astctlpermissions = 0660"]
    return _headed(text + _added(needs, "asterisk.conf", "files", wanted))


def _modules(needs: Needs) -> str:
    modules = _section(needs.files["modules.conf"], "modules")
    if (_value(modules, "autoload") or "no").lower() in _TRUE:
        return ""
    present = {
        entry.value.removesuffix(".so")
        for entry in (modules.entries if modules else ())
        if entry.name.lower() in ("load", "preload", "require", "preload-require")
    }
    lines = [f"load = {name}.so" for name in _LOADED if name not in present]
    return _headed(_added(needs, "modules.conf", "modules", lines))


def _permissions(needs: Needs) -> str:
    if _section(needs.files["cli_permissions.conf"], f"@{USER}") is not None:
        return ""
    rules = ("deny = all", "permit = rtpstreams", "permit = core waitfullybooted")
    return _headed("\n".join((f"[@{USER}]", *rules)) + "\n")


SNIPPETS: dict[str, Callable[[Needs], str]] = {
    "cli_permissions.conf": _permissions,
    "asterisk.conf": _asterisk,
    "modules.conf": _modules,
    "http.conf": _http,
    "ari.conf": _ari,
}
"""Asterisk's files, and what is to be added to each: empty if it lacks nothing."""


def _added(needs: Needs, name: str, section: str, lines: list[str]) -> str:
    """Return lines for a section, which is one of the file's own if the file has it."""
    if not lines:
        return ""
    known = _section(needs.files[name], section) is not None
    return "\n".join((f"[{section}](+)" if known else f"[{section}]", *lines)) + "\n"


def _headed(text: str) -> str:
    return _HEAD + text if text else ""


def _section(file: ConfigFile, name: str) -> Section | None:
    return next((section for section in file.sections if section.name.lower() == name), None)


def _value(section: Section | None, name: str) -> str | None:
    """Return what is set last."""
    found = [entry.value for entry in (section.entries if section else ()) if entry.name.lower() == name]
    return found[-1] if found else None


def _number(value: str | None) -> int:
    return int(value) if value and value.isdecimal() else 0


def _prefix(value: str | None) -> str:
    return f"/{value.strip('/')}" if value and value.strip("/") else ""


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} others"  # noqa: PLR2004 - as many as fit a line
