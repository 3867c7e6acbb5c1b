"""Which of a machine's labs this process speaks to, by the environment's LAB: 1, another number beside it, or `fleet`.

Each has containers, names and addresses of its own; lab/lib.sh has the same rule for the scripts and for Compose.
"""

import os

_LAB = os.environ.get("LAB", "1")
NUMBER = 10 if _LAB == "fleet" else int(_LAB)
_BLOCK = 49 + NUMBER
PROJECT = "stasis-offload" if NUMBER == 1 else f"stasis-offload-{_LAB}"
SUBNET = f"198.18.{_BLOCK}.0/24"


def ipv4(host: int) -> str:
    """Write the address of a host of the lab."""
    return f"198.18.{_BLOCK}.{host}"


def ipv6(host: int) -> str:
    """Write the IPv6 address of a host of the lab."""
    return f"fd00:198:18:{_BLOCK}::{host}"
