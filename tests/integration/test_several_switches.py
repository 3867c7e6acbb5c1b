"""The flows of one call in two switches, each a real Open vSwitch of its own: one that hangs holds up no call of the other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from stasis_offload.calls.call_flows import CallFlows
from stasis_offload.calls.media_session import MediaSession
from stasis_offload.media.flows import MOST_FLOWS, FlowLimits, forwarding_flows, learning_flows
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.roles import Role
from stasis_offload.media.state import Placement
from stasis_offload.openflow.endpoint import Unix
from stasis_offload.openflow.flow import COOKIE_ROLE_MASK, TABLE, Flow
from stasis_offload.openflow.room import GATE_FLOWS
from stasis_offload.openflow.switch import Switch
from tests.integration.test_media_session import session
from tests.integration.test_openflow_room import limited
from tests.support.ovs_container import Bridge
from tests.support.packets import PATH
from tests.support.switch_events import SECONDS, connected

FIRST, SECOND = 0, 1
LEARNING = tuple(
    flow
    for leg in Leg
    for flow in learning_flows(
        "call", leg, remote=PATH.attachment(leg).remote, local=PATH.attachment(leg).local
    )
)
FORWARDING = forwarding_flows("call", PATH, FlowLimits(idle_timeout=10))


@asynccontextmanager
async def flows_in(bridge: Bridge, other: Bridge) -> AsyncIterator[CallFlows]:
    """Have the flows of a call in two switches that are connected."""
    async with connected(bridge.management) as (one, _), connected(other.management) as (two, _):
        yield CallFlows("call", (one, two))


def roles(bridge: Bridge) -> set[Role]:
    return {Role(cookie & COOKIE_ROLE_MASK) for cookie in bridge.cookies()}


def of(flows: tuple[Flow, ...]) -> set[Role]:
    return {Role(flow.cookie & COOKIE_ROLE_MASK) for flow in flows}


async def until_it_has(bridge: Bridge, flows: tuple[Flow, ...]) -> None:
    """Wait until a switch that is not waited for has these flows of the call and no others."""
    async with asyncio.timeout(SECONDS):
        while roles(bridge) != of(flows):  # noqa: ASYNC110 - the switch is what is looked at
            await asyncio.sleep(0.01)


async def until_it_is(media: MediaSession, wanted: Callable[[Placement], bool]) -> None:
    """Wait until the call is placed so."""
    async with asyncio.timeout(SECONDS):
        while not wanted(media.placement):  # noqa: ASYNC110 - a placement has no event
            await asyncio.sleep(0.01)


async def test_a_call_is_learned_in_both_and_carried_in_its_own_alone(bridge: Bridge, other: Bridge) -> None:
    async with flows_in(bridge, other) as flows:
        await flows.set(SECOND, LEARNING, elsewhere=LEARNING)
        await until_it_has(bridge, LEARNING)
        assert roles(other) == of(LEARNING)
        await flows.set(SECOND, FORWARDING)
        assert roles(other) == of(FORWARDING)
        await until_it_has(bridge, ())
        assert (await flows.remove(SECOND, but=())).keys() == {Role.FORWARD_CALLER, Role.FORWARD_CALLEE}
        assert (roles(bridge), roles(other)) == (set(), set())


async def test_a_switch_that_hangs_holds_up_no_call_of_another(bridge: Bridge, other: Bridge) -> None:
    async with flows_in(bridge, other) as flows:
        await flows.set(FIRST, LEARNING, elsewhere=LEARNING)
        await until_it_has(other, LEARNING)
        with other.ovs.frozen():
            async with asyncio.timeout(SECONDS / 10):
                await flows.set(FIRST, FORWARDING)
                await flows.counts(FIRST)
                await flows.settled()
            assert roles(bridge) == of(FORWARDING)
        await until_it_has(other, ())


async def test_what_a_switch_was_late_with_is_not_done_after_what_is_wanted_last(
    bridge: Bridge, other: Bridge
) -> None:
    async with flows_in(bridge, other) as flows:
        with other.ovs.frozen():
            await flows.set(FIRST, LEARNING, elsewhere=LEARNING)
            await asyncio.sleep(0)
            carried = asyncio.create_task(flows.set(SECOND, FORWARDING))
            await asyncio.sleep(0)
            assert not carried.done()
        await carried
        assert roles(other) == of(FORWARDING)
        await until_it_has(bridge, ())


async def test_a_call_leaves_nothing_with_a_switch_that_was_never_there(bridge: Bridge) -> None:
    absent = Switch(Unix("/nonexistent"), lambda _: None)
    async with connected(bridge.management) as (switch, _):
        flows = CallFlows("call", (switch, absent))
        await flows.set(FIRST, LEARNING, elsewhere=LEARNING)
        await flows.settled()
        assert (roles(bridge), absent.flow_table.sizes.total()) == (of(LEARNING), 0)
        await flows.clear(FIRST)
        assert roles(bridge) == set()


async def test_a_full_switch_keeps_no_call_out_of_another_that_has_room(
    bridge: Bridge, other: Bridge, tmp_path: Path
) -> None:
    limit = GATE_FLOWS[TABLE] + MOST_FLOWS[TABLE] - 1
    with limited(bridge, TABLE, limit), limited(other, TABLE, limit):
        async with (
            connected(other.management) as (second, _),
            session(bridge, tmp_path, others=(second,)) as (media, _, _),
        ):
            await until_it_is(media, lambda at: at.reason == Reason(ReasonKind.TABLE_FULL))
            second.flow_table.room.set_limits({})  # as if somebody had let that one's tables take more
            await until_it_is(media, lambda at: at.is_learned)
            assert media.placement.switch == SECOND
            await until_it_has(other, LEARNING)


async def test_what_a_call_has_in_a_switch_that_went_away_goes_once_it_is_back(
    bridge: Bridge, other: Bridge
) -> None:
    async with flows_in(bridge, other) as flows:
        await flows.set(FIRST, LEARNING, elsewhere=LEARNING)
        await until_it_has(other, LEARNING)
        with other.ovs.frozen():
            away = flows._switches[SECOND].flow_table  # noqa: SLF001
            away.channel.close("a test")  # as when the network fails
            await flows.set(FIRST, ())
            await flows.settled()
            assert away.sizes.total() == 0  # as the metrics are to say, whatever it still has
        await until_it_has(other, ())
