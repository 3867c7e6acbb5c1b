"""What calls that go on cost the switch beside their packets: the renewals, counters and audits of the application."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from os import sysconf

from lab.control import LabError
from stasis_offload.media.flows import (
    FlowLimits,
    forwarding_flows,
    inbound_guards,
    outbound_guards,
    rtcp_flows,
    sampling_flows,
)
from stasis_offload.media.path import MediaPath
from stasis_offload.media.roles import FORWARDING_ROLES, owner_of
from stasis_offload.media.state import Policy
from stasis_offload.openflow.switch import Switch
from tests.bench.programming import path_of
from tests.support.dummy_ports import plugged
from tests.support.ovs_container import Bridge, bridge_of, running_ovs
from tests.support.packets import frame, sent_by, split
from tests.support.switch_events import connected

CALLS = (100, 300)
MEASURED_S = 20.0
# Between two audits of a call that goes on.
AUDIT_EVERY_S = Policy().recheck

_LIMITS = FlowLimits(idle_timeout=600)


@dataclass(frozen=True, slots=True)
class Quiet:
    """What so many calls cost ovs-vswitchd for each second of theirs, without a packet of theirs: ms, and translations.

    A translation is one look-up of what becomes of a packet, in the flow tables; all flows of the datapath are
    translated again after each change of a flow (udpif_revalidator in ofproto/ofproto-dpif-upcall.c).
    """

    calls: int
    cpu_ms_per_s: float
    translations_per_s: float

    def __str__(self) -> str:
        return f"{self.cpu_ms_per_s:.1f} ms of processor time and {self.translations_per_s:.0f} translations a second"


def measure(calls: int) -> Quiet:
    """Let so many calls go on in one Open vSwitch of its own, whose datapath has a flow for each stream.

    Raises:
        LabError: the switch did not come up, or did not hold what it was told.

    """
    try:
        with running_ovs() as ovs, bridge_of(ovs) as bridge:
            ovs.vsctl("set", "Open_vSwitch", ".", "other_config:max-idle=600000")
            return asyncio.run(_measure(bridge, calls))
    except AssertionError as error:  # how the tests' Open vSwitch says that it does not work
        raise LabError(str(error)) from error


async def _measure(bridge: Bridge, calls: int) -> Quiet:
    paths = {f"call-{number}": split(path_of(number)) for number in range(calls)}
    async with connected(bridge.management) as (switch, _):
        for call, path in paths.items():
            flows = forwarding_flows(call, path, _LIMITS) + rtcp_flows(call, path)
            flows += inbound_guards(call, path) + outbound_guards(call, path)
            await switch.flow_table.set_flows(owner_of(call), flows)
        async with plugged(bridge.sockets[:2]) as (phones, _):
            for path in paths.values():
                for attachment in (path.caller, path.callee):
                    phones.send(frame(sent_by(attachment)))
            await asyncio.to_thread(_wait_for_datapath_flows, bridge, 2 * calls)
        began, cpu_ms, translations = time.monotonic(), _cpu_ms(bridge), _translations(bridge)
        with suppress(TimeoutError):
            async with asyncio.timeout(MEASURED_S):
                await _audit(switch, paths)
        took = time.monotonic() - began
        cpu_ms, translations = _cpu_ms(bridge) - cpu_ms, _translations(bridge) - translations
    return Quiet(calls, cpu_ms / took, translations / took)


async def _audit(switch: Switch, paths: dict[str, MediaPath]) -> None:
    """Do at the switch what the audits of all calls do there, each call's at a time of its own."""
    for call, path in cycle(paths.items()):
        switch.flow_table.sampler.request(sampling_flows(call, path))
        await switch.flow_table.counts(owner_of(call), FORWARDING_ROLES)
        await asyncio.sleep(AUDIT_EVERY_S / len(paths))


def _wait_for_datapath_flows(bridge: Bridge, least: int) -> None:
    deadline = time.monotonic() + 10.0
    while len(bridge.appctl("dpctl/dump-flows", "dummy@ovs-dummy").splitlines()) < least:
        if time.monotonic() > deadline:
            raise LabError(f"the datapath has fewer than {least} flows")


def _cpu_ms(bridge: Bridge) -> float:
    """Return the processor time that ovs-vswitchd has used (proc(5), stat, the 14th and 15th field)."""
    fields = bridge.ovs.execute("cat", f"/proc/{bridge.ovs.pid}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / sysconf("SC_CLK_TCK")


def _translations(bridge: Bridge) -> int:
    return int(bridge.appctl("coverage/read-counter", "xlate_actions"))
