"""What was measured in the guest, as bench-kernel-report.json and as a table, with the goals."""

import json
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.kernel.measuring import PAIRS, QUIET, Cost

REPORT = Path("bench-kernel-report.json")
NAMES = {
    "asterisk": "Asterisk, no switch",
    "asterisk_ovs": "Asterisk behind the switch",
    "offloaded": "offloaded",
    "offloaded_ipv6": "offloaded, IPv6",
    "offloaded_vlan": "offloaded, in a VLAN (its tag by tc, included)",
    "rtcp": "a packet of RTCP, offloaded",
    "offloaded_tc": "offloaded, through tc flower",
    "rtpengine": "rtpengine in user space",
    "rtpengine_kernel": "rtpengine's kernel module",
}
CAPTION = (
    f"{QUIET:g} packets a second in each stream, and many, by turns: what one more costs, in the middle one of {PAIRS} such"
    " pairs. What Asterisk, the switch and the application do beside packets cancels out. The processor is emulated:"
    " only the ratio of two rates means anything."
)
# Of the instructions of a packet: at most so much of another relay's. Of the packets a second: at least so many times.
GOALS = (
    ("ratio_to_relayed", 0.33, False),
    ("ratio_to_rtpengine_kernel", 0.75, False),
    ("rate_to_asterisk", 8.0, True),
)


def words(cost: Cost) -> str:
    """Write a relay's cost in one line."""
    rate = "" if cost.packets_per_second is None else f", {cost.packets_per_second:,.0f} packets/s"
    return f"{cost.instructions:,.0f} instructions a packet ({cost.kernel:,.0f} of the kernel's){rate}"


def ratios(costs: Mapping[str, Cost]) -> dict[str, float]:
    """Compare the offloaded calls with what else carries calls."""
    offloaded, asterisk = costs["offloaded"], costs["asterisk"]
    return {
        "ratio_to_relayed": offloaded.instructions / costs["asterisk_ovs"].instructions,
        "ratio_to_asterisk": offloaded.instructions / asterisk.instructions,
        "ratio_to_rtpengine": offloaded.instructions / costs["rtpengine"].instructions,
        "ratio_to_rtpengine_kernel": offloaded.instructions / costs["rtpengine_kernel"].instructions,
        "rate_to_asterisk": (offloaded.packets_per_second or 0) / (asterisk.packets_per_second or 1),
    }


def machine(*, own_kernel: bool) -> str:
    """Say what was measured, and where else it can be."""
    if own_kernel:
        own = "has the datapath, too: LAB_DATAPATH=system make bench measures the time of a real processor"
    else:
        own = "has no such datapath"
    return f"a guest whose processor is emulated (qemu), by instructions, not time; the kernel of this machine {own}"


def write(costs: Mapping[str, Cost], without: Mapping[str, str], *, calls: int, own_kernel: bool) -> None:
    """Write the report; `without` says of relays that cannot be had, why."""
    REPORT.write_text(
        json.dumps(
            {
                "machine": machine(own_kernel=own_kernel),
                "calls": calls,
                "instructions_per_packet": {name: round(cost.instructions) for name, cost in costs.items()},
                "kernel_instructions_per_packet": {name: round(cost.kernel) for name, cost in costs.items()},
                "measured_at_packets_per_second": {
                    name: round(cost.measured_at) for name, cost in costs.items()
                },
                "packets_per_second": {
                    name: round(cost.packets_per_second)
                    for name, cost in costs.items()
                    if cost.packets_per_second is not None
                },
                "without": dict(without),
                **{name: round(ratio, 3) for name, ratio in ratios(costs).items()},
            },
            indent=2,
        )
        + "\n",
        encoding="utf-8",
    )


def show(costs: Mapping[str, Cost], without: Mapping[str, str], console: Console) -> None:
    """Print the table, and each goal."""
    table = Table(
        "relay", "instructions a packet", "of the kernel's", "at packets/s", "most packets/s", caption=CAPTION
    )
    for name, cost in costs.items():
        rate = "-" if cost.packets_per_second is None else f"{cost.packets_per_second:,.0f}"
        at = f"{cost.measured_at:,.0f}"
        table.add_row(NAMES[name], f"{cost.instructions:,.0f}", f"{cost.kernel:,.0f}", at, rate)
    for name, reason in without.items():
        table.add_row(NAMES[name], reason, "-", "-", "-")
    console.print(table)
    found = ratios(costs)
    for key, limit, at_least in GOALS:
        met = found[key] >= limit if at_least else found[key] <= limit
        wanted = f"{'at least' if at_least else 'at most'} {limit:g}"
        print(f"bench-kernel: {key} {found[key]:.2f}, goal {wanted}: {'met' if met else 'missed'}")
