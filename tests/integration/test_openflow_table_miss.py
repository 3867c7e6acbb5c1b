"""Who says what becomes of packets that no flow takes, and what another controller's role means for us, on a real Open vSwitch."""

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from stasis_offload.media.roles import owner_of
from stasis_offload.openflow.channel import Timeouts, open_channel
from stasis_offload.openflow.endpoint import LOOPBACK, Endpoint, Ptcp
from stasis_offload.openflow.events import SwitchDown, SwitchUp
from stasis_offload.openflow.flow import TABLE
from stasis_offload.openflow.switch import Switch
from tests.integration.test_openflow_connection import free_port
from tests.integration.test_openflow_room import limited
from tests.support.dummy_ports import plugged
from tests.support.many_calls import flows_of
from tests.support.ovs_container import Bridge
from tests.support.switch_events import Events, connected, running

NORMAL = "priority=0 actions=NORMAL"
# OpenFlow 1.3.5, 7.3.9: the type of the request, and a master's.
ROLE_REQUEST, MASTER = 24, 2


@asynccontextmanager
async def forwarding(endpoint: Endpoint) -> AsyncIterator[tuple[Switch, Events]]:
    """Keep a switch connected that is to forward what nobody's flows take, until the block ends."""
    async with running(endpoint, adds_table_miss=True) as (switch, events):
        await events.next(SwitchUp)
        yield switch, events


def set_controller(bridge: Bridge) -> Ptcp:
    """Have the bridge dial a controller, by which all its flows go, and return where that has to listen."""
    endpoint = Ptcp(free_port())
    bridge.ovs.vsctl(
        *("set-controller", bridge.name, f"tcp:{LOOPBACK}:{endpoint.port}"),
        *("--", "set", "controller", bridge.name, "max_backoff=1000", "connection_mode=out-of-band"),
    )
    assert bridge.flows() == []
    return endpoint


async def until_down(events: Events, why: str) -> None:
    """Wait until the switch is not used for this reason."""
    while why not in (await events.next(SwitchDown)).reason:
        pass


async def test_an_empty_table_forwards_again_once_and_goes_on_when_we_are_gone(bridge: Bridge) -> None:
    bridge.ofctl("del-flows")
    async with forwarding(bridge.management) as (switch, events):
        assert bridge.flows() == [NORMAL]
        bridge.ofctl("del-flows")
        await events.next(SwitchUp)
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        assert NORMAL in bridge.flows()
        await switch.sweep()
    assert bridge.flows() == [NORMAL]


@pytest.mark.parametrize(
    "theirs", ["in_port=1,actions=output:3", "priority=0,udp,actions=drop", "arp,actions=NORMAL"]
)
async def test_a_table_with_anybodys_flow_is_left_alone(bridge: Bridge, theirs: str) -> None:
    bridge.ofctl("del-flows")
    bridge.ofctl("add-flow", theirs)
    before = bridge.flows()
    async with forwarding(bridge.management):
        assert bridge.flows() == before


async def test_flows_of_other_tables_alone_forward_nothing(bridge: Bridge) -> None:
    bridge.ofctl("del-flows")
    bridge.ofctl("add-flow", "table=1,actions=NORMAL")
    async with forwarding(bridge.management):
        assert NORMAL in bridge.flows()


async def test_what_an_operator_says_later_replaces_it(bridge: Bridge) -> None:
    bridge.ofctl("del-flows")
    async with forwarding(bridge.management):
        bridge.ofctl("add-flow", "priority=0,actions=drop")
        assert bridge.flows() == ["priority=0 actions=drop"]


async def test_a_switch_that_dials_and_has_no_room_for_us_forwards(bridge: Bridge) -> None:
    async with plugged(bridge.sockets) as (one, two, _):
        endpoint = set_controller(bridge)
        with limited(bridge, TABLE, 1):
            async with running(endpoint, adds_table_miss=True) as (_, events):
                await until_down(events, "no room for the flows that lead to ours")
                assert bridge.flows() == [NORMAL]
                await one.probe(two)


async def test_a_switch_that_dials_and_is_another_applications_forwards(bridge: Bridge) -> None:
    endpoint = set_controller(bridge)
    async with (
        connected(bridge.management, application=1),
        running(endpoint, adds_table_miss=True) as (_, events),
    ):
        await until_down(events, "another application is instance 0")
        assert bridge.flows() == [NORMAL]


async def test_another_bridge_than_ours_is_left_as_it_is(bridge: Bridge) -> None:
    endpoint = set_controller(bridge)
    async with running(endpoint, datapath_id=f"{1:016x}", adds_table_miss=True) as (_, events):
        await until_down(events, f"not {1:016x}")
        assert bridge.flows() == []


async def test_another_controller_that_becomes_master_takes_nothing_from_us(bridge: Bridge) -> None:
    async with (
        connected(bridge.management) as (switch, _),
        open_channel(bridge.management, on_message=lambda _: None, timeouts=Timeouts()) as other,
    ):
        xid = other.new_xid()
        role = struct.pack("!BBHIIxxxxQ", 4, ROLE_REQUEST, 24, xid, MASTER, 1)
        await other.send_and_confirm(xid, role)
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        assert bridge.cookies() == {flow.cookie for flow in flows_of("call")}
