"""What changes in node 2's network: rules of its host, and the way by which it sends to the phones."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from lab import control
from lab.place import ipv4
from tests.support.phone import EDGE

# asterisk1, as a router between node 2 and the phones, for what node 2 sends alone.
ROUTER = ipv4(11)


@contextmanager
def iptables_rule(service: str, *rule: str) -> Iterator[None]:
    """Have a rule of netfilter in a service's container while the block runs."""
    control.execute(service, "iptables", "-w", "-A", *rule)
    try:
        yield
    finally:
        control.execute(service, "iptables", "-w", "-D", *rule)


@contextmanager
def second_router(*, used: bool = True) -> Iterator[str]:
    """Have a router by which node 2 sends to the phones, which send to it directly; yields the router's MAC.

    If it is not `used`, node 2 begins to send by it with `route_by_router`.
    """
    # The router tells node 2 of the shorter way; a network with two routers would not.
    with iptables_rule(
        "ovs", "PREROUTING", "-t", "raw", "-p", "icmp", "--icmp-type", "redirect", "-j", "DROP"
    ):
        if used:
            route_by_router()
        try:
            yield control.execute("asterisk1", "cat", "/sys/class/net/eth0/address").strip()
        finally:
            route_directly()


def route_by_router() -> None:
    """Have node 2 send to the phones by the router."""
    control.execute("ovs", "ip", "route", "replace", EDGE, "via", ROUTER, "dev", "breth0")


def route_directly() -> None:
    """Have node 2 send to the phones without the router."""
    control.execute("ovs", "ip", "route", "del", EDGE, check=False)


@contextmanager
def dead_router() -> Iterator[None]:
    """Have the router drop what it gets for the phones."""
    rule = ("to", EDGE, "blackhole")
    control.execute("asterisk1", "ip", "rule", "add", *rule)
    try:
        yield
    finally:
        control.execute("asterisk1", "ip", "rule", "del", *rule)


@contextmanager
def strict_firewall(*, memory: int) -> Iterator[None]:
    """Have node 2 accept RTP of established streams only, which it forgets after `memory` seconds without a packet.

    Streams that began before pass too, but only if conntrack knows them: have `tracking` around the call.
    """
    accept = ("INPUT", "-i", "breth0", "-p", "udp", "--dport", "10000:20000")
    established = (*accept, "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT")
    with ExitStack() as stack:
        stack.enter_context(iptables_rule("ovs", *established))
        stack.enter_context(iptables_rule("ovs", *accept, "-j", "DROP"))
        for name in ("udp_timeout", "udp_timeout_stream"):
            stack.enter_context(sysctl(f"net.netfilter.nf_conntrack_{name}", memory))
        yield


@contextmanager
def tracking() -> Iterator[None]:
    """Have node 2's conntrack know every stream that begins while the block runs."""
    with iptables_rule("ovs", "INPUT", "-m", "conntrack", "--ctstate", "INVALID", "-j", "ACCEPT"):
        yield


@contextmanager
def sysctl(key: str, value: int) -> Iterator[None]:
    """Set a variable of the kernel in node 2's network namespace, where a container may only read it."""
    command = ["nsenter", "--target", network_process(), "--net", "sysctl", "-n"]
    before = subprocess.run([*command, key], capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run([*command, "-w", f"{key}={value}"], capture_output=True, check=True)
    try:
        yield
    finally:
        subprocess.run([*command, "-w", f"{key}={before}"], capture_output=True, check=True)


def network_process(service: str = "ovs") -> str:
    """Return the host's number of a process in the switch's network namespace, which may be node 2's, or in a service's."""
    return control.docker("inspect", "-f", "{{.State.Pid}}", control.container(service)).strip()
