"""A real Open vSwitch and our connection to it: however it ends, it is told, and begins anew without our flows."""

import asyncio
import socket

import pytest

from stasis_offload.errors import SwitchUnavailableError
from stasis_offload.media.roles import FORWARDING_ROLES, Role, owner_of
from stasis_offload.openflow.channel import Timeouts
from stasis_offload.openflow.endpoint import LOOPBACK, Ptcp, Tcp
from stasis_offload.openflow.events import SwitchDown, SwitchUp
from stasis_offload.openflow.gate import LEASE
from tests.support.many_calls import flows_of, learning_flows_of
from tests.support.ovs_container import Bridge, Ovs
from tests.support.switch_events import SECONDS, Kind, connected, running, tapped

NORMAL = "priority=0 actions=NORMAL"


async def test_a_restart_of_the_switch_is_told_and_it_begins_anew(ovs: Ovs, bridge: Bridge) -> None:
    async with connected(bridge.management) as (switch, events):
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        ovs.stop()
        assert (await events.next(SwitchDown)).reason in (
            "the switch closed the connection",
            "the flows that lead to ours were deleted: by another program, or the switch ends",
        )
        with pytest.raises(SwitchUnavailableError, match="no connection to the switch: "):
            await switch.flow_table.set_flows(owner_of("call"), ())
        assert (await events.next(SwitchDown)).reason.startswith(f"cannot connect to {bridge.management}: ")
        ovs.start()
        assert not (await events.next(SwitchUp)).kept
        assert bridge.flows() == [NORMAL]
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        assert bridge.cookies() == {flow.cookie for flow in flows_of("call")}


async def test_what_a_switch_that_hangs_answers_late_is_done_and_nothing_else_happens(
    ovs: Ovs, bridge: Bridge
) -> None:
    async with connected(bridge.management) as (switch, events):
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        with ovs.frozen():
            change = asyncio.create_task(switch.flow_table.set_flows(owner_of("other"), flows_of("other", 1)))
            counted = asyncio.create_task(switch.flow_table.counts(owner_of("call"), FORWARDING_ROLES))
            with pytest.raises(SwitchUnavailableError, match="no counters from the switch within 2 s"):
                await switch.flow_table.all_counts(FORWARDING_ROLES)
            assert not change.done()
            assert not counted.done()
        await change
        assert set(await counted) == set(FORWARDING_ROLES)
        assert bridge.cookies() == {flow.cookie for flow in (*flows_of("call"), *flows_of("other", 1))}
        assert events.rest() == []


async def test_of_a_switch_that_was_silent_for_long_what_is_right_stays_and_the_rest_is_made_up_for(
    ovs: Ovs, bridge: Bridge
) -> None:
    timeouts = Timeouts(connect=0.5, silence=0.5)
    async with connected(bridge.management, timeouts=timeouts) as (switch, events):
        table = switch.flow_table
        for number, call in enumerate(("stays", "ends", "changes")):
            await table.set_flows(owner_of(call), flows_of(call, number))
        with ovs.frozen():
            down = await events.next(SwitchDown)
            assert down.reason == "nothing received from the switch for 1 s"
            assert 0 < down.grace <= LEASE
            with pytest.raises(SwitchUnavailableError):
                await table.remove_flows(owner_of("ends"), FORWARDING_ROLES)
            with pytest.raises(SwitchUnavailableError):
                await table.set_flows(owner_of("changes"), learning_flows_of("changes"))
            assert (await events.next(SwitchDown)).reason == "no OpenFlow hello from the switch within 0.5 s"
        assert (await events.next(SwitchUp)).kept
        assert bridge.cookies() == {flow.cookie for flow in flows_of("stays")}
        with pytest.raises(StopIteration):  # of which it is known
            table.set_flows(owner_of("stays"), flows_of("stays")).send(None)
        await table.set_flows(owner_of("changes"), learning_flows_of("changes"))
        assert bridge.cookies() == {
            flow.cookie for flow in (*flows_of("stays"), *learning_flows_of("changes"))
        }
        assert events.rest() == []


async def test_a_change_without_an_answer_is_unknown_and_the_next_one_begins_with_the_removal(
    ovs: Ovs, bridge: Bridge
) -> None:
    timeouts = Timeouts(answer=1.0)
    async with (
        tapped(bridge.management) as (endpoint, sent),
        connected(endpoint, timeouts=timeouts) as (switch, events),
    ):
        compared = sent[Kind.MULTIPART_REQUEST]
        async with asyncio.timeout(SECONDS):
            # With the comparison all is sent that would get no answer either, for RENEW_EVERY.
            while sent[Kind.MULTIPART_REQUEST] == compared:  # noqa: ASYNC110 - a count has no event
                await asyncio.sleep(0.001)
        await switch.probe()
        with (
            ovs.frozen(),
            pytest.raises(SwitchUnavailableError, match="no answer from the switch within 1 s"),
        ):
            await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        assert events.rest() == []
        await switch.flow_table.set_flows(owner_of("call"), learning_flows_of("call"))
        assert bridge.cookies() == {flow.cookie for flow in learning_flows_of("call")}


async def test_requests_under_way_when_the_connection_ends_are_told_so(ovs: Ovs, bridge: Bridge) -> None:
    timeouts = Timeouts(connect=1.0, answer=30.0, silence=0.5)
    async with connected(bridge.management, timeouts=timeouts) as (switch, _):
        with ovs.frozen(), pytest.raises(SwitchUnavailableError, match="ended before its answer came"):
            await switch.probe()


async def test_a_gate_that_an_operator_deletes_is_opened_again(bridge: Bridge) -> None:
    async with connected(bridge.management) as (_, events):
        bridge.ofctl("del-flows", "udp")
        await events.next(SwitchDown)
        await events.next(SwitchUp)


async def test_a_bridge_without_openflow_1_3_is_named_with_what_it_offers(ovs: Ovs, bridge: Bridge) -> None:
    ovs.vsctl("set", "bridge", bridge.name, "protocols=OpenFlow10,OpenFlow15")
    async with running(bridge.management) as (switch, events):
        down = await events.next(SwitchDown)
        assert down.reason.startswith("the switch offers OpenFlow 1.0, 1.5, but not 1.3")
        ovs.vsctl("set", "bridge", bridge.name, "protocols=OpenFlow13")
        await events.next(SwitchUp)
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))


async def test_a_switch_may_dial_us(ovs: Ovs, bridge: Bridge) -> None:
    endpoint = Ptcp(free_port())
    ovs.vsctl(
        *("set-fail-mode", bridge.name, "secure"),
        *("--", "set-controller", bridge.name, f"tcp:{LOOPBACK}:{endpoint.port}"),
        *("--", "set", "controller", bridge.name, "max_backoff=1000"),
    )
    for _ in range(2):
        async with connected(endpoint) as (switch, _):
            await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
            assert bridge.cookies() == {flow.cookie for flow in flows_of("call")}
            assert set(await switch.flow_table.counts(owner_of("call"), FORWARDING_ROLES)) == {
                Role.FORWARD_CALLER,
                Role.FORWARD_CALLEE,
            }


async def test_a_switch_that_does_not_dial_is_waited_for_and_missed() -> None:
    endpoint = Ptcp(free_port())
    timeouts = Timeouts(connect=0.2)
    async with running(endpoint, timeouts=timeouts) as (_, events):
        assert (await events.next(SwitchDown)).reason == f"no switch has connected to {endpoint} within 0.2 s"


async def test_a_port_that_somebody_else_listens_on_is_named() -> None:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen()
        endpoint = Ptcp(listener.getsockname()[1])
        async with running(endpoint) as (_, events):
            assert (
                await events.next(SwitchDown)
            ).reason == f"cannot listen on {endpoint}: Address already in use"


async def test_a_switch_may_listen_on_tcp(ovs: Ovs, bridge: Bridge) -> None:
    endpoint = Tcp(LOOPBACK, free_port())
    async with running(endpoint) as (switch, events):
        assert (await events.next(SwitchDown)).reason == f"cannot connect to {endpoint}: Connection refused"
        ovs.vsctl("set-controller", bridge.name, f"ptcp:{endpoint.port}:{LOOPBACK}")
        await events.next(SwitchUp)
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        assert bridge.cookies() == {flow.cookie for flow in flows_of("call")}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])
