"""What calls that go on cost the switch beside their packets, and what a new call costs it while they do."""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from itertools import cycle
from os import sysconf

from lab.control import LabError
from stasis_offload.media.flows import (
    FlowLimits,
    forwarding_flows,
    inbound_guards,
    learning_flows,
    outbound_guards,
    rtcp_flows,
    sampling_flows,
    verifying_flows,
)
from stasis_offload.media.path import Leg, MediaPath
from stasis_offload.media.roles import FORWARDING_ROLES, owner_of
from stasis_offload.media.state import Tuning
from stasis_offload.openflow.flow import Flow
from stasis_offload.openflow.switch import Switch
from tests.bench.programming import path_of
from tests.support.dummy_ports import plugged
from tests.support.ovs_container import Bridge, bridge_of, running_ovs
from tests.support.packets import frame, sent_by, split
from tests.support.switch_events import connected

CALLS = (25, 100, 300, 1000)
MEASURED_S = 12.0
# New calls, so many a second, each of which is up for a second.
NEW_CALLS = 80
_RATE = 10
_UP_S = 1.0
# Between two changes of a new call's flows: a packet's time.
_STEP_S = 0.02
# Between two audits of a call that goes on.
AUDIT_EVERY_S = Tuning().recheck

_LIMITS = FlowLimits(idle_timeout=600)


@dataclass(frozen=True, slots=True)
class Quiet:
    """What so many calls cost ovs-vswitchd for each second of theirs, without a packet of theirs: ms, and translations.

    `setup_ms` and `setup_translations` are what a new call costs it beside them, from its learning to its end.

    A translation is one look-up of what becomes of a packet, in the flow tables; all flows of the datapath are
    translated again after each change of a flow (udpif_revalidator in ofproto/ofproto-dpif-upcall.c).
    """

    calls: int
    cpu_ms_per_s: float
    translations_per_s: float
    setup_ms: float
    setup_translations: float

    def __str__(self) -> str:
        return (
            f"{self.cpu_ms_per_s:.1f} ms of processor time and {self.translations_per_s:.0f} translations a second; "
            f"of a new call {self.setup_ms:.1f} ms and {self.setup_translations:.0f}"
        )


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
            await switch.flow_table.set_flows(owner_of(call), _verified(call, path))
        async with plugged(bridge.sockets[:2]) as (phones, _):
            for path in paths.values():
                for attachment in (path.caller, path.callee):
                    phones.send(frame(sent_by(attachment)))
            await asyncio.to_thread(_wait_for_datapath_flows, bridge, 2 * calls)
        auditing = asyncio.create_task(_audit(switch, paths))
        quiet = await _cost(bridge, asyncio.sleep(MEASURED_S))
        busy = await _cost(bridge, _come_and_go(switch, first=calls))
        auditing.cancel()
    return Quiet(
        calls,
        cpu_ms_per_s=quiet.cpu_ms_per_s,
        translations_per_s=quiet.translations_per_s,
        setup_ms=(busy.cpu_ms_per_s - quiet.cpu_ms_per_s) * busy.seconds / NEW_CALLS,
        setup_translations=(busy.translations_per_s - quiet.translations_per_s) * busy.seconds / NEW_CALLS,
    )


@dataclass(frozen=True, slots=True)
class _Cost:
    seconds: float
    cpu_ms_per_s: float
    translations_per_s: float


async def _cost(bridge: Bridge, doing: Awaitable[None]) -> _Cost:
    began, cpu_ms, translations = time.monotonic(), _cpu_ms(bridge), _translations(bridge)
    await doing
    took = time.monotonic() - began
    return _Cost(took, (_cpu_ms(bridge) - cpu_ms) / took, (_translations(bridge) - translations) / took)


def _verified(call: str, path: MediaPath) -> tuple[Flow, ...]:
    flows = forwarding_flows(call, path, _LIMITS) + rtcp_flows(call, path)
    return flows + inbound_guards(call, path) + outbound_guards(call, path)


async def _come_and_go(switch: Switch, *, first: int) -> None:
    """Have new calls come and go, whose flows change as those of any call do (media/state.py, `Placement.flows`)."""

    async def one(call: str, path: MediaPath) -> None:
        learning = [
            learning_flows(call, leg, remote=path.attachment(leg).remote, local=path.attachment(leg).local)
            for leg in Leg
        ]
        cut_over = forwarding_flows(call, path, _LIMITS) + inbound_guards(call, path)
        for flows in (sum(learning, ()), cut_over + verifying_flows(call, path, tuple(Leg))):
            await switch.flow_table.set_flows(owner_of(call), flows)
            await asyncio.sleep(_STEP_S)
        await switch.flow_table.set_flows(owner_of(call), _verified(call, path))
        await asyncio.sleep(_UP_S)
        await switch.flow_table.remove_flows(owner_of(call), FORWARDING_ROLES)

    async with asyncio.TaskGroup() as tasks:
        for number in range(first, first + NEW_CALLS):
            tasks.create_task(one(f"call-{number}", split(path_of(number))))
            await asyncio.sleep(1 / _RATE)


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
