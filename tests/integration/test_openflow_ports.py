"""What a real Open vSwitch reports of its ports."""

from collections.abc import Callable

import pytest

from stasis_offload.openflow.events import PortDown
from tests.support.ovs_container import Bridge
from tests.support.switch_events import connected


def _delete(bridge: Bridge, port: str) -> None:
    bridge.ovs.vsctl("del-port", bridge.name, port)


def _add_again(bridge: Bridge, port: str) -> None:
    add = ("add-port", bridge.name, port, "--", "set", "interface", port, "type=dummy", "ofport_request=77")
    bridge.ovs.vsctl("del-port", bridge.name, port)
    bridge.ovs.vsctl(*add)


def _take_down(bridge: Bridge, port: str) -> None:
    bridge.ofctl("mod-port", port, "down")


def _unplug(bridge: Bridge, port: str) -> None:
    bridge.appctl("netdev-dummy/set-admin-state", port, "down")


@pytest.mark.parametrize("end", [_delete, _add_again, _take_down, _unplug])
async def test_a_port_that_ends_or_carries_nothing_is_reported(
    bridge: Bridge, end: Callable[[Bridge, str], None]
) -> None:
    async with connected(bridge.management) as (_, events):
        end(bridge, bridge.sockets[1].stem)
        assert await events.next(PortDown) == PortDown(2)


async def test_a_port_that_is_added_is_not(bridge: Bridge) -> None:
    async with connected(bridge.management) as (_, events):
        bridge.ovs.vsctl(
            "add-port", bridge.name, "another", "--", "set", "interface", "another", "type=dummy"
        )
        bridge.ofctl("mod-port", bridge.sockets[2].stem, "down")
        assert await events.next(PortDown) == PortDown(3)
