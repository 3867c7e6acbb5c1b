"""Tables of a real Open vSwitch that take few flows: how many calls fit, what is refused, what `check` says of it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from stasis_offload.errors import TableFullError
from stasis_offload.media import events as ev
from stasis_offload.media.flows import (
    MOST_FLOWS,
    forwarding_flows,
    inbound_guards,
    outbound_guards,
    rtcp_flows,
)
from stasis_offload.media.path import MediaPath
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.roles import FORWARDING_ROLES, owner_of, role_of
from stasis_offload.media.state import Placement, State
from stasis_offload.openflow.events import FlowRemoved, Removal, SwitchDown, SwitchUp
from stasis_offload.openflow.flow import LEASE_TABLE, Flow
from stasis_offload.openflow.gate import LEASE
from stasis_offload.openflow.room import GATE_FLOWS, Room
from tests.integration.test_check_switch import checked
from tests.integration.test_media_session import offload, session
from tests.support.many_calls import LIMITS, path
from tests.support.ovs_container import Bridge, wait_until
from tests.support.packets import split
from tests.support.switch_events import SECONDS, connected, running

CALLS = 3


def whole(number: int) -> tuple[Flow, ...]:
    """Return all flows of a call that is in the switch, each leg's in two sizes."""
    return _whole(f"call {number}", split(path(number)))


def _whole(call: str, path: MediaPath) -> tuple[Flow, ...]:
    guards = inbound_guards(call, path) + outbound_guards(call, path)
    return forwarding_flows(call, path, LIMITS) + guards + rtcp_flows(call, path)


@contextmanager
def limited(bridge: Bridge, table: int, flows: int, *, policy: str = "refuse") -> Iterator[None]:
    """Let a table take so many flows until the block ends."""
    limit = ("flow_limit=" + str(flows), f"overflow_policy={policy}")
    bridge.ovs.vsctl(
        "--id=@t",
        "create",
        "Flow_Table",
        *limit,
        "--",
        "set",
        "Bridge",
        bridge.name,
        f"flow_tables:{table}=@t",
    )
    try:
        yield
    finally:
        bridge.ovs.vsctl("remove", "Bridge", bridge.name, "flow_tables", str(table))


def for_calls(table: int) -> int:
    """Return how many flows a table needs to take for CALLS calls, and not for one more."""
    return GATE_FLOWS[table] + MOST_FLOWS[table] * (CALLS + 1) - 1


async def learned(room: Room) -> None:
    """Wait until it is known how many flows table 77 takes."""
    async with asyncio.timeout(SECONDS):
        while room.limits[77] != for_calls(77) - GATE_FLOWS[77]:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("table", MOST_FLOWS)
async def test_it_is_known_how_many_calls_fit_and_so_many_do(bridge: Bridge, table: int) -> None:
    with limited(bridge, table, for_calls(table)):
        async with connected(bridge.management) as (switch, _):
            flow_table = switch.flow_table
            flow_table.room.needs = MOST_FLOWS
            assert flow_table.room.capacity == CALLS
            for number in range(CALLS):
                assert flow_table.room.has_room(owner_of(f"call {number}"))
                await flow_table.set_flows(owner_of(f"call {number}"), whole(number))
            assert not flow_table.room.has_room(owner_of("one more"))
            assert flow_table.room.has_room(owner_of("call 0"))
            await flow_table.set_flows(owner_of("call 0"), ())
            assert flow_table.room.has_room(owner_of("one more"))


async def test_a_change_that_does_not_fit_changes_nothing_and_the_limit_is_learned(bridge: Bridge) -> None:
    async with connected(bridge.management) as (switch, events):
        flow_table = switch.flow_table
        flow_table.room.needs = MOST_FLOWS
        assert (flow_table.room.capacity or 0) > 1000
        for number in range(CALLS):
            await flow_table.set_flows(owner_of(f"call {number}"), whole(number))
        with limited(bridge, 77, for_calls(77)):
            before = bridge.flows()
            with pytest.raises(TableFullError):
                await flow_table.set_flows(owner_of("call 3"), whole(3))
            flow_table.room.note_refused(owner_of("call 3"))
            assert flow_table.room.capacity == CALLS
            # What is in can change: its flows are replaced in one bundle.
            await flow_table.set_flows(owner_of("call 0"), _whole("call 0", split(path(7))))
            await flow_table.set_flows(owner_of("call 0"), whole(0))
            assert bridge.flows() == before
            await learned(flow_table.room)
            assert events.rest() == []


async def test_flows_that_a_full_table_evicts_are_missed_and_the_limit_is_learned(bridge: Bridge) -> None:
    async with connected(bridge.management) as (switch, events):
        flow_table = switch.flow_table
        flow_table.room.needs = MOST_FLOWS
        for number in range(CALLS):
            await flow_table.set_flows(owner_of(f"call {number}"), whole(number))
        with limited(bridge, 77, for_calls(77), policy="evict"):
            await flow_table.set_flows(owner_of("call 3"), whole(3))
            missing = (await events.next(FlowRemoved)).reason  # Open vSwitch does not report it
            assert missing is Removal.DELETE
            await learned(flow_table.room)
            assert flow_table.room.capacity == CALLS


@pytest.mark.parametrize(("table", "flows"), [(0, 2), (76, 1), (77, 1), (79, 0)])
async def test_where_not_even_the_gate_fits_the_switch_is_not_used(
    bridge: Bridge, table: int, flows: int
) -> None:
    with limited(bridge, table, flows):
        async with running(bridge.management) as (_, events):
            reason = (await events.next(SwitchDown)).reason
            assert (
                reason
                == f"table {table} of the switch has no room for the flows that lead to ours: it takes {flows}"
            )
        item = (await checked(bridge))["room"]
    others = ", of which others have 1" if table == 0 else ""
    text = f"not for the flows that lead to ours: table {table} takes {flows} flows{others}"
    assert (item.ok, item.text) == (False, text)


@pytest.mark.parametrize(
    ("flows", "ok", "text"),
    [
        (11, False, "for no call: table 77 takes 11 flows, and a call needs 10"),
        (
            2000,
            True,
            (
                "for 199 calls: table 77 takes 2,000 flows, and a call needs up to 10; the others stay with Asterisk, if the"
                " table's overflow_policy is refuse: evict would take flows from calls that are in"
            ),
        ),
    ],
)
async def test_for_how_many_calls_there_is_room_is_said(
    bridge: Bridge,
    flows: int,
    ok: bool,  # noqa: FBT001
    text: str,
) -> None:
    with limited(bridge, 77, flows):
        item = (await checked(bridge))["room"]
    assert (item.ok, item.text, item.command) == (ok, text, "ovs-vsctl list Flow_Table")


async def test_a_bridge_as_it_was_made_has_room_for_more_calls_than_come(bridge: Bridge) -> None:
    item = (await checked(bridge))["room"]
    text = "for 99,999 calls: table 77 takes 1,000,000 flows, and a call needs up to 10"
    assert (item.mark, item.text) == ("ok", text)


async def test_a_call_that_does_not_fit_is_not_begun_with(bridge: Bridge, tmp_path: Path) -> None:
    full = asyncio.Event()
    with limited(bridge, 77, GATE_FLOWS[77] + MOST_FLOWS[77] - 1):
        async with session(bridge, tmp_path, on_change=partial(note, full)) as (media, _, _):
            async with asyncio.timeout(SECONDS):
                await full.wait()
                await media.post(ev.BridgeChanged()).wait()
            assert media.placement.reason == Reason(ReasonKind.TABLE_FULL)
            assert bridge.cookies() == set()


async def test_a_call_whose_last_flows_are_refused_returns_and_waits(bridge: Bridge, tmp_path: Path) -> None:
    full = asyncio.Event()
    async with session(bridge, tmp_path, on_change=partial(note, full)) as (media, _, _):
        with limited(
            bridge, 77, GATE_FLOWS[77] + 5
        ):  # enough to learn and to forward, not for all that guards it
            bringing = asyncio.create_task(offload(media))
            async with asyncio.timeout(SECONDS):
                await full.wait()
                bringing.cancel()
                await media.post(ev.BridgeChanged()).wait()
            assert media.placement.state is State.RELAYED
            assert not {role_of(cookie) for cookie in bridge.cookies()} & set(FORWARDING_ROLES)


async def test_a_gate_whose_lease_has_ended_takes_no_room_and_makes_none(bridge: Bridge) -> None:
    with limited(bridge, 77, for_calls(77)):
        async with connected(bridge.management) as (switch, events):
            before = dict(switch.flow_table.room.limits)
            # Not awaited: nothing of ours renews it meanwhile.
            wait_until(lambda: f"hard_timeout={LEASE}," not in leases(bridge), what="the lease to end")
            await events.next(SwitchUp)
            assert (switch.flow_table.room.limits, before[77]) == (before, for_calls(77) - GATE_FLOWS[77])


def leases(bridge: Bridge) -> str:
    return bridge.ofctl("dump-flows", f"table={LEASE_TABLE}")


def note(full: asyncio.Event, placement: Placement) -> None:
    """Tell that a call waits for room."""
    if placement.reason == Reason(ReasonKind.TABLE_FULL):
        full.set()
