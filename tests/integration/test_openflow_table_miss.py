"""Who says what becomes of packets that no flow takes, and what another controller's role means for us, on a real Open vSwitch."""

import struct

import pytest

from stasis_offload.media.roles import owner_of
from stasis_offload.openflow.channel import Timeouts, open_channel
from tests.support.many_calls import flows_of
from tests.support.ovs_container import Bridge
from tests.support.switch_events import connected

NORMAL = "priority=0 actions=NORMAL"
# OpenFlow 1.3.5, 7.3.9: the type of the request, and a master's.
ROLE_REQUEST, MASTER = 24, 2


async def test_an_empty_table_forwards_again_once_and_goes_on_when_we_are_gone(bridge: Bridge) -> None:
    bridge.ofctl("del-flows")
    async with connected(bridge.management) as (switch, _):
        assert await switch.add_table_miss()
        assert not await switch.add_table_miss()
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
    async with connected(bridge.management) as (switch, _):
        assert not await switch.add_table_miss()
    assert bridge.flows() == before


async def test_what_an_operator_says_later_replaces_it(bridge: Bridge) -> None:
    bridge.ofctl("del-flows")
    async with connected(bridge.management) as (switch, _):
        assert await switch.add_table_miss()
        bridge.ofctl("add-flow", "priority=0,actions=drop")
        assert bridge.flows() == ["priority=0 actions=drop"]


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
