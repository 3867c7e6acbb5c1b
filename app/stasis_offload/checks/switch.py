"""What the switch shows: that it answers, what it can do, who else is there, and whether RTP passes it."""

from collections.abc import Collection
from pathlib import Path
from typing import assert_never

from stasis_offload.checks.bridge_flows import judge_instance, judge_tables
from stasis_offload.checks.items import Item, items_as_json
from stasis_offload.checks.rights import closed_directory, command_to_open, described, is_open
from stasis_offload.checks.room import judge_room
from stasis_offload.checks.routes import check_routes
from stasis_offload.checks.running import Running
from stasis_offload.config import Config
from stasis_offload.errors import OpenFlowError, SwitchUnavailableError
from stasis_offload.identity import application_number
from stasis_offload.openflow.describe import describe_switch
from stasis_offload.openflow.endpoint import Endpoint, Pssl, Ptcp, Ssl, Tcp, Unix
from stasis_offload.openflow.events import SeenFlow, SwitchDescription
from stasis_offload.openflow.instance import Instance
from stasis_offload.openflow.switch import Switch

# OpenFlow 1.3.5, 7.2.1: numbers above are reserved; LOCAL is the bridge itself.
_MAX_PORT = 0xFFFFFF00


async def check_switch(config: Config, running: Running) -> tuple[Item, ...]:
    """Return what the switch shows; if it does not answer, that alone."""
    if running.switch:
        return running.switch
    endpoint, instance = config.openflow.connection, Instance(config.openflow.instance)
    try:
        switch, flows = await describe_switch(endpoint, instance)
    except SwitchUnavailableError as error:
        return (_unreached(endpoint, error, running),)
    except OpenFlowError as error:
        text = f"answers at {endpoint}: {error}"
        command = "ovs-vsctl set bridge BRIDGE protocols=OpenFlow10,OpenFlow13"
        return (Item("openflow", ok=False, text=text, command=command),)
    return await _judge(config, switch, flows)


async def check_connected(config: Config, switch: Switch) -> dict[str, object]:
    """Return, as JSON, what the switch shows to the running application itself; raises as `Switch.describe`."""
    return items_as_json(await _judge(config, *await switch.describe()))


async def _judge(config: Config, switch: SwitchDescription, flows: Collection[SeenFlow]) -> tuple[Item, ...]:
    instance = Instance(config.openflow.instance)
    return (
        _judge_datapath(switch, config.openflow.datapath_id),
        _judge_openflow(switch),
        _judge_abilities(switch),
        judge_room(switch, flows, instance),
        judge_instance(flows, instance, application=application_number(config), bridge=switch.bridge),
        judge_tables(flows, instance, bridge=switch.bridge),
        *await check_routes(config, switch),
    )


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
                command="ovs-vsctl show",
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
