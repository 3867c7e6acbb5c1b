"""A real Open vSwitch and flows with a limit: the flood that passes, and the meters that come and go with them."""

import asyncio
import re
import time
from dataclasses import replace

import pytest

from stasis_offload.errors import OpenFlowError
from stasis_offload.media.flows import FlowLimits, forwarding_flows
from stasis_offload.media.roles import owner_of
from stasis_offload.openflow.channel import Timeouts, open_channel
from stasis_offload.openflow.describe import describe, describe_switch
from stasis_offload.openflow.flow import Flow, Forward
from stasis_offload.openflow.flow_table import FlowTable
from tests.support.dummy_ports import Wire, plugged
from tests.support.many_calls import flows_of, path
from tests.support.ovs_container import Bridge
from tests.support.packets import CALLEE, CALLER, PATH, frame, sent_by, sent_to
from tests.support.switch_events import Kind, connected, tapped

LIMIT = 50
LIMITS = FlowLimits(idle_timeout=60, limit=LIMIT)
LAST = 1 << 18  # MAX_METERS in lib/dpif-netdev.c


def limited(call: str = "call", number: int = 0, *, limit: int = LIMIT) -> tuple[Flow, ...]:
    return tuple(replace(flow, limit=limit) for flow in flows_of(call, number))


def meters(bridge: Bridge) -> dict[int, int]:
    """Return each meter and its rate, as an operator sees them."""
    dump = bridge.ofctl("dump-meters")
    return {
        int(number): int(rate)
        for number, rate in re.findall(r"meter=(\d+) pktps burst bands=\s*type=drop rate=(\d+)", dump)
    }


async def flood(wire: Wire, packet: bytes, *, seconds: float) -> int:
    """Send a packet some ten times as fast as the limit lets pass, and return how often."""
    loop = asyncio.get_running_loop()
    sent, end = 0, loop.time() + seconds
    while loop.time() < end:
        wire.send(packet)
        sent += 1
        await asyncio.sleep(1 / (10 * LIMIT))
    return sent


async def received(wire: Wire, *, until: bytes) -> int:
    """Count the frames that come out of a port before the last one."""
    frames = 0
    while await wire.receive() != until:
        frames += 1
    return frames


async def test_a_flood_is_cut_down_to_the_limit_and_others_are_not(bridge: Bridge) -> None:
    async with plugged(bridge.sockets) as (one, two, three), connected(bridge.management) as (switch, _):
        await switch.flow_table.set_flows(owner_of("call"), forwarding_flows("call", PATH, LIMITS))
        other = flows_of("other", 7)
        await switch.flow_table.set_flows(owner_of("other"), other)
        began = time.monotonic()
        sent = await flood(one, frame(sent_by(CALLER)), seconds=3)
        took = time.monotonic() - began
        last = sent_to(CALLEE, sent_by(CALLER, sequence=0xFFFF))
        three.send(frame(last))
        passed = await received(two, until=frame(last))
        assert sent > 2 * passed
        assert LIMIT < passed < 1.5 * LIMIT * (took + 1)
        for sequence in range(2 * LIMIT):
            packet = sent_by(CALLEE, sequence=sequence)
            two.send(frame(packet))
        for sequence in range(LIMIT):  # the other leg has a limit of its own: a second's worth at once
            assert await one.receive() == frame(sent_to(CALLER, sent_by(CALLEE, sequence=sequence)))


async def test_meters_come_before_their_flows_and_go_after_them(bridge: Bridge) -> None:
    async with connected(bridge.management) as (switch, _):
        await switch.flow_table.set_flows(owner_of("call"), limited())
        assert meters(bridge) == {LAST: LIMIT, LAST - 1: LIMIT}
        await switch.flow_table.set_flows(owner_of("other"), limited("other", 1)[:1])
        assert meters(bridge) == {LAST: LIMIT, LAST - 1: LIMIT, LAST - 2: LIMIT}
        await switch.flow_table.set_flows(owner_of("call"), limited(limit=LIMIT + 1))
        await describe(switch.flow_table.channel)  # to which the answer comes after what was asked before
        assert sorted(meters(bridge).values()) == [LIMIT, LIMIT + 1, LIMIT + 1]
        assert len(bridge.cookies()) == 3
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        await switch.flow_table.set_flows(owner_of("other"), ())
        await describe(switch.flow_table.channel)
        assert meters(bridge) == {}
        assert bridge.cookies() == {flow.cookie for flow in flows_of("call")}


async def test_that_somebody_removed_a_meter_and_so_its_flow_shows_at_the_next_change(
    bridge: Bridge,
) -> None:
    """OpenFlow 1.3 has no reason for such an end, and OVS does not tell it."""
    async with connected(bridge.management) as (switch, _):
        await switch.flow_table.set_flows(owner_of("call"), forwarding_flows("call", PATH, LIMITS))
        bridge.ofctl("del-meters")
        assert bridge.cookies() == set()
        with pytest.raises(OpenFlowError, match="OFPMMFC_INVALID_METER"):
            await switch.flow_table.set_flows(owner_of("call"), forwarding_flows("call", path(1), LIMITS))
        await switch.flow_table.set_flows(owner_of("call"), ())
        await switch.flow_table.set_flows(owner_of("call"), forwarding_flows("call", PATH, LIMITS))
        assert bridge.cookies() == {flow.cookie for flow in forwarding_flows("call", PATH, LIMITS)}
        assert len(meters(bridge)) == 2


async def test_a_refused_change_leaves_no_meter_behind(bridge: Bridge) -> None:
    good, other = limited()
    assert isinstance(other.action, Forward)
    bad = replace(other, action=replace(other.action, dscp=64))
    async with connected(bridge.management) as (switch, _):
        with pytest.raises(OpenFlowError, match="OFPBAC_BAD_SET_ARGUMENT"):
            await switch.flow_table.set_flows(owner_of("call"), (good, bad))
        await describe(switch.flow_table.channel)
        assert (meters(bridge), bridge.cookies()) == ({}, set())


async def test_the_meters_of_a_dead_predecessor_are_swept_and_only_those(bridge: Bridge) -> None:
    foreign = {
        1: (LIMIT, LIMIT),  # exactly like ours, but not among our numbers
        LAST - 9: (LIMIT, LIMIT),  # and here somebody's flow uses it
        LAST - 8: (LIMIT, LIMIT + 1),  # another burst
    }
    for number, (rate, burst) in foreign.items():
        bridge.ofctl(
            "add-meter", f"meter={number},pktps,burst,bands=type=drop,rate={rate},burst_size={burst}"
        )
    bridge.ofctl("add-flow", f"cookie=5,priority=9,udp,tp_dst=9,actions=meter:{LAST - 9},normal")
    async with connected(bridge.management) as (switch, _):
        await switch.flow_table.set_flows(owner_of("call"), limited())
        assert {*meters(bridge)} == {*foreign, LAST, LAST - 1}
    async with connected(bridge.management) as (switch, _):
        assert {*meters(bridge)} == {*foreign}
        assert bridge.cookies() == {5}
        for number in range(6):
            await switch.flow_table.set_flows(owner_of(f"call {number}"), limited(f"call {number}", number))
        ours = {LAST - offset for offset in range(14)} - {LAST - 8, LAST - 9}
        assert {*meters(bridge)} == {*foreign} | ours


async def test_a_number_that_somebody_else_took_meanwhile_is_left_to_them(bridge: Bridge) -> None:
    async with connected(bridge.management) as (switch, _):
        bridge.ofctl("add-meter", f"meter={LAST},pktps,burst,bands=type=drop,rate=7,burst_size=9")
        with pytest.raises(OpenFlowError, match="OFPMMFC_METER_EXISTS"):
            await switch.flow_table.set_flows(owner_of("call"), limited())
        await switch.flow_table.set_flows(owner_of("call"), limited())
        assert meters(bridge) == {LAST: 7, LAST - 1: LIMIT, LAST - 2: LIMIT}
        await switch.flow_table.set_flows(owner_of("call"), ())
        await describe(switch.flow_table.channel)
        assert meters(bridge) == {LAST: 7}


async def test_without_a_limit_no_meter_is_ever_changed(bridge: Bridge) -> None:
    async with tapped(bridge.management) as (endpoint, sent), connected(endpoint) as (switch, _):
        before = sent[Kind.MULTIPART_REQUEST]
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        await switch.flow_table.set_flows(owner_of("call"), ())
        assert sent[Kind.METER_MOD] == 0
        assert sent[Kind.MULTIPART_REQUEST] == before


async def test_a_switch_without_meters_refuses_a_limit_and_nothing_changes(bridge: Bridge) -> None:
    description, _ = await describe_switch(bridge.management)
    assert description.max_meters == LAST
    async with open_channel(bridge.management, on_message=lambda _: None, timeouts=Timeouts()) as channel:
        table = FlowTable(channel, max_meters=0)
        await table.set_flows(owner_of("call"), flows_of("call"))
        held = bridge.flows()
        with pytest.raises(
            OpenFlowError, match=r"^the switch has no meters, which a flow with a limit needs$"
        ):
            await table.set_flows(owner_of("call"), limited())
        assert bridge.flows() == held
