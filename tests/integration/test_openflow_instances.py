"""Several applications at one real Open vSwitch: each has what is its own, and one that would be another is refused."""

import asyncio

import pytest

from stasis_offload.errors import SwitchUnavailableError
from stasis_offload.media.flows import (
    FlowLimits,
    forwarding_flows,
    inbound_guards,
    learning_flows,
    outbound_guards,
    rtcp_flows,
    sampling_flows,
)
from stasis_offload.media.path import Attachment, Headers, Leg, MediaPath
from stasis_offload.media.roles import FORWARDING_ROLES, Role, owner_of, role_of
from stasis_offload.openflow.events import FlowRemoved, PacketIn, SwitchDown, SwitchUp
from stasis_offload.openflow.flow import FlowCount, owner_in
from stasis_offload.openflow.gate import LEASE
from stasis_offload.packets.address import Address
from tests.support.dummy_ports import plugged
from tests.support.many_calls import flows_of, learning_flows_of
from tests.support.ovs_container import Bridge, Ovs
from tests.support.packets import at, frame, sent_by, sent_to, split
from tests.support.switch_events import SECONDS, Kind, connected, running, tapped

# Two PBXs in a row: the phones are behind one router at port 1, B at port 2, and A at port 3 (ovs_container.MACS).
_ROUTER, _B, _A = (1, "02:00:00:00:00:0a"), (2, "02:00:00:00:00:0b"), (3, "02:00:00:00:00:01")


def leg(there: tuple[int, str], here: tuple[int, str], remote: str, local: str) -> Attachment:
    """Return how a party at one port is attached to a PBX at another."""
    (port, mac), (pbx_port, pbx_mac) = there, here
    there_at, here_at = Address.parse(remote), Address.parse(local)
    return Attachment(
        sent=Headers(at(port), None, mac, pbx_mac, source=there_at, destination=here_at, dscp=0),
        received=Headers(at(pbx_port), None, pbx_mac, mac, source=here_at, destination=there_at, dscp=0),
    )


BY_A = MediaPath(
    caller=leg(_ROUTER, _A, "198.18.0.10:4000", "198.18.0.1:10000"),
    callee=leg(_B, _A, "198.18.1.20:5000", "198.18.1.1:10002"),
)
BY_B = MediaPath(
    caller=leg(_A, _B, "198.18.1.1:10002", "198.18.1.20:5000"),
    callee=leg(_ROUTER, _B, "198.18.0.30:6000", "198.18.1.20:5002"),
)
LIMITS = FlowLimits(idle_timeout=60)


def in_use(bridge: Bridge, instance: int = 0) -> str:
    return (
        f"another application is instance {instance} of bridge {bridge.name}: set openflow.instance of one of the"
        " two to a number that none there has, 0 to 7"
    )


def of_instance(instance: int, *cookies: int) -> set[int]:
    return {cookie | instance << 60 for cookie in cookies}


def cookies_of(call: str) -> list[int]:
    return [flow.cookie for flow in flows_of(call)]


async def test_each_has_its_own_flows_counters_and_ends_of_calls_with_one_name(bridge: Bridge) -> None:
    call = owner_of("call")
    async with connected(bridge.management, instance=1) as (one, events):
        await one.flow_table.set_flows(call, flows_of("call"))
        async with connected(bridge.management, instance=7) as (other, others):
            assert bridge.cookies() == of_instance(1, *cookies_of("call"))
            await other.flow_table.set_flows(call, flows_of("call", 1))
            both = of_instance(1, *cookies_of("call")) | of_instance(7, *cookies_of("call"))
            assert bridge.cookies() == both
            for switch in (one, other):
                counts = dict.fromkeys(cookies_of("call"), FlowCount())
                assert await switch.flow_table.all_counts(FORWARDING_ROLES) == counts
                assert set(await switch.flow_table.counts(call, FORWARDING_ROLES)) == set(FORWARDING_ROLES)
            await other.flow_table.remove_flows(call, FORWARDING_ROLES)
            assert bridge.cookies() == of_instance(1, *cookies_of("call"))
            await other.flow_table.set_flows(call, flows_of("call", 1))
            bridge.ofctl("del-flows", f"cookie={cookies_of('call')[0] | 7 << 60:#x}/-1")
            ended = await others.next(FlowRemoved)
            assert (owner_in(ended.cookie), role_of(ended.cookie)) == (call, Role.FORWARD_CALLER)
            await other.sweep()
        # A process of instance 7 that begins sweeps what one before it has left, and no more.
        async with connected(bridge.management, instance=7):
            assert bridge.cookies() == of_instance(1, *cookies_of("call"))
        assert events.rest() == []


async def test_what_a_restart_restores_is_compared_by_its_own_application_alone(
    ovs: Ovs, bridge: Bridge
) -> None:
    call = owner_of("call")
    async with (
        connected(bridge.management, instance=0) as (one, events),
        connected(bridge.management, instance=1) as (other, others),
    ):
        await one.flow_table.set_flows(call, flows_of("call"))
        await other.flow_table.set_flows(call, flows_of("call", 1))
        saved = bridge.saved_flows()
        ovs.stop()
        await events.next(SwitchDown)
        await others.next(SwitchDown)
        with pytest.raises(SwitchUnavailableError):
            await other.flow_table.set_flows(call, ())
        ovs.start()
        bridge.replace_flows(*saved)
        assert (await events.next(SwitchUp)).kept
        assert (await others.next(SwitchUp)).kept
        assert bridge.cookies() == set(cookies_of("call"))


async def test_a_call_by_two_pbxs_in_a_row_passes_both_in_the_switch(bridge: Bridge) -> None:
    async with (
        plugged(bridge.sockets) as (phones, at_b, at_a),
        connected(bridge.management, instance=0) as (by_a, _),
        connected(bridge.management, instance=1) as (by_b, events),
    ):
        for leg_of_b in Leg:
            there = BY_B.attachment(leg_of_b)
            await by_b.flow_table.set_flows(
                owner_of(leg_of_b.name),
                learning_flows(leg_of_b.name, leg_of_b, remote=there.remote, local=there.local),
            )
        await by_a.flow_table.set_flows(owner_of("call"), forwarding_flows("call", split(BY_A), LIMITS))
        # While A's switch carries the call, B learns of it what A's Asterisk would have sent.
        spoken = sent_by(BY_A.caller)
        from_a = sent_to(BY_A.callee, spoken)
        phones.send(frame(spoken))
        assert await at_b.receive() == frame(from_a)
        shown = await events.next(PacketIn)
        assert (owner_in(shown.cookie), shown.in_port) == (owner_of("CALLER"), _A[0])
        assert frame(from_a).startswith(shown.frame)
        await by_b.flow_table.set_flows(owner_of("call"), forwarding_flows("call", split(BY_B), LIMITS))
        bridge.forget_datapath()
        phones.send(frame(spoken))
        assert await phones.receive() == frame(sent_to(BY_B.callee, from_a))
        answered = sent_by(BY_B.callee)
        phones.send(frame(answered))
        assert await phones.receive() == frame(sent_to(BY_A.caller, sent_to(BY_B.caller, answered)))
        # Without A it is B's call alone, and the other way round.
        await by_a.flow_table.set_flows(owner_of("call"), ())
        bridge.forget_datapath()
        phones.send(frame(spoken))
        assert await at_a.receive() == frame(spoken)
        at_a.send(frame(from_a))
        assert await phones.receive() == frame(sent_to(BY_B.callee, from_a))


async def test_each_is_shown_only_what_is_its_own(bridge: Bridge) -> None:
    call = owner_of("call")
    async with (
        plugged(bridge.sockets) as (phones, at_b, _),
        connected(bridge.management, instance=2) as (one, events),
        connected(bridge.management, instance=3) as (other, others),
    ):
        await one.flow_table.set_flows(call, forwarding_flows("call", BY_A, LIMITS))
        await other.flow_table.set_flows(call, learning_flows_of("call"))
        sampler, sampling = one.flow_table.sampler, asyncio.create_task(asyncio.sleep(0))
        roles: dict[int, set[Role | None]] = {2: set(), 3: set()}
        spoken = sent_by(BY_A.caller)
        async with asyncio.timeout(SECONDS):
            while not sampling.done() or not roles[2]:
                if sampling.done():  # it takes 0.2 s, in which a busy machine may forward nothing
                    sampler.request(sampling_flows("call", BY_A))
                    sampling = asyncio.create_task(sampler.show(one.flow_table.channel))
                phones.send(frame(spoken))
                assert await at_b.receive() == frame(sent_to(BY_A.callee, spoken))
                for instance, told in ((2, events.rest()), (3, others.rest())):
                    assert all(isinstance(event, PacketIn) for event in told)
                    roles[instance] |= {
                        role_of(event.cookie) for event in told if isinstance(event, PacketIn)
                    }
        assert roles == {2: {Role.SAMPLE_CALLER}, 3: {Role.LEARN_IN_CALLER}}
        await sampling


async def test_of_two_that_would_be_the_same_the_later_is_refused_and_touches_nothing(
    bridge: Bridge,
) -> None:
    async with connected(bridge.management, application=1) as (first, events):
        await first.flow_table.set_flows(owner_of("call"), flows_of("call"))
        before = bridge.saved_flows()
        async with (
            tapped(bridge.management) as (endpoint, sent),
            running(endpoint, application=2) as (second, others),
        ):
            assert (await others.next(SwitchDown)).reason == in_use(bridge)
            async with asyncio.timeout(SECONDS):
                while sent[Kind.MULTIPART_REQUEST] < 9:  # it has come back twice
                    await asyncio.to_thread(bridge.flows)
            assert sent[Kind.FLOW_MOD] == sent[Kind.PACKET_OUT] == 0
            assert [line for line in bridge.saved_flows() if "hard_timeout=6" not in line] == [
                line for line in before if "hard_timeout=6" not in line
            ]
            with pytest.raises(SwitchUnavailableError):
                await second.sweep()
            assert others.rest() == []
            assert events.rest() == []
            await first.sweep()
            await others.next(SwitchUp)
            assert bridge.cookies() == set()


async def test_one_that_has_died_is_followed_by_itself_at_once_and_by_another_when_its_lease_has_ended(
    bridge: Bridge,
) -> None:
    for application in (1, 1):
        async with running(bridge.management, application=application) as (switch, events):
            assert isinstance(await events.next(object), SwitchUp)
            assert bridge.cookies() == set()
            await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
    async with running(bridge.management, application=2) as (_, events):
        assert (await events.next(SwitchDown)).reason == in_use(bridge)
        async with asyncio.timeout(LEASE + SECONDS):
            await events.next(SwitchUp)
        assert bridge.cookies() == set()


async def test_one_whose_flows_the_same_application_has_swept_leaves_the_instance_to_it(
    bridge: Bridge,
) -> None:
    async with connected(bridge.management) as (first, events):
        await first.flow_table.set_flows(owner_of("of the first"), flows_of("of the first"))
        async with connected(bridge.management) as (second, others):
            await second.flow_table.set_flows(owner_of("of the second"), flows_of("of the second"))
            assert "deleted: by another program" in (await events.next(SwitchDown)).reason
            assert (await events.next(SwitchDown)).reason == in_use(bridge)
            assert bridge.cookies() == set(cookies_of("of the second"))
            assert others.rest() == []
        # The second dies, and its lease ends.
        async with asyncio.timeout(LEASE + SECONDS):
            await events.next(SwitchUp)
        assert bridge.cookies() == set()


async def test_whole_calls_of_eight_are_each_forwarded(bridge: Bridge) -> None:
    """The packets of each pass the gates of those above it, and then what the packet becomes passes all others."""
    calls = {
        number: MediaPath(
            caller=leg(_ROUTER, _A, f"198.18.0.1{number}:4000", f"198.18.0.1:{10000 + 4 * number}"),
            callee=leg(_B, _A, f"198.18.1.2{number}:5000", f"198.18.1.1:{10002 + 4 * number}"),
        )
        for number in range(8)
    }
    async with plugged(bridge.sockets) as (phones, at_b, at_a), asyncio.TaskGroup() as tasks:
        stop = asyncio.Event()
        there: asyncio.Queue[int] = asyncio.Queue()

        async def serve(number: int) -> None:
            async with connected(bridge.management, instance=number) as (switch, _):
                path = calls[number]
                await switch.flow_table.set_flows(
                    owner_of("call"),
                    (
                        *forwarding_flows("call", split(path), LIMITS),
                        *rtcp_flows("call", path),
                        *inbound_guards("call", path),
                        *outbound_guards("call", path),
                    ),
                )
                there.put_nowait(number)
                await stop.wait()

        for number in calls:
            tasks.create_task(serve(number))
        for _ in calls:
            await there.get()
        bridge.forget_datapath()
        for path in calls.values():
            spoken = sent_by(path.caller)
            phones.send(frame(spoken))
            assert await at_b.receive() == frame(sent_to(path.callee, spoken))
        other = sent_by(leg(_ROUTER, _A, "198.18.0.99:4000", "198.18.0.1:5060"))
        phones.send(frame(other))
        assert await at_a.receive() == frame(other)
        stop.set()
