"""Packets through a real Open vSwitch that holds our flows: what comes out of which port, byte by byte."""

import asyncio
from dataclasses import replace
from itertools import count

import pytest

from stasis_offload.media.flows import FlowLimits, forwarding_flows, waiting_flow
from stasis_offload.media.path import Leg, MediaPath, parse_observed_packet
from stasis_offload.media.roles import FORWARDING_ROLES, Role, call_cookie, owner_of
from stasis_offload.openflow.events import FlowRemoved, PacketIn, Removal
from stasis_offload.openflow.flow import LEARNING_BYTES
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Tag
from tests.support.dummy_ports import Wire, plugged
from tests.support.many_calls import learning_flows_of
from tests.support.ovs_container import Bridge
from tests.support.packets import (
    CALLEE,
    CALLER,
    PATH,
    SIX,
    at,
    by_one_router,
    frame,
    sent_by,
    sent_to,
    with_tags,
)
from tests.support.switch_events import SECONDS, connected

PATHS = {
    "ipv4": PATH,
    "ipv6": SIX,
    "by one router": by_one_router(PATH),
    "from a vlan to none": with_tags(PATH, Tag(7), None),
    "from a vlan to another": with_tags(PATH, Tag(7), Tag(12, 5)),
    "within a vlan": with_tags(PATH, Tag(7, 3), Tag(7)),
    "ipv6 from a vlan to none": with_tags(SIX, Tag(7), None),
    "a priority alone": with_tags(PATH, Tag(0, 5), None),
}


LIMITS = FlowLimits(idle_timeout=10)
NUMBERS = count(100)


async def is_forwarded(one: Wire, two: Wire, three: Wire) -> bool:
    """Send one more packet of the caller; it leaves once: rewritten by port 2, or as it came by port 3, to Asterisk."""
    packet = sent_by(CALLER, sequence=next(NUMBERS))
    one.send(frame(packet))
    ways = [asyncio.ensure_future(wire.receive()) for wire in (two, three)]
    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    forwarded = ways[0].done()
    for way in ways:
        way.cancel()
    await asyncio.gather(*ways, return_exceptions=True)
    assert ways[not forwarded].result() == frame(sent_to(CALLEE, packet) if forwarded else packet)
    return forwarded


async def until_forwarded(one: Wire, two: Wire, three: Wire, *, forwarded: bool = True) -> None:
    """Send packets until they take that way: the datapath follows the flow table after a moment."""
    async with asyncio.timeout(SECONDS):
        while await is_forwarded(one, two, three) is not forwarded:
            pass


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
async def test_each_leg_gets_the_others_packets_as_if_from_asterisk(bridge: Bridge, path: MediaPath) -> None:
    async with plugged(bridge.sockets) as wires, connected(bridge.management) as (switch, _):
        await switch.flow_table.set_flows(owner_of("call"), forwarding_flows("call", path, LIMITS))
        for leg in Leg:
            near, far = path.attachment(leg), path.attachment(leg.other)
            packet = sent_by(near)
            wires[near.sent.in_port.number - 1].send(frame(packet))
            assert await wires[far.sent.in_port.number - 1].receive() == frame(sent_to(far, packet))


@pytest.mark.parametrize("path", [PATH, SIX, with_tags(PATH, Tag(7, 5), None)], ids=["ipv4", "ipv6", "vlan"])
async def test_learning_shows_us_a_packet_that_goes_on_to_asterisk_as_ever(
    bridge: Bridge, path: MediaPath
) -> None:
    attachment = path.caller
    flow = waiting_flow("call", Leg.CALLER, source=attachment.remote, local=attachment.local)
    async with plugged(bridge.sockets) as (one, _, three), connected(bridge.management) as (switch, events):
        await switch.flow_table.set_flows(owner_of("call"), [flow])
        packet = frame(sent_by(attachment, sequence=7))
        one.send(packet)
        seen = await events.next(PacketIn)
        assert (seen.cookie, seen.in_port) == (flow.cookie, 1)
        assert packet.startswith(seen.frame)
        assert len(seen.frame) >= LEARNING_BYTES
        sighting = parse_observed_packet(at(seen.in_port), seen.frame)
        assert sighting.headers == attachment.sent
        assert (sighting.ttl, sighting.payload_type, sighting.ssrc) == (64, 0, 0x1234)
        assert await three.receive() == packet


async def test_media_moves_into_the_switch_and_back_without_a_packet_lost_or_doubled(bridge: Bridge) -> None:
    learning = learning_flows_of("call")
    async with plugged(bridge.sockets) as wires, connected(bridge.management) as (switch, events):
        await switch.flow_table.set_flows(owner_of("call"), learning)
        assert not await is_forwarded(*wires)
        await events.next(PacketIn)
        await switch.flow_table.set_flows(owner_of("call"), forwarding_flows("call", PATH, LIMITS))
        await until_forwarded(*wires)
        events.rest()
        assert await is_forwarded(*wires)
        assert events.rest() == []
        await switch.flow_table.set_flows(owner_of("call"), ())
        await until_forwarded(*wires, forwarded=False)


async def test_a_packet_that_differs_in_anything_that_is_matched_goes_the_normal_way(bridge: Bridge) -> None:
    path = with_tags(PATH, Tag(7), None)
    ours = sent_by(path.caller)
    strangers = [
        replace(ours, source=Address(ours.source.host, 4001)),
        replace(ours, source=Address(path.callee.remote.host, 4000)),
        replace(ours, destination=Address(ours.destination.host, 10001)),
        replace(ours, destination=Address(path.callee.local.host, 10000)),
        replace(ours, tag=Tag(8)),
        replace(ours, tag=None),
    ]
    async with plugged(bridge.sockets) as (one, two, three), connected(bridge.management) as (switch, _):
        await switch.flow_table.set_flows(owner_of("call"), forwarding_flows("call", path, LIMITS))
        for stranger in strangers:
            one.send(frame(stranger))
            assert await three.receive() == frame(stranger)
        two.send(frame(ours))
        assert await three.receive() == frame(ours)
        one.send(frame(ours))
        assert await two.receive() == frame(sent_to(path.callee, ours))


async def test_a_packet_at_the_end_of_its_life_is_not_forwarded(bridge: Bridge) -> None:
    async with plugged(bridge.sockets) as (one, two, _), connected(bridge.management) as (switch, events):
        await switch.flow_table.set_flows(owner_of("call"), forwarding_flows("call", PATH, LIMITS))
        one.send(frame(replace(sent_by(CALLER), ttl=1)))
        alive = replace(sent_by(CALLER), ttl=2)
        one.send(frame(alive))
        assert await two.receive() == frame(sent_to(CALLEE, alive))
        await switch.flow_table.counts(owner_of("call"), FORWARDING_ROLES)
        assert events.rest() == []


async def test_a_call_that_falls_silent_is_cleared_and_told_with_its_counts(bridge: Bridge) -> None:
    async with plugged(bridge.sockets) as wires, connected(bridge.management) as (switch, events):
        one, two, _ = wires
        await switch.flow_table.set_flows(
            owner_of("call"), forwarding_flows("call", PATH, replace(LIMITS, idle_timeout=3))
        )
        octets = 0
        for sequence in range(3):
            packet = frame(sent_by(CALLER, sequence=sequence))
            octets += len(packet)
            one.send(packet)
            await two.receive()
        ended = {(event := await events.next(FlowRemoved)).cookie & 0xFF: event for _ in range(2)}
        caller, callee = ended[Role.FORWARD_CALLER], ended[Role.FORWARD_CALLEE]
        assert {event.cookie & ~0xFF for event in ended.values()} == {call_cookie("call")}
        assert [(event.reason, event.count.packets) for event in (caller, callee)] == [
            (Removal.IDLE, 3),
            (Removal.IDLE, 0),
        ]
        assert caller.count.octets == octets
        await switch.flow_table.set_flows(owner_of("call"), forwarding_flows("call", PATH, LIMITS))
        await until_forwarded(*wires)


async def test_packets_are_counted_by_leg(bridge: Bridge) -> None:
    async with plugged(bridge.sockets) as (one, two, _), connected(bridge.management) as (switch, _):
        flows = forwarding_flows("call", PATH, LIMITS)
        await switch.flow_table.set_flows(owner_of("call"), flows)
        for sequence in range(5):
            one.send(frame(sent_by(CALLER, sequence=sequence)))
            await two.receive()
        two.send(frame(sent_by(CALLEE)))
        await one.receive()
        size = len(frame(sent_by(CALLER)))
        counts = await switch.flow_table.counts(owner_of("call"), FORWARDING_ROLES)
        while counts[Role.FORWARD_CALLER].packets + counts[Role.FORWARD_CALLEE].packets < 6:
            counts = await switch.flow_table.counts(owner_of("call"), FORWARDING_ROLES)
        assert {role: (count.packets, count.octets) for role, count in counts.items()} == {
            Role.FORWARD_CALLER: (5, 5 * size),
            Role.FORWARD_CALLEE: (1, size),
        }
