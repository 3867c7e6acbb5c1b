"""Every frame passes node 2 once and whole, to it, from it, and through it by a flow, by the datapath that was asked for.

Datagrams go to a port where nobody listens, and the kernel counts them (`NoPorts`, after it has verified the checksum)
or counts a broken checksum (`InCsumErrors`): both in /proc/net/snmp and snmp6. A frame that the kernel also took past
the switch would count twice, and a switched frame would still count on node 2.
"""

import os
import sys
import time
from dataclasses import dataclass

from lab.control import LabError, execute
from lab.place import BRIDGE, INTERFACE, NETWORK, ipv4, ipv6

FRAMES = 100
NOISE = FRAMES // 4
"""Datagrams that something else may send to a closed port meanwhile: media that outlives its call by a moment."""
DEADLINE_S = 5.0
DISCARD = 9
SWITCHED = 7
COOKIE = 0x5E1F


@dataclass(frozen=True, slots=True)
class Node:
    """A network namespace of the lab: the service that owns it, and its addresses there."""

    service: str
    interface: str
    ipv4: str
    ipv6: str


ENDPOINTS = (
    Node("asterisk1", "eth0", ipv4(11), ipv6(11)),
    Node("edge", "eth0", ipv4(14), ipv6(14)),
)
NODE2 = Node(NETWORK, INTERFACE, ipv4(12), ipv6(12))
SWITCH = "ovs"


@dataclass(frozen=True, slots=True)
class Counted:
    """What a node's kernel has counted of UDP to closed ports, of both address families, and of broken checksums."""

    single: int
    broken: int

    def __sub__(self, earlier: "Counted") -> "Counted":
        """Return what has been counted since."""
        return Counted(self.single - earlier.single, self.broken - earlier.broken)


@dataclass(frozen=True, slots=True)
class Way:
    """One way for frames to go: who sends them where, whose kernel is to count them, and whose must not see them."""

    name: str
    source: Node
    address: str
    port: int
    lands: Node
    other: Node


def problems() -> list[str]:
    """Send frames every way and say, in a sentence each, what was wrong. Takes some seconds; needs a lab that is up.

    Raises:
        LabError: when a command in a container fails.

    """
    used = datapath()
    wanted = os.environ.get("LAB_DATAPATH", used)
    found = [] if used == wanted else [f"node 2's datapath is {used}, not {wanted}"]
    for end in ENDPOINTS:
        for family, here, there in (("IPv4", end.ipv4, NODE2.ipv4), ("IPv6", end.ipv6, NODE2.ipv6)):
            name = f"{family} of {end.service}"
            found += _send(Way(f"{name} to node 2", end, there, DISCARD, lands=NODE2, other=end))
            found += _send(Way(f"{name} from node 2", NODE2, here, DISCARD, lands=end, other=NODE2))
            _ofctl("add-flow", _turn_back(end, here, there))
            # The datapath would follow a moment later (ovs-vswitchd(8), revalidator/purge).
            execute(SWITCH, "ovs-appctl", "revalidator/purge")
            try:
                found += _send(Way(f"{name} switched", end, there, SWITCHED, lands=end, other=NODE2))
            finally:
                _ofctl("del-flows", f"cookie={COOKIE}/-1")
    return found


def datapath() -> str:
    """Say by what frames pass node 2, as the switch itself has it: system, netdev, or afxdp.

    Raises:
        LabError: it is AF_XDP behind the driver (generic mode), which saves nothing.

    """
    kind = execute(SWITCH, "ovs-appctl", "dpif/show").partition("@")[0]
    columns = execute(SWITCH, "ovs-vsctl", "get", "Interface", "eth0", "type", "status")
    if not columns.startswith("afxdp"):
        return kind
    if "xdp-mode=native" not in columns:
        raise LabError(f"AF_XDP is not native: {columns}")
    return "afxdp"


def _send(way: Way) -> list[str]:
    """Send FRAMES datagrams: they must be counted once each where they are to land, whole, and nowhere else."""
    before, before_other = _count(way.lands), _count(way.other)
    loop = f"for i in {{1..{FRAMES}}}; do echo >/dev/udp/{way.address}/{way.port}; done"
    execute(way.source.service, "bash", "-c", loop)
    deadline = time.monotonic() + DEADLINE_S
    while (_count(way.lands) - before).single < FRAMES and time.monotonic() < deadline:
        pass  # counting takes a docker exec, which is wait enough
    landed, strayed = _count(way.lands) - before, _count(way.other) - before_other
    found = []
    if landed.broken or strayed.broken:
        found.append(f"{landed.broken + strayed.broken} checksums of {FRAMES} frames were broken")
    if landed.single < FRAMES:
        found.append(f"only {landed.single} of {FRAMES} frames arrived")
    if landed.single > FRAMES + NOISE:
        found.append(f"{FRAMES} frames arrived {landed.single} times: they also pass beside the switch")
    if strayed.single > NOISE:
        found.append(f"{strayed.single} of {FRAMES} frames also arrived at {way.other.service}")
    return [f"{way.name}: {problem}" for problem in found]


def _count(node: Node) -> Counted:
    text = execute(node.service, "cat", "/proc/net/snmp", "/proc/net/snmp6")
    counters: dict[str, int] = {}
    names: dict[str, list[str]] = {}
    for line in text.splitlines():
        head, *rest = line.split()
        if not head.endswith(":"):
            counters[head] = int(rest[0])
        elif head in names:
            counters |= {head[:-1] + name: int(value) for name, value in zip(names[head], rest, strict=True)}
        else:
            names[head] = rest
    return Counted(
        single=counters["UdpNoPorts"] + counters["Udp6NoPorts"],
        broken=counters["UdpInCsumErrors"] + counters["Udp6InCsumErrors"] + counters["TcpInCsumErrors"],
    )


def _turn_back(end: Node, here: str, there: str) -> str:
    """Write the flow that sends an endpoint's frames back to it, rewritten as the application's flows rewrite RTP."""
    protocol, ip = ("udp6", "ipv6") if ":" in here else ("udp", "ip")
    fields = {
        "eth_src": _mac(NODE2),
        "eth_dst": _mac(end),
        f"{ip}_src": there,
        f"{ip}_dst": here,
        "udp_dst": str(DISCARD),
    }
    rewrite = ",".join(f"set_field:{value}->{name}" for name, value in fields.items())
    match = f"{protocol},{ip}_dst={there},udp_dst={SWITCHED}"
    return f"cookie={COOKIE},priority=65000,{match},actions={rewrite},dec_ttl,in_port"


def _mac(node: Node) -> str:
    return execute(node.service, "cat", f"/sys/class/net/{node.interface}/address").strip()


def _ofctl(command: str, flow: str) -> None:
    execute(SWITCH, "ovs-ofctl", "-OOpenFlow13", command, BRIDGE, flow)


def main() -> None:
    """Print one line: that all is well, or what is wrong (and end with status 1)."""
    try:
        found = problems()
    except LabError as error:
        sys.exit(f"selfcheck: {error}")
    if found:
        sys.exit("selfcheck: " + "; ".join(found))
    print(
        f"selfcheck: frames pass node 2 ({datapath()}) once and whole: "
        "to it, from it, switched; IPv4 and IPv6; asterisk1 and edge"
    )


if __name__ == "__main__":
    main()
