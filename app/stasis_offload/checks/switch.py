"""What the switch shows: that it answers, what it can do, who else is there, and whether RTP passes it."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from stasis_offload.checks.bridge_flows import judge_instance, judge_tables
from stasis_offload.checks.items import Item, items_as_json
from stasis_offload.checks.rights import closed_directory, command_to_open, described, is_open
from stasis_offload.checks.room import judge_room
from stasis_offload.checks.routes import check_routes
from stasis_offload.checks.running import Running
from stasis_offload.config import Config
from stasis_offload.config_sections import OpenFlowSettings
from stasis_offload.errors import OpenFlowError, SwitchUnavailableError
from stasis_offload.identity import application_number
from stasis_offload.openflow.describe import describe_switch
from stasis_offload.openflow.endpoint import Endpoint, Pssl, Ptcp, Ssl, Tcp, Unix
from stasis_offload.openflow.events import SeenFlow, SwitchDescription
from stasis_offload.openflow.instance import Instance
from stasis_offload.openflow.switch import Switch

# OpenFlow 1.3.5, 7.2.1: numbers above are reserved; LOCAL is the bridge itself.
_MAX_PORT = 0xFFFFFF00


async def check_switch(
    config: Config, running: Running, name: str, settings: OpenFlowSettings
) -> tuple[Item, ...]:
    """Return what a switch shows; if it does not answer, that alone. Of several, each item has the name of its switch."""
    told = tuple(item for item in running.switch if not name or item.name.endswith(f" {name}"))
    if settings.switch_dials and told:
        return told
    endpoint, instance = settings.connection, Instance(settings.instance)
    try:
        switch, flows = await describe_switch(endpoint, instance)
    except SwitchUnavailableError as error:
        return _named((_unreached(endpoint, error, running),), name)
    except OpenFlowError as error:
        text = f"answers at {endpoint}: {error}"
        command = "ovs-vsctl set bridge BRIDGE protocols=OpenFlow10,OpenFlow13"
        return _named((Item("openflow", ok=False, text=text, command=command),), name)
    return await _judge(config, name, settings, switch, flows)


async def check_connected(config: Config, switches: Sequence[Switch]) -> dict[str, object]:
    """Return, as JSON, what each switch that dials the running application shows to it; nothing of one that does not answer."""
    items: list[Item] = []
    for (name, settings), switch in zip(config.switches, switches, strict=True):
        if settings.switch_dials:
            with suppress(OpenFlowError):
                items += await _judge(config, name, settings, *await switch.describe())
    return items_as_json(items)


def _named(items: tuple[Item, ...], name: str) -> tuple[Item, ...]:
    return tuple(replace(item, name=f"{item.name} {name}") for item in items) if name else items


async def _judge(
    config: Config,
    name: str,
    settings: OpenFlowSettings,
    switch: SwitchDescription,
    flows: Collection[SeenFlow],
) -> tuple[Item, ...]:
    instance = Instance(settings.instance)
    items = (
        _judge_datapath(switch, settings.datapath_id),
        _judge_openflow(switch),
        _judge_abilities(switch),
        judge_room(switch, flows, instance),
        judge_instance(
            flows, instance, application=application_number(config, switch=name), bridge=switch.bridge
        ),
        judge_tables(flows, instance, bridge=switch.bridge),
        *await check_routes(config, switch),
    )
    return _named(items, name)


def _judge_datapath(switch: SwitchDescription, expected: str) -> Item:
    ports = ", ".join(f"{port.number} {port.name}" for port in switch.ports if port.number <= _MAX_PORT)
    text = (
        f"{switch.hardware} {switch.software}, datapath {switch.datapath_id:016x}, ports: {ports or 'none'}"
    )
    if expected not in ("", f"{switch.datapath_id:016x}"):
        text += f"; openflow.datapath_id wants {expected}: is that the bridge?"
        return Item("switch", ok=False, text=text, command="ovs-vsctl list bridge")
    if not ports:
        text += "; the bridge lacks the interface that carries the media"
        return Item("switch", ok=False, text=text, command=f"ovs-vsctl add-port {switch.bridge} INTERFACE")
    return Item("switch", ok=True, text=text)


def _judge_openflow(switch: SwitchDescription) -> Item:
    text = f"OpenFlow {switch.version}"
    if not switch.parts_fragments:
        return Item("openflow", ok=True, text=text)
    text += "; fragments are nx-match: RTP that comes in fragments is lost while a call is forwarded"
    return Item("openflow", ok=True, text=text, command=f"ovs-ofctl set-frags {switch.bridge} normal")


def _judge_abilities(switch: SwitchDescription) -> Item:
    name, command = "abilities", "ovs-vswitchd --version"
    if switch.missing:
        text = (
            f"the switch lacks {'; '.join(map(str, switch.missing))}: Open vSwitch has all of it from 2.12 on"
        )
        return Item(name, ok=False, text=text, command=command)
    if switch.lacks:
        return Item(name, ok=True, text=f"used without {'; '.join(map(str, switch.lacks))}", command=command)
    return Item(name, ok=True, text="the switch has all that is used (docs/limits.md)")


def _unreached(endpoint: Endpoint, error: SwitchUnavailableError, running: Running) -> Item:
    match endpoint:
        case Unix(path):
            return _closed(Path(path)) or Item(
                "switch",
                ok=False,
                text=f"{error}; is ovs-vswitchd running, and is that the bridge's socket?",
                command="systemctl status ovs-vswitchd; ovs-vsctl show",
            )
        case Tcp() | Ssl():
            method = "ptcp" if isinstance(endpoint, Tcp) else "pssl"
            text = f"{error}; does the bridge listen there ({method}:PORT)?"
            return Item("switch", ok=False, text=text, command="ovs-vsctl get-controller BRIDGE")
        case Ptcp() | Pssl():
            text = f"no switch dials {endpoint}" if running.problems else str(error)
            method = "tcp" if isinstance(endpoint, Ptcp) else "ssl"
            return Item(
                "switch", ok=False, text=text, command=f"ovs-vsctl set-controller BRIDGE {method}:HOST:PORT"
            )
        case _:
            assert_never(endpoint)


def _closed(path: Path) -> Item | None:
    """Judge the rights of the management socket; None if it is there and open, or not there."""
    directory = closed_directory(path)
    if directory is not None:
        text = f"{described(directory)}, closed to us"
        return Item("switch", ok=False, text=text, command=command_to_open(directory))
    if not path.exists() or is_open(path):
        return None
    if path.stat().st_gid:
        text = f"{described(path)}, closed to us"
        return Item("switch", ok=False, text=text, command=command_to_open(path))
    unit = f"stasis-offload-socket@{path.stem}"
    text = (
        f"{described(path)}, closed to us: ovs-vswitchd makes it for root alone at each start; two units (systemd/) give it"
        " to the group offload"
    )
    return Item("switch", ok=False, text=text, command=f"systemctl enable --now {unit}.path {unit}.service")
