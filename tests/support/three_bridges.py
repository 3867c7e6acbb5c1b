"""Three bridges of node 2: `fork0` has its wire, and behind it are its own, `breth0`, and `breth1`, for one address of the edge.

        edge ---- fork0 ---- breth0 ---- node 2
                       `---- breth1 ----'

What Asterisk and the edge's SECOND address send each other passes breth1, all else breth0, and everything fork0.
"""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import control
from lab.capture import NODE2
from tests.support.applications import application
from tests.support.phone import SECOND

HOST, BESIDE, FRONT = "host", "beside", "front"
_BRIDGES = {HOST: "breth0", BESIDE: "breth1", FRONT: "fork0"}
_FILE = "/etc/stasis-offload/stasis-offload.toml"
_MAC = "02:00:00:00:01:0{}"
_PATCHES = (("fork0", "f0", "breth0", "h0"), ("fork0", "f1", "breth1", "b1"))


@dataclass(frozen=True)
class Switch:
    """A switch of the configuration; `connection` in place of its management socket."""

    name: str
    connection: str = ""

    @property
    def section(self) -> str:
        """Its section of the configuration."""
        connection = self.connection or f"unix:/run/openvswitch/{_BRIDGES[self.name]}.mgmt"
        return f'[[switch]]\nname = "{self.name}"\nconnection = "{connection}"\n'


def _vsctl(*commands: str) -> None:
    control.execute("ovs", "ovs-vsctl", "--timeout=20", *" -- ".join(commands).split())


def _lay() -> None:
    bridges = [
        f"add-br {name} -- set bridge {name} datapath_type=netdev other_config:hwaddr={_MAC.format(number)}"
        for number, name in enumerate(("fork0", "breth1"), start=1)
    ]
    patches = [
        f"add-port {bridge} {port} -- set interface {port} type=patch options:peer={peer}"
        for left in _PATCHES
        for bridge, port, peer in (left[:2] + left[3:], left[2:] + left[1:2])
    ]
    _vsctl("del-port breth0 eth0", *bridges, "add-port fork0 eth0", *patches)
    port = control.execute("ovs", "ovs-vsctl", "get", "interface", "f1", "ofport").strip()
    to_beside = (
        f"priority=100,ip,nw_src={SECOND},nw_dst={NODE2},actions=mod_dl_dst:{_MAC.format(2)},output:{port}"
    )
    control.execute("ovs", "ovs-ofctl", "add-flow", "fork0", to_beside)
    edge = control.execute("edge", "cat", "/sys/class/net/eth0/address").strip()
    # No ARP by breth1: a neighbour that gets a request of node 2's address with this MAC sends everything here.
    script = f"""set -e
        ethtool -K breth1 tx off >/dev/null
        ip link set dev breth1 txqueuelen 10000 arp off up
        ip neigh replace {SECOND} lladdr {edge} dev breth1 nud permanent
        ip route replace {SECOND}/32 dev breth1 src {NODE2}
        for bridge in fork0 breth1; do
            chgrp 8086 /run/openvswitch/$bridge.mgmt
            chmod 660 /run/openvswitch/$bridge.mgmt
        done"""
    control.execute("ovs", "sh", "-c", script)


def _take_up() -> None:
    _vsctl("--if-exists del-br fork0", "--if-exists del-br breth1", "--if-exists del-port breth0 h0", "--may-exist add-port breth0 eth0")  # fmt: skip


@contextmanager
def three_bridges() -> Iterator[None]:
    """Have the three bridges while the block runs."""
    try:
        _lay()
        yield
    finally:
        _take_up()


@contextmanager
def application_at(*switches: Switch) -> Iterator[None]:
    """Run the application with these switches, in this order of preference."""
    kept = control.execute("offload", "cat", _FILE)
    before, _, rest = kept.partition("[openflow]")
    after = rest.partition("[http]")[2]
    sections = "\n".join(switch.section for switch in switches)
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(f"{before}{sections}\n[http]{after}")
        file.flush()
        Path(file.name).chmod(0o644)
        with application(f"--volume={file.name}:{_FILE}:ro"):
            yield


def flows_in(name: str) -> list[str]:
    """List the flows of calls in a switch, without the gate."""
    rows = control.execute("ovs", "ovs-ofctl", "-O", "OpenFlow13", "dump-flows", _BRIDGES[name])
    return [row for row in rows.splitlines() if re.match(r" cookie=0x[1-7]?ff1[0-9a-f]{10}(?!ff)", row)]
