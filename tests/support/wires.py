"""Cables and ports of the switch beside those that the lab has: a second cable, a bond, a VLAN, a port for Asterisk or for phones alone."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from lab import control
from lab.capture import NODE2
from lab.control import wait_until
from lab.place import BRIDGE, INTERFACE, LAB, NETWORK, PROJECT
from tests.support.network import network_process, sysctl

CABLE = f"offload-{LAB}"
# The far end of it, an interface beside the switch.
SECOND = "second"
# An interface of the edge, and a port of the switch.
FAR = "far"
BOND = "bond0"
VLAN = 100
# A network of its own: there phones and node 2 are by another way than the lab's.
ASIDE_PHONE, ASIDE_NODE2 = "198.18.60.14", "198.18.60.12"
_MASK = 24


@contextmanager
def second_cable() -> Iterator[str]:
    """Have a second cable from the switch to the lab's network; yields its interface there, which has no address."""
    network = control.docker("network", "inspect", "-f", "{{.Id}}", f"{PROJECT}_lab")
    _host("ip", "link", "add", CABLE, "type", "veth", "peer", "name", SECOND, "netns", network_process())
    try:
        _host("ip", "link", "set", CABLE, "master", f"br-{network[:12]}", "up")
        control.execute("ovs", "ethtool", "-K", SECOND, "tx", "off")
        control.execute("ovs", "ip", "link", "set", SECOND, "up")
        yield SECOND
    finally:
        _host("ip", "link", "del", CABLE)


class Bond:
    """A bond of the two cables of the switch to the lab's network, of which `first` is the lab's own."""

    def __init__(self, first: str) -> None:
        index = control.execute("ovs", "cat", f"/sys/class/net/{first}/iflink").strip()
        links = json.loads(_host("ip", "-json", "link", "show"))
        far_end = next(str(link["ifname"]) for link in links if str(link["ifindex"]) == index)
        self._far_ends = {first: far_end, SECOND: CABLE}

    @property
    def active(self) -> str:
        """The interface by which node 2 sends."""
        rows = _bond("show").splitlines()
        return next(row.partition("(")[2].strip(")") for row in rows if row.startswith("active member mac"))

    def change_active(self) -> None:
        """Have node 2 send by the other cable, while both are there."""
        _bond("set-active-member", next(name for name in self._far_ends if name != self.active))

    def move_load(self) -> None:
        """Have a balanced bond send by the other cable what goes by each now: that of a MAC address and VLAN goes by one (balance-slb)."""
        member = ""
        for row in _bond("show").splitlines():
            words = row.replace(":", "").split()
            if row.startswith("member "):
                member = words[1]
            elif row.startswith("  hash "):
                _bond("migrate", words[1], next(name for name in self._far_ends if name != member))

    @contextmanager
    def unplugged(self) -> Iterator[None]:
        """Have the active cable without its far end while the block runs."""
        far_end = self._far_ends[self.active]
        _host("ip", "link", "set", far_end, "down")
        try:
            yield
        finally:
            _host("ip", "link", "set", far_end, "up")
            self.wait_until_whole()

    def wait_until_whole(self) -> None:
        """Wait until both cables are in use."""

        def enabled() -> bool:
            rows = [row for row in _bond("show").splitlines() if row.startswith("member ")]
            return len(rows) == len(self._far_ends) and all(row.endswith(": enabled") for row in rows)

        wait_until(enabled, within=10, what="both members to be enabled")


@contextmanager
def bond(mode: str = "active-backup") -> Iterator[Bond]:
    """Have the switch on two cables to the lab's network while the block runs, as a bond of a mode (bond_mode in ovs-vswitchd.conf.db(5))."""
    first = control.phones_port()
    with second_cable() as second:
        control.execute("ovs", "ip", "link", "set", second, "arp", "off")
        add = ("add-bond", BRIDGE, BOND, first, second, f"bond_mode={mode}")
        _vsctl("del-port", BRIDGE, first, "--", *add)
        try:
            found = Bond(first)
            found.wait_until_whole()
            yield found
        finally:
            _vsctl("del-port", BRIDGE, BOND)
            control.join_bridge()


@contextmanager
def beside_the_bridge() -> Iterator[None]:
    """Have another network, by a cable that does not lead into the bridge: ASIDE_NODE2 and ASIDE_PHONE are in it."""
    # Each address is answered for at its own interface alone: both cables are in the lab's network.
    with (
        second_cable() as second,
        sysctl("net.ipv4.conf.all.arp_ignore", 1),
        address("ovs", ASIDE_NODE2, second),
        address("edge", ASIDE_PHONE, "eth0"),
    ):
        yield


@contextmanager
def tagged_vlan() -> Iterator[None]:
    """Have a VLAN by the cable of the phones: node 2 is in it by an access port, the phones by tags that they send.

    The phones' host has no interface there, so that what the two need to know of each other's MAC is set.
    """
    with _access_port("vlan") as port:
        control.execute(NETWORK, "ethtool", "-K", "vlan", "tx", "off")
        control.execute(NETWORK, "ip", "link", "set", "vlan", "txqueuelen", "10000", "up")
        _vsctl("set", "port", port, f"tag={VLAN}")
        with (
            address(NETWORK, ASIDE_NODE2, "vlan"),
            address("edge", ASIDE_PHONE, "eth0"),
            _known(NETWORK, ASIDE_PHONE, at="vlan", mac=_mac("edge", "eth0")),
            _known("edge", ASIDE_NODE2, at="eth0", mac=_mac(NETWORK, "vlan")),
        ):
            yield


@contextmanager
def _access_port(interface: str) -> Iterator[str]:
    """Have one more interface in node 2's network, a port of the switch; yields the port: beside the switch, the other end."""
    if NETWORK == "ovs":
        _vsctl("add-port", BRIDGE, interface, "--", "set", "interface", interface, "type=internal")
        try:
            yield interface
        finally:
            _vsctl("del-port", BRIDGE, interface)
        return
    with _cable(NETWORK, interface) as port:
        yield port


@contextmanager
def host_at_another_port() -> Iterator[None]:
    """Have a port of the switch that leads to phones alone: ASIDE_PHONE, the edge's interface FAR; to them node 2 is ASIDE_NODE2."""
    with _cable("edge", FAR):
        control.execute("edge", "ethtool", "-K", FAR, "tx", "off")
        control.execute("edge", "ip", "link", "set", FAR, "up")
        # The edge has two interfaces in this network, and either would answer for both.
        with (
            address(NETWORK, ASIDE_NODE2, INTERFACE),
            address("edge", ASIDE_PHONE, FAR),
            _known(NETWORK, ASIDE_PHONE, at=INTERFACE, mac=_mac("edge", FAR)),
            _known("edge", ASIDE_NODE2, at=FAR, mac=_mac(NETWORK, INTERFACE)),
        ):
            yield


@contextmanager
def _cable(service: str, interface: str) -> Iterator[str]:
    """Have a cable from an interface of a service to a port of the switch, whose name is yielded."""
    port = f"{interface}-port"
    peer = ("peer", "name", interface, "netns", network_process(service))
    _host("ip", "link", "add", port, "netns", network_process(), "type", "veth", *peer)
    try:
        control.execute("ovs", "ethtool", "-K", port, "tx", "off")
        control.execute("ovs", "ip", "link", "set", port, "arp", "off", "up")
        _vsctl("add-port", BRIDGE, port)
        yield port
    finally:
        _vsctl("--if-exists", "del-port", BRIDGE, port)
        control.execute("ovs", "ip", "link", "del", port)


@contextmanager
def asterisk_at_a_port() -> Iterator[str]:
    """Have node 2's address at a port of the bridge, as a guest's is, and not at the bridge's own; yields its number."""
    gateway = control.execute("ovs", "ip", "route", "show", "default").split()[2]
    for command in (
        ("ip", "link", "add", "guest", "type", "veth", "peer", "name", "guest-port"),
        ("ip", "link", "set", "guest", "address", _mac("ovs", "breth0"), "up"),
        ("ip", "link", "set", "guest-port", "up"),
        ("ethtool", "-K", "guest", "tx", "off"),
    ):
        control.execute("ovs", *command)
    try:
        _vsctl("add-port", "breth0", "guest-port")
        _move_node2(gateway, "breth0", "guest")
        yield _vsctl("get", "interface", "guest-port", "ofport").strip()
    finally:
        _move_node2(gateway, "guest", "breth0")
        _vsctl("--if-exists", "del-port", "breth0", "guest-port")
        control.execute("ovs", "ip", "link", "del", "guest")
        control.execute("ovs", "ovs-appctl", "fdb/flush", "breth0")


def _move_node2(gateway: str, before: str, after: str) -> None:
    address = f"{NODE2}/{_MASK}"
    control.execute("ovs", "ip", "link", "set", before, "arp", "off")
    control.execute("ovs", "ip", "link", "set", after, "arp", "on")
    control.execute("ovs", "ip", "addr", "replace", address, "broadcast", "+", "dev", after)
    control.execute("ovs", "ip", "addr", "del", address, "dev", before)
    control.execute("ovs", "ip", "route", "replace", "default", "via", gateway, "dev", after)


@contextmanager
def address(service: str, host: str, interface: str) -> Iterator[None]:
    """Have another address at an interface while the block runs."""
    command = (f"{host}/{_MASK}", "dev", interface)
    control.execute(service, "ip", "addr", "add", *command)
    try:
        yield
    finally:
        control.execute(service, "ip", "addr", "del", *command)


@contextmanager
def _known(service: str, host: str, *, at: str, mac: str) -> Iterator[None]:
    control.execute(service, "ip", "neigh", "replace", host, "lladdr", mac, "dev", at)
    try:
        yield
    finally:
        control.execute(service, "ip", "neigh", "del", host, "dev", at)


def _mac(service: str, interface: str) -> str:
    return control.execute(service, "cat", f"/sys/class/net/{interface}/address").strip()


def _bond(command: str, *arguments: str) -> str:
    return control.execute("ovs", "ovs-appctl", f"bond/{command}", BOND, *arguments)


def _vsctl(*words: str) -> str:
    return control.execute("ovs", "ovs-vsctl", *words)


def _host(*command: str) -> str:
    """Run a command in the network of the lab's host."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
