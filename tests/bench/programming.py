"""How fast flows are programmed: by our OpenFlow, and the seed's way, one `ovs-ofctl` process per flow."""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from lab.control import LabError
from stasis_offload.media.flows import FlowLimits, forwarding_flows
from stasis_offload.media.path import MediaPath
from stasis_offload.media.roles import owner_of
from stasis_offload.openflow.flow import Flow
from tests.support.ovs_container import Bridge, bridge_of, running_ovs
from tests.support.packets import attachment
from tests.support.switch_events import connected

CALLS = 2000
SEED_FLOWS = 150

_LIMITS = FlowLimits(idle_timeout=600)


@dataclass(frozen=True, slots=True)
class Programmed:
    """Flows a second, installed and removed; each counts as done when the switch has confirmed it."""

    installed: float
    removed: float
    seed_installed: float
    seed_removed: float

    @property
    def ratio(self) -> float:
        """How many times as fast as the seed we install."""
        return self.installed / self.seed_installed

    def __str__(self) -> str:
        return (
            f"{self.installed:.0f} flows/s installed, {self.removed:.0f} removed; "
            f"by ovs-ofctl {self.seed_installed:.1f} and {self.seed_removed:.1f}"
        )


def measure() -> Programmed:
    """Program one Open vSwitch, of its own and without traffic, both ways.

    Raises:
        LabError: the switch did not come up, or did not hold what it was told.

    """
    try:
        with running_ovs() as ovs, bridge_of(ovs) as bridge:
            installed, removed, texts = asyncio.run(_ours(bridge))
            seed_installed = _seed(bridge, "add-flow", texts[:SEED_FLOWS])
            seed_removed = _seed(bridge, "--strict del-flows", [_match(text) for text in texts[:SEED_FLOWS]])
            if len(bridge.flows()) != 1:
                raise LabError("ovs-ofctl did not remove what it had added")
    except AssertionError as error:  # how the tests' Open vSwitch says that it does not work
        raise LabError(str(error)) from error
    return Programmed(installed, removed, seed_installed, seed_removed)


async def _ours(bridge: Bridge) -> tuple[float, float, list[str]]:
    """Set and remove the flows of all calls at once; return both rates, and the flows as ovs-ofctl writes them."""
    flows = {
        f"call-{number}": forwarding_flows(f"call-{number}", path_of(number), _LIMITS)
        for number in range(CALLS)
    }
    async with connected(bridge.management) as (switch, _):

        async def set_all(wanted: dict[str, Sequence[Flow]]) -> float:
            began = time.perf_counter()
            async with asyncio.TaskGroup() as tasks:
                for call, of_call in wanted.items():
                    tasks.create_task(switch.flow_table.set_flows(owner_of(call), of_call))
            return 2 * CALLS / (time.perf_counter() - began)

        installed = await set_all(dict(flows))
        texts = [text for text in bridge.flows() if "cookie" in text]
        if len(texts) != 2 * CALLS:
            raise LabError(f"the switch holds {len(texts)} of {2 * CALLS} flows")
        removed = await set_all(dict.fromkeys(flows, ()))
    return installed, removed, texts


def _seed(bridge: Bridge, command: str, flows: Sequence[str]) -> float:
    """Run one ovs-ofctl per flow, in a loop inside the container, so that starting in there is not measured."""
    file = bridge.ovs.directory / "seed"
    file.write_text("".join(f"{flow}\n" for flow in flows), encoding="ascii")
    loop = f'date +%s%N; while read -r flow; do ovs-ofctl -OOpenFlow13 {command} {bridge.name} "$flow" || exit 1; done <{file}; date +%s%N'
    began, ended = map(int, bridge.ovs.execute("sh", "-c", loop).split())
    return len(flows) / (ended - began) * 1e9


def _match(flow: str) -> str:
    """Take from a flow what a strict deletion wants: priority and match."""
    return re.sub(r".*(priority=.*) actions=.*", r"\1", flow)


def path_of(number: int) -> MediaPath:
    """Return the path of a call between two phones at one port of the switch, in ports of their own."""
    ports = 2 * (number % 20_000) + 10_000
    legs = (
        attachment(1, leg, remote=f"198.18.0.{leg}:{ports}", local=f"198.18.0.1:{ports + (leg == 11)}")
        for leg in (10, 11)
    )
    caller, callee = legs
    return MediaPath(caller=caller, callee=callee)
