"""Which of a machine's labs this process speaks to, by the environment's LAB: 1, another number beside it, `fleet` or `tor`.

Each has containers, names and addresses of its own; lab/lib.sh has the same rule for the scripts and for Compose. In lab `tor`
the switch is in front of node 2 (lab/tor.yml); in the others it is node 2's own bridge.
"""

import os

LAB = os.environ.get("LAB", "1")
_BLOCK = {"fleet": 59, "tor": 61}[LAB] if LAB.isalpha() else 49 + int(LAB)
PROJECT = "stasis-offload" if LAB == "1" else f"stasis-offload-{LAB}"
BRIDGE = "tor" if LAB == "tor" else "breth0"
NETWORK, INTERFACE = ("node2", "eth1") if LAB == "tor" else ("ovs", "breth0")
"""The service that owns node 2's network namespace, and the interface there by which Asterisk sends."""
SUBNET = f"198.18.{_BLOCK}.0/24"


def ipv4(host: int) -> str:
    """Write the address of a host of the lab."""
    return f"198.18.{_BLOCK}.{host}"


def ipv6(host: int) -> str:
    """Write the IPv6 address of a host of the lab."""
    return f"fd00:198:18:{_BLOCK}::{host}"


def control_address(host: int) -> str:
    """Write the address of a host in the control network of lab `tor`, which has the application, the switch and node 2."""
    return f"198.19.{_BLOCK}.{host}"
