"""A real Open vSwitch whose flows others write and alter, above all the one that restarts and restores what it had saved."""

import pytest

from stasis_offload.errors import SwitchUnavailableError
from stasis_offload.media.flows import (
    FlowLimits,
    forwarding_flows,
    inbound_guards,
    learning_flows,
    outbound_guards,
    rtcp_flows,
    rtcp_watching_flows,
    verifying_flows,
    waiting_flow,
    withholding_flows,
)
from stasis_offload.media.path import Leg, MediaPath
from stasis_offload.media.roles import FORWARDING_ROLES, Role, call_cookie, owner_of
from stasis_offload.openflow.events import FlowRemoved, Removal, SwitchDown, SwitchUp
from stasis_offload.openflow.flow import Flow
from stasis_offload.openflow.flowmod import content
from stasis_offload.packets.frame import Tag
from tests.support.many_calls import flows_of
from tests.support.ovs_container import Bridge, Ovs
from tests.support.packets import PATH, SIX, split, with_tags
from tests.support.switch_events import connected

NORMAL = "priority=0 actions=NORMAL"


def cookies_of(*calls: str) -> set[int]:
    return {flow.cookie for number, call in enumerate(calls) for flow in flows_of(call, number)}


async def test_flows_that_are_restored_before_we_are_back_stay_where_they_are_right(
    ovs: Ovs, bridge: Bridge
) -> None:
    async with connected(bridge.management) as (switch, events):
        for number, call in enumerate(("stays", "ends")):
            await switch.flow_table.set_flows(owner_of(call), flows_of(call, number))
        saved = bridge.saved_flows()
        ovs.stop()
        await events.next(SwitchDown)
        with pytest.raises(SwitchUnavailableError):
            await switch.flow_table.remove_flows(owner_of("ends"), FORWARDING_ROLES)
        ovs.start()
        bridge.replace_flows(*saved)
        assert (await events.next(SwitchUp)).kept
        assert bridge.cookies() == cookies_of("stays")


async def test_flows_that_are_restored_once_we_are_back_do_not_stay(ovs: Ovs, bridge: Bridge) -> None:
    async with connected(bridge.management) as (switch, events):
        await switch.flow_table.set_flows(owner_of("ended"), flows_of("ended"))
        saved = bridge.saved_flows()
        ovs.stop()
        ovs.start()
        assert not (await events.next(SwitchUp)).kept
        now = flows_of("now", 1)
        await switch.flow_table.set_flows(owner_of("now"), now)
        bridge.replace_flows(*saved)
        assert cookies_of("ended") <= bridge.cookies()
        assert "deleted: by another program" in (await events.next(SwitchDown)).reason
        assert not (await events.next(SwitchUp)).kept
        assert bridge.flows() == [NORMAL]


async def test_flows_that_are_added_to_ours_are_removed_and_ours_that_are_altered_are_told(
    bridge: Bridge,
) -> None:
    caller, callee = flows_of("call")
    async with connected(bridge.management) as (switch, events):
        await switch.flow_table.set_flows(owner_of("call"), (caller, callee))
        await switch.flow_table.set_flows(owner_of("other"), flows_of("other", 1))
        earlier, twice = call_cookie("earlier") | Role.FORWARD_CALLER, callee.cookie
        for cookie in (earlier, twice):
            bridge.ofctl("add-flow", f"cookie={cookie:#x},table=77,priority=30,udp,tp_dst=4000,actions=drop")
        bridge.ofctl("mod-flows", f"cookie={caller.cookie:#x}/-1,table=77,actions=drop")
        told = [await events.next(FlowRemoved) for _ in range(2)]
        assert {(event.cookie, event.reason) for event in told} == {
            (flow.cookie, Removal.DELETE) for flow in (caller, callee)
        }
        other = {flow.cookie for flow in flows_of("other", 1)}
        assert bridge.cookies() == other
        await switch.flow_table.set_flows(owner_of("call"), (caller, callee))
        assert bridge.cookies() == other | {caller.cookie, callee.cookie}
        assert events.rest() == []


def kinds_of_flows(path: MediaPath) -> tuple[tuple[Flow, ...], ...]:
    """Return every kind of flow of a call that there is, for one path."""
    caller = path.caller
    limits = FlowLimits(idle_timeout=60, silent=frozenset({Leg.CALLEE}))
    return (
        forwarding_flows("call", path, limits),
        forwarding_flows("call", split(path), limits),
        rtcp_flows("call", path),
        rtcp_watching_flows("call", path),
        withholding_flows("call", {leg: path.attachment(leg).received for leg in Leg}),
        inbound_guards("call", path),
        outbound_guards("call", path),
        verifying_flows("call", path, frozenset(Leg)),
        learning_flows("call", Leg.CALLER, remote=caller.remote, local=caller.local),
        (waiting_flow("call", Leg.CALLER, source=caller.remote, local=caller.local),),
    )


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(PATH, id="ipv4"),
        pytest.param(SIX, id="ipv6"),
        pytest.param(with_tags(PATH, Tag(7, 5), Tag(8, 0)), id="tagged"),
        pytest.param(with_tags(PATH, Tag(7, 5), None), id="tagged-untagged"),
    ],
)
async def test_no_flow_as_we_have_set_it_is_taken_for_altered(bridge: Bridge, path: MediaPath) -> None:
    async with connected(bridge.management) as (switch, _):
        table = switch.flow_table
        for flows in kinds_of_flows(path):
            assert flows
            await table.set_flows(owner_of("call"), flows)
            found = await table.read(table.channel)
            for flow in flows:
                assert [each.hex() for each in found[flow.cookie]] == [content(flow).hex()]
