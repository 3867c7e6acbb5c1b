"""Packets through a real Open vSwitch that holds our flows: what comes out of which port, byte by byte."""

import asyncio
from dataclasses import replace
from itertools import count

import pytest

from stasis_offload.media.flows import (
    FORWARDING_ROLES,
    FlowLifetime,
    Role,
    call_cookie,
    forwarding_flows,
    learn_in_flow,
    owner_of,
)
from stasis_offload.media.path import Attachment, Leg, MediaPath, parse_observed_packet
from stasis_offload.openflow.events import FlowRemoved, PacketIn, Removal
from stasis_offload.openflow.flow import LEARNING_BYTES
from stasis_offload.packets.address import Address
from tests.support.dummy_ports import Wire, plugged
from tests.support.ovs_container import Bridge
from tests.support.packets import CALLEE, CALLER, PATH, frame, sent_by, sent_to
from tests.support.switch_events import SECONDS, connected

SIX = MediaPath(
    caller=replace(
        CALLER, remote=Address.parse("[2001:db8::a]:4000"), local=Address.parse("[2001:db8::1]:10000")
    ),
    callee=replace(
        CALLEE, remote=Address.parse("[2001:db8:1::b]:5000"), local=Address.parse("[2001:db8:1::1]:10002")
    ),
)


def with_ports(path: MediaPath, caller: int, callee: int) -> MediaPath:
    return MediaPath(caller=replace(path.caller, in_port=caller), callee=replace(path.callee, in_port=callee))


def with_vlans(path: MediaPath, caller: int | None, callee: int | None) -> MediaPath:
    return MediaPath(caller=replace(path.caller, vlan=caller), callee=replace(path.callee, vlan=callee))


PATHS = {
    "ipv4": PATH,
    "ipv6": SIX,
    "ipv4 on one port": with_ports(PATH, 1, 1),
    "ipv6 on one port": with_ports(SIX, 3, 3),
    "from a vlan to none": with_vlans(PATH, 7, None),
    "from a vlan to another": with_vlans(PATH, 7, 12),
    "within a vlan": with_vlans(PATH, 7, 7),
    "ipv6 from a vlan to none": with_vlans(SIX, 7, None),
    "from a vlan to another on one port": with_ports(with_vlans(PATH, 7, 12), 2, 2),
}


LIFETIME = FlowLifetime(idle_timeout=10, lease=60)
NUMBERS = count(100)


async def is_forwarded(one: Wire, two: Wire) -> bool:
    """Send one more packet of the caller; it leaves by port 2 once: rewritten, or as it came."""
    packet = sent_by(CALLER, sequence=next(NUMBERS))
    ways = {frame(packet): False, frame(sent_to(CALLEE, packet)): True}
    one.send(frame(packet))
    return ways[await two.receive()]


async def until_forwarded(one: Wire, two: Wire, *, forwarded: bool = True) -> None:
    """Send packets until they take that way: the datapath follows the flow table after a moment."""
    async with asyncio.timeout(SECONDS):
        while await is_forwarded(one, two) is not forwarded:
            pass


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
async def test_each_leg_gets_the_others_packets_as_if_from_asterisk(bridge: Bridge, path: MediaPath) -> None:
    async with plugged(bridge.sockets) as wires, connected(bridge.management) as (switch, _):
        await switch.flow_table.set_flows(owner_of("call"), forwarding_flows("call", path, LIFETIME))
        for leg in Leg:
            near, far = path.attachment(leg), path.attachment(leg.other)
            packet = sent_by(near)
            wires[near.in_port - 1].send(frame(packet))
            assert await wires[far.in_port - 1].receive() == frame(sent_to(far, packet))


@pytest.mark.parametrize("path", [PATH, SIX, with_vlans(PATH, 7, None)], ids=["ipv4", "ipv6", "vlan"])
async def test_learning_shows_us_a_packet_that_goes_on_to_asterisk_as_ever(
    bridge: Bridge, path: MediaPath
) -> None:
    attachment = path.caller
    flow = learn_in_flow("call", Leg.CALLER, source=attachment.remote, destination=attachment.local, lease=60)
    async with plugged(bridge.sockets) as (one, two, three), connected(bridge.management) as (switch, events):
        await switch.flow_table.set_flows(owner_of("call"), [flow])
        packet = frame(sent_by(attachment, sequence=7))
        one.send(packet)
        seen = await events.next(PacketIn)
        assert (seen.cookie, seen.in_port) == (flow.cookie, 1)
        assert packet.startswith(seen.frame)
        assert len(seen.frame) >= LEARNING_BYTES
        sighting = parse_observed_packet(seen.in_port, seen.frame)
        assert (
            Attachment(
                in_port=sighting.in_port,
                vlan=sighting.vlan,
                remote_mac=sighting.remote_mac,
                local_mac=sighting.local_mac,
                remote=sighting.source,
                local=sighting.destination,
            )
            == attachment
        )
        assert (sighting.ttl, sighting.payload_type, sighting.ssrc) == (64, 0, 0x1234)
        assert [await two.receive(), await three.receive()] == [packet, packet]


async def test_media_moves_into_the_switch_and_back_without_a_packet_lost_or_doubled(bridge: Bridge) -> None:
    learning = [
        learn_in_flow(
            "call", leg, source=PATH.attachment(leg).remote, destination=PATH.attachment(leg).local, lease=60
        )
        for leg in Leg
    ]
    async with plugged(bridge.sockets) as (one, two, _), connected(bridge.management) as (switch, events):
        await switch.flow_table.set_flows(owner_of("call"), learning)
        assert not await is_forwarded(one, two)
        await events.next(PacketIn)
        await switch.flow_table.set_flows(owner_of("call"), forwarding_flows("call", PATH, LIFETIME))
        await until_forwarded(one, two)
        events.rest()
        assert await is_forwarded(one, two)
        assert events.rest() == []
        await switch.flow_table.set_flows(owner_of("call"), ())
        await until_forwarded(one, two, forwarded=False)


async def test_a_packet_that_differs_in_anything_that_is_matched_goes_the_normal_way(bridge: Bridge) -> None:
    path = with_vlans(PATH, 7, None)
    ours = sent_by(path.caller)
    strangers = [
        replace(ours, source=Address(ours.source.host, 4001)),
        replace(ours, source=Address(path.callee.remote.host, 4000)),
        replace(ours, destination=Address(ours.destination.host, 10001)),
        replace(ours, destination=Address(path.callee.local.host, 10000)),
        replace(ours, vlan=8),
        replace(ours, vlan=None),
    ]
    async with plugged(bridge.sockets) as (one, two, three), connected(bridge.management) as (switch, _):
        await switch.flow_table.set_flows(owner_of("call"), forwarding_flows("call", path, LIFETIME))
        for stranger in strangers:
            one.send(frame(stranger))
            assert [await two.receive(), await three.receive()] == [frame(stranger), frame(stranger)]
        three.send(frame(ours))
        assert [await one.receive(), await two.receive()] == [frame(ours), frame(ours)]
        one.send(frame(ours))
        assert await two.receive() == frame(sent_to(path.callee, ours))


async def test_a_packet_at_the_end_of_its_life_is_not_forwarded(bridge: Bridge) -> None:
    async with plugged(bridge.sockets) as (one, two, _), connected(bridge.management) as (switch, events):
        await switch.flow_table.set_flows(owner_of("call"), forwarding_flows("call", PATH, LIFETIME))
        one.send(frame(replace(sent_by(CALLER), ttl=1)))
        alive = replace(sent_by(CALLER), ttl=2)
        one.send(frame(alive))
        assert await two.receive() == frame(sent_to(CALLEE, alive))
        await switch.flow_table.counts(owner_of("call"), FORWARDING_ROLES)
        assert events.rest() == []


async def test_a_call_that_falls_silent_is_cleared_and_told_with_its_counts(bridge: Bridge) -> None:
    async with plugged(bridge.sockets) as (one, two, _), connected(bridge.management) as (switch, events):
        await switch.flow_table.set_flows(
            owner_of("call"), forwarding_flows("call", PATH, replace(LIFETIME, idle_timeout=1))
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
        await switch.flow_table.set_flows(owner_of("call"), forwarding_flows("call", PATH, LIFETIME))
        await until_forwarded(one, two)


async def test_packets_are_counted_by_leg(bridge: Bridge) -> None:
    async with plugged(bridge.sockets) as (one, two, _), connected(bridge.management) as (switch, _):
        flows = forwarding_flows("call", PATH, LIFETIME)
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
