"""A real Open vSwitch and flows with a lease: what renews them, what ends them, and what is counted meanwhile."""

import asyncio
import re
from dataclasses import replace

from stasis_offload.media.flows import (
    FORWARDING_ROLES,
    FlowLifetime,
    Role,
    forwarding_flows,
    guarding_flows,
    owner_of,
    rtcp_flows,
)
from stasis_offload.media.path import Leg
from stasis_offload.openflow.events import FlowRemoved, PacketIn, Removal
from stasis_offload.openflow.flow import Flow, FlowCount
from stasis_offload.openflow.switch import Switch
from tests.support.dummy_ports import Wire, plugged
from tests.support.many_calls import learning_flows_of
from tests.support.ovs_container import Bridge, wait_until
from tests.support.packets import CALLEE, CALLER, PATH, frame, sent_by, sent_to
from tests.support.switch_events import SECONDS, Events, Kind, connected, tapped

LIFETIME = FlowLifetime(idle_timeout=60, lease=60)


def whole(lifetime: FlowLifetime = LIFETIME, *, sampled: tuple[Leg, ...] = ()) -> tuple[Flow, ...]:
    """Return every flow of a forwarded call."""
    return (
        *forwarding_flows("call", PATH, lifetime, sampled=sampled),
        *rtcp_flows("call", PATH, {}, lease=lifetime.lease),
        *guarding_flows("call", PATH, lease=lifetime.lease),
    )


async def carry(one: Wire, two: Wire, packets: int) -> None:
    """Send packets of the caller, each of which comes out of port 2."""
    for sequence in range(packets):
        packet = sent_by(CALLER, sequence=sequence)
        one.send(frame(packet))
        assert await two.receive() == frame(sent_to(CALLEE, packet))


async def until_sampled(one: Wire, two: Wire, events: Events) -> int:
    """Send packets of the caller until one was shown to us, and return how many.

    The datapath follows the flow table after a moment.
    """
    sent = 0
    async with asyncio.timeout(SECONDS):
        while not any(isinstance(event, PacketIn) for event in events.rest()):
            await carry(one, two, 1)
            sent += 1
    return sent


async def until_counted(switch: Switch, packets: int) -> FlowCount:
    """Ask until the caller's flow has counted that many."""
    async with asyncio.timeout(SECONDS):
        while True:
            count = (await switch.flow_table.counts(owner_of("call"), FORWARDING_ROLES))[Role.FORWARD_CALLER]
            if count.packets >= packets:
                return count


def ages(bridge: Bridge) -> dict[int, float]:
    """Return for how many seconds each flow has been there, as an operator sees it, by cookie."""
    dump = bridge.ovs.execute("ovs-ofctl", "--protocols=OpenFlow13", "dump-flows", bridge.name)
    return {
        int(cookie, 16): float(age)
        for cookie, age in re.findall(r"cookie=(0xff1\w+), duration=([\d.]+)s", dump)
    }


async def test_counters_go_on_through_a_change_of_action_and_a_renewal(bridge: Bridge) -> None:
    async with plugged(bridge.sockets) as (one, two, _), connected(bridge.management) as (switch, events):
        await switch.flow_table.set_flows(owner_of("call"), whole())
        await carry(one, two, 3)
        await until_counted(switch, 3)
        await switch.flow_table.set_flows(owner_of("call"), whole(sampled=(Leg.CALLER,)))
        carried = 3 + await until_sampled(one, two, events)
        assert (await until_counted(switch, carried)).packets == carried
        await switch.flow_table.set_flows(owner_of("call"), whole(sampled=(Leg.CALLER,)), renew=True)
        assert (await until_counted(switch, carried)).packets == carried
        await switch.flow_table.set_flows(owner_of("call"), whole(), renew=True)
        await carry(one, two, 2)
        assert (await until_counted(switch, carried + 2)).packets == carried + 2
        assert bridge.cookies() == {flow.cookie for flow in whole()}


async def test_a_renewal_begins_the_lease_anew(bridge: Bridge) -> None:
    async with connected(bridge.management) as (switch, _):
        await switch.flow_table.set_flows(owner_of("call"), whole())
        await switch.flow_table.set_flows(owner_of("later"), learning_flows_of("later"))
        wait_until(lambda: min(ages(bridge).values()) > 0, what="time to pass for the flows")
        await switch.flow_table.set_flows(owner_of("call"), whole(), renew=True)
        age = ages(bridge)
        later = min(age[flow.cookie] for flow in learning_flows_of("later"))
        assert all(age[flow.cookie] < later for flow in whole())


async def test_the_lease_ends_what_is_not_renewed_and_that_is_told(bridge: Bridge) -> None:
    kept = learning_flows_of("kept")
    async with connected(bridge.management) as (switch, events):
        await switch.flow_table.set_flows(owner_of("kept"), kept)
        await switch.flow_table.set_flows(owner_of("call"), whole(replace(LIFETIME, lease=1)))
        ended = [await events.next(FlowRemoved) for _ in whole()]
        assert {event.cookie for event in ended} == {flow.cookie for flow in whole()}
        assert {event.reason for event in ended} == {Removal.HARD}
        assert bridge.cookies() == {flow.cookie for flow in kept}
        await switch.flow_table.set_flows(owner_of("call"), whole())
        assert bridge.cookies() == {flow.cookie for flow in (*kept, *whole())}


async def test_a_renewal_a_removal_and_a_change_of_one_flow_need_no_bundle(bridge: Bridge) -> None:
    sampled = forwarding_flows("call", PATH, LIFETIME, sampled=[Leg.CALLER])
    async with tapped(bridge.management) as (endpoint, sent), connected(endpoint) as (switch, _):
        await switch.flow_table.set_flows(owner_of("call"), whole())
        bundled = sent[Kind.EXPERIMENTER]
        assert bundled > len(whole())
        await switch.flow_table.set_flows(owner_of("call"), whole(), renew=True)
        for flows in (whole()[:2], sampled, (), whole()[:1]):
            await switch.flow_table.set_flows(owner_of("call"), flows)
            assert bridge.cookies() == {flow.cookie for flow in flows}
        assert sent[Kind.EXPERIMENTER] == bundled
