"""What an operator does to a real Open vSwitch beside us is noticed at once, and what is the bridge's own stays as it was."""

import asyncio
from collections.abc import Callable

import pytest

from stasis_offload.media.roles import owner_of
from stasis_offload.openflow.endpoint import LOOPBACK
from stasis_offload.openflow.events import SwitchDown, SwitchUp
from tests.support.many_calls import flows_of
from tests.support.ovs_container import Bridge
from tests.support.switch_events import SECONDS, connected


def _set_fail_mode(bridge: Bridge) -> None:
    bridge.ovs.vsctl("set-fail-mode", bridge.name, "secure")


def _set_controller(bridge: Bridge) -> None:
    bridge.ovs.vsctl("set-controller", bridge.name, f"tcp:{LOOPBACK}:9")


def _delete_everything(bridge: Bridge) -> None:
    bridge.ofctl("del-flows")


@pytest.mark.parametrize("flush", [_set_fail_mode, _set_controller, _delete_everything])
async def test_whoever_flushes_the_bridge_is_noticed_at_once_and_all_begins_anew(
    bridge: Bridge, flush: Callable[[Bridge], None]
) -> None:
    async with connected(bridge.management) as (switch, events):
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        flushed = asyncio.create_task(asyncio.to_thread(flush, bridge))
        async with asyncio.timeout(SECONDS):
            assert "deleted: by another program" in (await events.next(SwitchDown)).reason
            assert not (await events.next(SwitchUp)).kept
        await flushed
        assert bridge.cookies() == set()
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        assert bridge.cookies() == {flow.cookie for flow in flows_of("call")}


@pytest.mark.parametrize("mode", ["normal", "drop", "nx-match"])
async def test_how_the_bridge_handles_fragments_stays_as_it_is(bridge: Bridge, mode: str) -> None:
    bridge.ofctl("set-frags", mode)
    async with connected(bridge.management) as (switch, _):
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        assert f"frags={mode}" in bridge.ofctl("show")
