"""Checks of everything the application needs, each on its own, so that a failure does not hide others."""

import asyncio
import grp
import os
import pwd
import stat
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import structlog

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.asterisk.control_socket import ask
from stasis_offload.asterisk.rtpstreams import RtpStreams
from stasis_offload.bridge_flows import judge_instance, judge_tables
from stasis_offload.config import Config
from stasis_offload.errors import AriError, ModuleError, OpenFlowError, SwitchUnavailableError
from stasis_offload.identity import application_number
from stasis_offload.openflow.describe import describe_switch
from stasis_offload.openflow.endpoint import Endpoint, Pssl, Ptcp, Ssl, Tcp, Unix
from stasis_offload.openflow.events import SwitchDescription
from stasis_offload.openflow.instance import Instance

log = structlog.get_logger(__name__)

# Modules of Asterisk that ARI works without, and what is lost without each.
_MODULES = {
    "app_offload_dial": "no application OffloadDial(): a call that the dialplan makes by it is lost",
    "func_offload_cause": "HANGUPCAUSE is not set after a failed dial; it comes with res_rtpstreams",
    "func_offload_sub": "options b, B, C and U of Dial() have no effect; it comes with res_rtpstreams",
    "func_offload_features": "options h, k, t and x of Dial() have no effect; it comes with res_rtpstreams",
    "func_timeout": "options S and L of Dial() have no effect: such a call does not end",
    "bridge_holding": "several targets, or one that is not PJSIP, are never called",
}

# What the application uses of ours. ARI succeeds in writing a function that does not exist, so that one of an old build
# would be missed by nobody; each module names its functions in its description.
FUNCTIONS = {
    "app_offload_dial": (
        "OffloadDial()",
        "OFFLOAD_CALLER()",
        "OFFLOAD_DIAL()",
        "OFFLOAD_PARTY()",
        "OFFLOAD_CONNECTED()",
        "OFFLOAD_FORWARD()",
    ),
    "func_offload_cause": ("OFFLOAD_HANGUPCAUSE()", "OFFLOAD_HANGUP()"),
    "func_offload_sub": (
        "OFFLOAD_SUB()",
        "OFFLOAD_INHERIT()",
        "OFFLOAD_RUN_H()",
        "OFFLOAD_EXIT()",
        "OFFLOAD_TONE()",
        "OFFLOAD_RESET_CDR()",
        "OFFLOAD_REBRIDGE()",
    ),
    "func_offload_features": ("OFFLOAD_FEATURES()", "OFFLOAD_FEATURE()"),
}

# A command of the CLI that the application has no use for, and what it means if it may run it.
_NOT_NEEDED = "core show uptime"
_WHOLE_CLI = "who has the socket has the whole CLI: limit its group by cli_permissions.conf, see SECURITY.md"

# What Asterisk should allow for an event's way to the application, and what it means if it does not.
_WRITE_WITHIN_MS = 1000
_WRITE_TIMEOUT = (
    "a burst of events can end the websocket: set websocket_write_timeout = 10000 in ari.conf, [general]"
)

# Timeout of each check in seconds; they run concurrently.
_WITHIN = 10.0

# OpenFlow 1.3.5, 7.2.1: numbers above are reserved; LOCAL is the bridge itself.
_MAX_PORT = 0xFFFFFF00


@dataclass(frozen=True, slots=True)
class Item:
    """The result of one check; `text` says what was found, or what is wrong and what to do about it."""

    name: str
    ok: bool
    text: str


async def run_checks(config: Config) -> tuple[Item, ...]:
    """Run all checks concurrently; return the items in order from Asterisk to the switch."""
    async with asyncio.TaskGroup() as tasks:
        started = [
            tasks.create_task(_in_time(check(config), names))
            for check, names in (
                (_check_ari, ("ari", "application", *_MODULES)),
                (_check_socket, ("control socket",)),
                (_check_module, ("module",)),
                (_check_switch, ("switch", "openflow", "bundles", "sizes", "instance", "tables")),
            )
        ]
    return tuple(item for task in started for item in task.result())


async def _in_time(
    check: Coroutine[None, None, tuple[Item, ...]], names: tuple[str, ...]
) -> tuple[Item, ...]:
    try:
        async with asyncio.timeout(_WITHIN):
            return await check
    except TimeoutError:
        text = f"no answer within {_WITHIN:.0f} s"
    except Exception as error:  # a defect in one check must not hide the others
        log.exception("check.defect", items=names)
        text = f"the check is at fault: {type(error).__name__}, see above"
    return tuple(Item(name, ok=False, text=text) for name in names)


async def _check_ari(config: Config) -> tuple[Item, ...]:
    ari = AriClient(
        url=config.ari.url,
        username=config.ari.username,
        password=config.ari.password.get_secret_value(),
        app=config.app,
        on_event=lambda _: None,
    )
    try:
        async with ari.requests():
            version = await ari.info()
            text = f"Asterisk {version} at {config.ari.url}"
            if (await ari.write_timeout_ms() or _WRITE_WITHIN_MS) < _WRITE_WITHIN_MS:
                text += f"; {_WRITE_TIMEOUT}"
            reached = Item("ari", ok=True, text=text)
            application = await _check_application(ari, config.app)
            modules = [await _check_loaded(ari, module) for module in _MODULES]
            return (reached, application, *modules)
    except AriError as error:
        advice = "compare [ari] with http.conf (enabled, bindaddr) and ari.conf (the user's section)"
        failed = Item("ari", ok=False, text=f"{config.ari.url}: {error}; {advice}")
        unknown = "cannot be known before ARI answers"
        return (failed, *(Item(name, ok=False, text=unknown) for name in ("application", *_MODULES)))


async def _check_application(ari: AriClient, app: str) -> Item:
    try:
        if await ari.application():
            return Item("application", ok=True, text=f"Stasis({app}) is registered")
    except AriError as error:
        return Item("application", ok=False, text=str(error))
    advice = "start `stasis-offload run`; until then the dialplan sees STASISSTATUS=FAILED"
    return Item("application", ok=False, text=f"no program has registered Stasis({app}); {advice}")


async def _check_loaded(ari: AriClient, module: str) -> Item:
    try:
        found = await ari.module(f"{module}.so")
    except AriError as error:
        return Item(module, ok=False, text=f"{error}; is res_ari_asterisk.so loaded?")
    if found is None:
        lost = _MODULES[module]
        return Item(module, ok=False, text=f"not loaded: {lost}; `module load {module}.so`, and modules.conf")
    return judge_functions(module, found)


def judge_functions(module: str, description: str) -> Item:
    """Judge by its description whether a module has every function that the application uses."""
    missing = [name for name in FUNCTIONS.get(module, ()) if name not in description]
    if missing:
        text = (
            f"an old build, without {', '.join(missing)}: `make -C asterisk-module install`, and load it anew"
        )
        return Item(module, ok=False, text=text)
    return Item(module, ok=True, text="loaded")


async def _check_socket(config: Config) -> tuple[Item, ...]:
    path = config.asterisk.control_socket
    return (Item("control socket", *_judge_rights(path)),)


def _judge_rights(path: Path) -> tuple[bool, str]:
    """Check the file and its permissions; whether Asterisk listens on it is the item `module`."""
    us = f"user {os.geteuid()}, groups {sorted({os.getegid(), *os.getgroups()})}"
    try:
        status = path.stat()
    except OSError as error:
        return False, f"{path}: {error.strerror} for us ({us}); compare astctl and astrundir in asterisk.conf"
    rights = f"{path} is {stat.filemode(status.st_mode)} {_owner(status)}"
    if not stat.S_ISSOCK(status.st_mode):
        return False, f"{rights}, not a socket; compare astctl in asterisk.conf"
    if not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        return False, f"{rights}, closed to us ({us}); be of that group and set astctlpermissions = 0660"
    if status.st_mode & stat.S_IWOTH:
        return True, f"{rights}, open to us, and to everybody on this host: set astctlpermissions = 0660"
    return True, f"{rights}, open to us"


def _owner(status: os.stat_result) -> str:
    try:
        return f"{pwd.getpwuid(status.st_uid).pw_name}:{grp.getgrgid(status.st_gid).gr_name}"
    except KeyError:  # in a container the names may be unknown
        return f"{status.st_uid}:{status.st_gid}"


async def _check_module(config: Config) -> tuple[Item, ...]:
    try:
        version = await RtpStreams(config.asterisk.control_socket).version()
    except ModuleError as error:
        return (Item("module", ok=False, text=str(error)),)
    text = f"res_rtpstreams {version}"
    try:
        await ask(config.asterisk.control_socket, _NOT_NEEDED, connect_within=_WITHIN)
    except ModuleError:
        return (Item("module", ok=True, text=text),)
    return (Item("module", ok=True, text=f"{text}; {_WHOLE_CLI}"),)


async def _check_switch(config: Config) -> tuple[Item, ...]:
    endpoint, instance = config.openflow.connection, Instance(config.openflow.instance)
    application = application_number(config)
    unknown = "cannot be known before the switch answers"
    rest = tuple(Item(name, ok=False, text=unknown) for name in ("bundles", "sizes", "instance", "tables"))
    try:
        switch, flows = await describe_switch(endpoint)
    except SwitchUnavailableError as error:
        failed = Item("switch", ok=False, text=f"{error}; {_advise(endpoint)}")
        return (failed, Item("openflow", ok=False, text=unknown), *rest)
    except OpenFlowError as error:
        reached = Item("switch", ok=True, text=f"answers at {endpoint}")
        return (reached, Item("openflow", ok=False, text=str(error)), *rest)
    return (
        _judge_datapath(switch, config.openflow.datapath_id),
        Item("openflow", ok=True, text=_describe_openflow(switch)),
        _judge_bundles(switch),
        _judge_sizes(switch),
        Item("instance", *judge_instance(flows, instance, application=application, bridge=switch.bridge)),
        Item("tables", *judge_tables(flows, instance)),
    )


def _judge_datapath(switch: SwitchDescription, expected: str) -> Item:
    ports = ", ".join(f"{port.number} {port.name}" for port in switch.ports if port.number <= _MAX_PORT)
    text = (
        f"{switch.hardware} {switch.software}, datapath {switch.datapath_id:016x}, ports: {ports or 'none'}"
    )
    if expected not in ("", f"{switch.datapath_id:016x}"):
        return Item("switch", ok=False, text=f"{text}; openflow.datapath_id wants {expected}")
    if not ports:
        return Item(
            "switch", ok=False, text=f"{text}; add the interface that carries the media to the bridge"
        )
    return Item("switch", ok=True, text=text)


def _describe_openflow(switch: SwitchDescription) -> str:
    text = f"OpenFlow {switch.version}"
    if switch.parts_fragments:
        text += (
            "; fragments are nx-match: RTP that comes in fragments is lost while a call is forwarded"
            f" (ovs-ofctl set-frags {switch.bridge} normal)"
        )
    return text


def _judge_bundles(switch: SwitchDescription) -> Item:
    if switch.atomic_bundles:
        return Item("bundles", ok=True, text="flows change in atomic bundles")
    return Item(
        "bundles", ok=False, text="no atomic bundles (ONF EXT-230): Open vSwitch has them from 2.6 on"
    )


def _judge_sizes(switch: SwitchDescription) -> Item:
    if switch.splits:
        return Item("sizes", ok=True, text="told apart: what is smaller than audio is left to Asterisk")
    lost = "digits pass from end to end, and legs with different payload types for them stay relayed"
    return Item("sizes", ok=True, text=f"not told apart (Open vSwitch does from 2.12 on): {lost}")


def _advise(endpoint: Endpoint) -> str:
    match endpoint:
        case Unix(path):
            if not Path(path).exists() or os.access(path, os.R_OK | os.W_OK, effective_ids=True):
                return "is ovs-vswitchd running, and is that the bridge's socket?"
            unit = f"stasis-offload-socket@{Path(path).stem}"
            return (
                "ovs-vswitchd makes it for root alone at each start: "
                f"`systemctl enable --now {unit}.path {unit}.service` (systemd/) gives it to the group offload"
            )
        case Tcp() | Ssl():
            method = "ptcp" if isinstance(endpoint, Tcp) else "pssl"
            return f"does the bridge listen there (ovs-vsctl get-controller BRIDGE: {method}:PORT)?"
        case Ptcp() | Pssl():
            return (
                "the switch comes to one listener only: while the application runs, ask its /healthz instead; "
                f"else ovs-vsctl set-controller BRIDGE {'tcp' if isinstance(endpoint, Ptcp) else 'ssl'}:HOST:PORT"
            )
        case _:
            assert_never(endpoint)
