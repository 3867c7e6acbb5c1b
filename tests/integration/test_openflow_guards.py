"""RTCP and the unexpected, through a real Open vSwitch that holds all flows of a forwarded call."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from stasis_offload.media.flows import (
    FlowLimits,
    forwarding_flows,
    inbound_guards,
    outbound_guards,
    rtcp_flows,
    rtcp_watching_flows,
    verifying_flows,
)
from stasis_offload.media.path import Attachment, Leg, MediaPath
from stasis_offload.media.roles import FORWARDING_ROLES, Role, owner_of, role_of
from stasis_offload.openflow.events import PacketIn, Refused
from stasis_offload.openflow.switch import Switch
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Datagram, Tag
from tests.support.dummy_ports import Wire, plugged
from tests.support.ovs_container import MACS, Bridge
from tests.support.packets import CALLEE, CALLER, PATH, SIX, frame, sent_by, sent_to, split, with_tags
from tests.support.switch_events import SECONDS, Events, connected

LIMITS = FlowLimits(idle_timeout=60)
TAGGED = with_tags(PATH, Tag(7), None)


def above(packet: Datagram) -> Datagram:
    """Return a packet between the ports above: RTCP instead of RTP."""
    return replace(
        packet,
        source=replace(packet.source, port=packet.source.port + 1),
        destination=replace(packet.destination, port=packet.destination.port + 1),
    )


@asynccontextmanager
async def forwarding(
    bridge: Bridge, path: MediaPath, *, verifying: bool = False
) -> AsyncIterator[tuple[Switch, Events, tuple[Wire, ...]]]:
    """Hold a forwarded call; Asterisk is at port 3."""
    async with plugged(bridge.sockets) as wires, connected(bridge.management) as (switch, events):
        flows = (
            *forwarding_flows("call", path, LIMITS),
            *(verifying_flows("call", path, frozenset(Leg)) if verifying else ()),
            *rtcp_flows("call", path),
            *inbound_guards("call", path),
            *outbound_guards("call", path),
        )
        await switch.flow_table.set_flows(owner_of("call"), flows)
        yield switch, events, wires


async def shown(events: Events, role: Role) -> bytes:
    """Return the next packet that we are shown; it is of that role."""
    event = await events.next(PacketIn)
    assert role_of(event.cookie) is role
    return event.frame


@pytest.mark.parametrize("path", [PATH, SIX, TAGGED], ids=["ipv4", "ipv6", "vlan"])
async def test_rtcp_reaches_asterisk_and_us_as_it_came_and_goes_on_as_asterisks_when_we_say_so(
    bridge: Bridge, path: MediaPath
) -> None:
    async with forwarding(bridge, path) as (switch, events, (one, two, three)):
        packet = replace(above(sent_by(path.caller)), payload=bytes(range(250)) * 5)
        packet = replace(packet, source=replace(packet.source, port=777))
        one.send(frame(packet))
        assert await three.receive() == frame(packet)
        assert await shown(events, Role.RTCP_CALLER) == frame(packet)
        to_callee = replace(above(sent_to(path.callee, sent_by(path.caller))), payload=packet.payload)
        switch.flow_table.inject(path.callee.received.in_port.number, frame(to_callee))
        assert await two.receive() == frame(to_callee)
        assert events.rest() == []


async def test_what_asterisk_reports_by_itself_ends_in_the_switch_and_is_shown_to_us(bridge: Bridge) -> None:
    async with forwarding(bridge, PATH) as (_, events, (one, _, three)):
        hushed = replace(above(sent_to(CALLER, sent_by(CALLER))), payload=bytes(1000))
        three.send(frame(hushed))
        other = replace(hushed, source=Address(hushed.source.host, 19_999))
        three.send(frame(other))
        assert await one.receive() == frame(other)
        assert await shown(events, Role.RTCP_DROP_CALLER) == frame(hushed)
        assert events.rest() == []


async def test_what_asterisk_reports_where_rtcp_ends_in_it_goes_on_and_is_shown_to_us(bridge: Bridge) -> None:
    async with plugged(bridge.sockets) as (one, _, three), connected(bridge.management) as (switch, events):
        flows = (*forwarding_flows("call", PATH, LIMITS), *rtcp_watching_flows("call", PATH))
        await switch.flow_table.set_flows(owner_of("call"), flows)
        packet = frame(above(sent_to(CALLER, sent_by(CALLER))))
        three.send(packet)
        assert await one.receive() == packet
        assert packet.startswith(await shown(events, Role.RTCP_OUT_CALLER))


async def test_media_of_asterisks_own_goes_on_and_is_shown_to_us(bridge: Bridge) -> None:
    async with forwarding(bridge, PATH) as (_, events, (one, _, three)):
        packet = frame(sent_to(CALLER, sent_by(CALLER)))
        three.send(packet)
        assert await one.receive() == packet
        assert packet.startswith(await shown(events, Role.GUARD_OUT_CALLER))


@pytest.mark.parametrize(
    "change",
    [{"source": Address(CALLER.remote.host, 4001)}, {"eth_src": "02:00:00:00:00:99"}, {"tag": Tag(9)}],
    ids=["source", "next hop", "vlan"],
)
async def test_a_packet_that_is_not_the_stream_goes_on_and_is_shown_to_us(
    bridge: Bridge, change: dict[str, Any]
) -> None:
    async with forwarding(bridge, PATH) as (_, events, (one, _, three)):
        packet = frame(replace(sent_by(CALLER), **change))
        one.send(packet)
        assert await three.receive() == packet
        assert packet.startswith(await shown(events, Role.GUARD_IN_CALLER))


async def test_what_is_forwarded_is_shown_to_us(bridge: Bridge) -> None:
    async with forwarding(bridge, PATH, verifying=True) as (_, events, (one, two, _)):
        packet = sent_by(CALLER)
        one.send(frame(packet))
        assert await two.receive() == frame(sent_to(CALLEE, packet))
        assert frame(packet).startswith(await shown(events, Role.VERIFY_CALLER))


@pytest.mark.parametrize("path", [PATH, SIX, TAGGED], ids=["ipv4", "ipv6", "vlan"])
async def test_what_is_smaller_than_audio_goes_to_asterisk_and_is_shown_to_us(
    bridge: Bridge, path: MediaPath
) -> None:
    async with forwarding(bridge, split(path)) as (switch, events, (one, two, three)):
        audio = sent_by(path.caller)
        digit, smaller = (
            replace(audio, payload=audio.payload[:size]) for size in (16, len(audio.payload) - 1)
        )
        for packet in (digit, audio, smaller, audio):
            one.send(frame(packet))
        for _ in range(2):
            assert await two.receive() == frame(sent_to(path.callee, audio))
        for packet in (digit, smaller):
            assert await three.receive() == frame(packet)
            assert frame(packet).startswith(await shown(events, Role.SMALL_CALLER))
        async with asyncio.timeout(SECONDS):  # all of them count, so that a party who listens is not idle
            while (await _forwarded(switch)) < 4:
                pass
        assert events.rest() == []


async def _forwarded(switch: Switch) -> int:
    counts = await switch.flow_table.counts(owner_of("call"), FORWARDING_ROLES)
    return counts[Role.FORWARD_CALLER].packets


def report(attachment: Attachment) -> Datagram:
    """Return an empty receiver report as a leg sends it to Asterisk (RFC 3550, 6.4.2)."""
    return replace(above(sent_by(attachment)), payload=b"\x80\xc9\x00\x01\x00\x00\x12\x34")


@pytest.mark.parametrize("make", [report, sent_by], ids=["rtcp", "rtp"])
async def test_a_packet_in_the_name_of_a_leg_comes_out_as_if_no_flow_were_ours(
    bridge: Bridge, make: Callable[[Attachment], Datagram]
) -> None:
    async with forwarding(bridge, PATH, verifying=True) as (switch, events, (one, two, three)):
        packet = frame(make(CALLER))
        switch.flow_table.inject(1, packet)
        assert await three.receive() == packet
        one.send(frame(sent_by(CALLER)))
        assert await two.receive() == frame(sent_to(CALLEE, sent_by(CALLER)))
        assert frame(sent_by(CALLER)).startswith(await shown(events, Role.VERIFY_CALLER))
        async with asyncio.timeout(SECONDS):
            while not (counted := await _forwarded(switch)):
                pass
        assert counted == 1


async def test_a_packet_in_the_name_of_a_leg_tells_the_bridge_where_it_is(bridge: Bridge) -> None:
    async with forwarding(bridge, PATH) as (switch, _, (one, two, three)):
        for mac in MACS:
            bridge.appctl("fdb/del", bridge.name, "0", mac)
        one.send(frame(sent_by(CALLER)))
        assert await two.receive() == frame(sent_to(CALLEE, sent_by(CALLER)))
        assert _known(bridge) == {CALLER.received.eth_src: "3"}
        switch.flow_table.inject(1, frame(sent_by(CALLER)))
        assert await three.receive() == frame(sent_by(CALLER))
        assert _known(bridge) == {CALLER.received.eth_src: "3", CALLER.sent.eth_src: "1"}


def _known(bridge: Bridge) -> dict[str, str]:
    """Return the port of each MAC of the call that the bridge knows without a VLAN."""
    rows = (row.split() for row in bridge.appctl("fdb/show", bridge.name).splitlines()[1:])
    return {mac: port for port, vlan, mac, _ in rows if vlan == "0" and mac in MACS}


async def test_a_packet_into_a_port_that_cannot_be_is_refused_and_we_are_told(bridge: Bridge) -> None:
    async with connected(bridge.management) as (switch, events):
        switch.flow_table.inject(0xFFFF_FF80, frame(sent_by(CALLER)))
        assert "OFPT_PACKET_OUT" in (await events.next(Refused)).reason
