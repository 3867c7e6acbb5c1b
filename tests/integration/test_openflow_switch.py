"""A real Open vSwitch that holds our flows: all are there or none, and what we know of them is true."""

import asyncio
from dataclasses import replace
from itertools import count

import pytest

from stasis_offload.errors import OpenFlowError
from stasis_offload.media.flows import (
    forwarding_flows,
    inbound_guards,
    outbound_guards,
    rtcp_flows,
    verifying_flows,
    withholding_flows,
)
from stasis_offload.media.path import Leg
from stasis_offload.media.roles import FORWARDING_ROLES, Role, call_cookie, owner_of
from stasis_offload.openflow import flow_table
from stasis_offload.openflow.describe import describe_switch
from stasis_offload.openflow.events import FlowRemoved, Port, Removal, SwitchUp
from stasis_offload.openflow.flow import FlowCount, Forward
from stasis_offload.openflow.instance import Instance
from tests.support.many_calls import LIMITS, flows_of, learning_flows_of, path
from tests.support.ovs_container import PORTS, Bridge
from tests.support.packets import split
from tests.support.switch_events import SECONDS, connected, running

FOREIGN = "cookie=0x5, priority=40100,udp,in_port=1,nw_src=198.18.9.9,tp_dst=10000 actions=drop"
NORMAL = "priority=0 actions=NORMAL"


async def test_an_operator_sees_the_flows_as_they_were_meant(bridge: Bridge) -> None:
    caller, callee = flows_of("call")
    async with connected(bridge.management) as (switch, _):
        await switch.flow_table.set_flows(owner_of("call"), (caller,))
        seen, normal = bridge.flows()
        assert normal == NORMAL
        assert seen == (
            f"cookie={caller.cookie:#x}, table=77, idle_timeout=60, send_flow_rem"
            " priority=30,udp,in_port=1,vlan_tci=0x0000/0x1fff,dl_src=02:00:00:00:00:0a,nw_src=198.18.0.10,nw_dst=198.18.0.1,"
            "tp_src=4000,tp_dst=10000 actions=resubmit(,78),"
            "set_field:02:00:00:00:00:01->eth_src,set_field:02:00:00:00:00:0b->eth_dst,"
            "set_field:198.18.1.1->ip_src,set_field:198.18.1.20->ip_dst,"
            "set_field:20000->udp_src,set_field:5000->udp_dst,set_field:0->ip_dscp,dec_ttl,"
            "set_field:3->in_port,set_field:0x1->reg15,resubmit(,0)"
        )
        await switch.flow_table.set_flows(owner_of("call"), (caller, callee))
        assert bridge.cookies() == {caller.cookie, callee.cookie}


async def test_setting_the_same_flows_again_asks_nothing_of_the_switch(bridge: Bridge) -> None:
    async with connected(bridge.management) as (switch, _):
        for flows in ((), learning_flows_of("call"), flows_of("call"), ()):
            await switch.flow_table.set_flows(owner_of("call"), flows)
            with pytest.raises(StopIteration):
                switch.flow_table.set_flows(owner_of("call"), flows).send(None)


async def test_flows_of_many_calls_at_once_are_each_set_and_removed(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_table, "ALL_COUNTS_WITHIN", SECONDS)
    calls = [f"call-{number}" for number in range(300)]
    async with connected(bridge.management) as (switch, _):
        async with asyncio.TaskGroup() as tasks:
            for number, call in enumerate(calls):
                tasks.create_task(switch.flow_table.set_flows(owner_of(call), flows_of(call, number)))
        expected = {flow.cookie for number, call in enumerate(calls) for flow in flows_of(call, number)}
        assert await switch.flow_table.all_counts(FORWARDING_ROLES) == dict.fromkeys(
            expected, FlowCount(0, 0)
        )
        assert await switch.flow_table.counts(owner_of("call-7"), FORWARDING_ROLES) == {
            Role.FORWARD_CALLER: FlowCount(0, 0),
            Role.FORWARD_CALLEE: FlowCount(0, 0),
        }
        async with asyncio.TaskGroup() as tasks:
            for call in calls[1:]:
                tasks.create_task(switch.flow_table.set_flows(owner_of(call), ()))
        assert set(await switch.flow_table.all_counts(FORWARDING_ROLES)) == {
            flow.cookie for flow in flows_of("call-0")
        }
        assert await switch.flow_table.counts(owner_of("call-7"), FORWARDING_ROLES) == {}


async def test_changes_of_one_call_follow_each_other_in_the_order_in_which_they_were_asked_for(
    bridge: Bridge,
) -> None:
    async with connected(bridge.management) as (switch, _):
        for last in ((), flows_of("call", 1)):
            async with asyncio.TaskGroup() as tasks:
                for flows in (flows_of("call"), learning_flows_of("call"), (), flows_of("call"), last):
                    tasks.create_task(switch.flow_table.set_flows(owner_of("call"), flows))
            assert bridge.cookies() == {flow.cookie for flow in last}


async def test_flows_of_others_are_never_touched(bridge: Bridge) -> None:
    bridge.ofctl("add-flow", FOREIGN.replace(" actions", ",actions"))
    before = bridge.flows()
    async with connected(bridge.management) as (switch, _):
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        await switch.flow_table.set_flows(owner_of("call"), ())
    assert bridge.flows() == before
    assert len(before) == 2


async def test_the_flows_of_a_dead_predecessor_are_swept_and_only_those(bridge: Bridge) -> None:
    bridge.ofctl("add-flow", FOREIGN.replace(" actions", ",actions"))
    before = bridge.flows()
    async with connected(bridge.management) as (switch, _):
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        await switch.flow_table.set_flows(owner_of("other"), learning_flows_of("other"))
    assert len(bridge.flows()) == len(before) + 4
    async with connected(bridge.management) as (switch, _):
        assert bridge.flows() == before
        assert await switch.flow_table.all_counts(FORWARDING_ROLES) == {}


async def test_a_bundle_with_a_bad_flow_leaves_the_switch_as_it_was(bridge: Bridge) -> None:
    good, other = flows_of("call")
    assert isinstance(other.action, Forward)
    bad = replace(other, action=replace(other.action, dscp=64))
    async with connected(bridge.management) as (switch, _):
        with pytest.raises(OpenFlowError, match=r"OFPT_EXPERIMENTER\(4\): .*OFPBAC_BAD_SET_ARGUMENT"):
            await switch.flow_table.set_flows(owner_of("call"), (good, bad))
        assert bridge.flows() == [NORMAL]
        await switch.flow_table.set_flows(owner_of("call"), learning_flows_of("call"))
        held = bridge.flows()
        with pytest.raises(OpenFlowError, match="OFPBAC_BAD_SET_ARGUMENT"):
            await switch.flow_table.set_flows(owner_of("call"), (good, bad))
        assert bridge.flows() == held
        with pytest.raises(StopIteration):  # what is known stays true
            switch.flow_table.set_flows(owner_of("call"), learning_flows_of("call")).send(None)
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        assert bridge.cookies() == {good.cookie, other.cookie}


async def test_a_bundle_for_which_the_table_is_too_small_leaves_the_switch_as_it_was(bridge: Bridge) -> None:
    limit = ("--", "--id=@table", "create", "Flow_Table", "flow_limit=4", "overflow_policy=refuse")
    bridge.ovs.vsctl(*limit[1:], "--", "set", "bridge", bridge.name, "flow_tables:77=@table")
    async with connected(bridge.management) as (switch, _):
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        held = bridge.flows()
        with pytest.raises(OpenFlowError, match="OFPFMFC_TABLE_FULL"):
            await switch.flow_table.set_flows(owner_of("other"), flows_of("other", 1))
        assert bridge.flows() == held
        await switch.flow_table.set_flows(owner_of("call"), ())
        await switch.flow_table.set_flows(owner_of("other"), flows_of("other", 1))
        assert bridge.cookies() == {flow.cookie for flow in flows_of("other")}


async def test_a_change_that_is_cancelled_at_any_moment_does_not_confuse_the_next(bridge: Bridge) -> None:
    moments = (
        steps for steps in count(1) if steps < 64 or steps & steps - 1 == 0
    )  # on a busy machine there are thousands
    async with connected(bridge.management) as (switch, _):
        for steps in moments:
            change = asyncio.create_task(
                switch.flow_table.set_flows(owner_of("call"), flows_of("call", steps))
            )
            for _ in range(steps):
                await asyncio.sleep(0)
            if change.done():
                break
            change.cancel()
            await asyncio.gather(change, return_exceptions=True)
            if steps % 2:
                await switch.flow_table.set_flows(owner_of("call"), learning_flows_of("call"))
                assert bridge.cookies() == {flow.cookie for flow in learning_flows_of("call")}
            else:
                await switch.flow_table.set_flows(owner_of("call"), ())
                assert bridge.cookies() == set()


async def test_flows_that_somebody_else_deleted_are_told_and_set_again(bridge: Bridge) -> None:
    async with connected(bridge.management) as (switch, events):
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        bridge.ofctl("del-flows", f"cookie={call_cookie('call'):#x}/0xffffffffffffff00")
        removed = [await events.next(FlowRemoved) for _ in range(2)]
        assert {event.cookie for event in removed} == {flow.cookie for flow in flows_of("call")}
        assert {event.reason for event in removed} == {Removal.DELETE}
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        assert bridge.cookies() == {flow.cookie for flow in flows_of("call")}


async def test_flows_that_we_replaced_ourselves_are_no_news_and_stay_known(bridge: Bridge) -> None:
    async with connected(bridge.management) as (switch, events):
        for number in range(20):
            await switch.flow_table.set_flows(owner_of("call"), flows_of("call", number))
            await switch.flow_table.set_flows(owner_of("call"), learning_flows_of("call"))
            await switch.flow_table.set_flows(owner_of("call"), ())
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        bridge.ofctl("del-flows", f"cookie={flows_of('call')[0].cookie:#x}/-1")
        told = await events.next(FlowRemoved)
        assert (told.cookie, told.reason) == (flows_of("call")[0].cookie, Removal.DELETE)
        assert events.rest() == []
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        assert bridge.cookies() == {flow.cookie for flow in flows_of("call")}


async def test_a_call_that_comes_and_goes_leaves_nothing_and_no_end_of_its_flows_is_news(
    bridge: Bridge,
) -> None:
    """All the flows there are, in the order in which a call has them."""
    legs = split(path(0))
    forward = forwarding_flows("call", legs, LIMITS)
    guarded = (
        *forward,
        *rtcp_flows("call", legs),
        *inbound_guards("call", legs),
        *outbound_guards("call", legs),
    )
    stay = (
        learning_flows_of("call"),
        (*forward, *verifying_flows("call", legs, frozenset(Leg))),
        guarded,
        (),
    )
    async with connected(bridge.management) as (switch, events):
        for _ in range(20):
            for flows in stay:
                await switch.flow_table.set_flows(owner_of("call"), flows)
        await switch.flow_table.set_flows(owner_of("call"), guarded)
        assert bridge.cookies() == {flow.cookie for flow in guarded}
        for role in (Role.SMALL_CALLER, Role.LARGE_CALLEE, Role.GUARD_IN_CALLER):
            bridge.ofctl("del-flows", f"cookie={call_cookie('call') | role:#x}/-1")
            told = await events.next(FlowRemoved)
            assert (told.cookie, told.reason) == (call_cookie("call") | role, Removal.DELETE)
        assert events.rest() == []
        await switch.flow_table.set_flows(owner_of("call"), guarded)
        assert bridge.cookies() == {flow.cookie for flow in guarded}


async def test_a_call_may_be_left_a_flow_that_ends_by_itself(bridge: Bridge) -> None:
    legs = path(0)
    carried = (*forwarding_flows("call", legs, LIMITS), *rtcp_flows("call", legs))
    withheld = withholding_flows("call", {Leg.CALLER: legs.caller.received})
    left = tuple(replace(flow, hard_timeout=3) for flow in withheld)  # after they were looked at
    async with connected(bridge.management) as (switch, events):
        await switch.flow_table.set_flows(owner_of("call"), carried)
        counts = await switch.flow_table.remove_flows(owner_of("call"), FORWARDING_ROLES, but=left)
        assert set(counts) == set(FORWARDING_ROLES)
        assert bridge.cookies() == {flow.cookie for flow in left}
        ended = await events.next(FlowRemoved)
        assert (ended.cookie, ended.reason) == (left[0].cookie, Removal.HARD)
        assert bridge.cookies() == set()
        await switch.flow_table.set_flows(owner_of("call"), carried)
        assert bridge.cookies() == {flow.cookie for flow in carried}
        assert events.rest() == []


async def test_flows_that_a_restarting_switch_restores_after_the_sweep_are_removed(bridge: Bridge) -> None:
    async with connected(bridge.management) as (switch, _):
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        ours = {flow.cookie for flow in flows_of("call")}
        restored = call_cookie("earlier") | Role.FORWARD_CALLER
        bridge.ofctl("add-flow", f"cookie={restored:#x},table=77,priority=30,udp,tp_dst=4000,actions=drop")
        assert bridge.cookies() == ours | {restored}
        async with asyncio.timeout(SECONDS):
            while await asyncio.to_thread(bridge.cookies) != ours:
                pass


async def test_flows_with_the_cookie_of_another_call_are_a_defect(bridge: Bridge) -> None:
    async with connected(bridge.management) as (switch, _):
        with pytest.raises(ValueError, match="another owner"):
            await switch.flow_table.set_flows(owner_of("call"), flows_of("other"))


async def test_the_switch_says_who_it_is(bridge: Bridge) -> None:
    async with running(bridge.management) as (switch, events):
        description = (await events.next(SwitchUp)).description
        assert (await switch.describe())[0] == description
    assert (description.version, description.hardware) == ("1.3", "Open vSwitch")
    assert description.manufacturer == "Nicira, Inc."
    assert description.software[0].isdigit()
    assert description.lacks == ()
    assert description.most == dict.fromkeys((0, 76, 77, 78, 79), 1_000_000)
    assert f"{description.datapath_id:016x}" == bridge.ovs.vsctl(
        "get", "bridge", bridge.name, "datapath_id"
    ).strip().strip('"')
    assert set(description.ports) == {
        Port(0xFFFF_FFFE, bridge.name),
        *(Port(port, f"{bridge.name}p{port}") for port in PORTS),
    }


async def test_asking_a_switch_who_it_is_leaves_our_flows_where_they_are(bridge: Bridge) -> None:
    async with connected(bridge.management) as (switch, events):
        await switch.flow_table.set_flows(owner_of("call"), flows_of("call"))
        description, _ = await describe_switch(bridge.management, Instance())
        assert description == (await switch.describe())[0]
        assert bridge.cookies() == {flow.cookie for flow in flows_of("call")}
        assert events.rest() == []
