"""What tells that Asterisk sends to a leg by another way than was learned: its own RTCP, and packets left to it."""

from dataclasses import replace
from typing import Any

import pytest

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.machine import interrupts_query, step
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.state import Placement, State
from stasis_offload.packets.frame import Tag
from tests.support.leg_reports import passed_on
from tests.support.packets import at
from tests.support.placements import GUARDED, IN, OFFLOADED, VERIFIED, after, small_packet

OTHER_WAYS: list[dict[str, Any]] = [
    {"in_port": at(9)},
    {"tag": Tag(7)},
    {"eth_dst": "02:00:00:00:00:99"},
    {"eth_src": "02:00:00:00:00:98"},
]
CHANGED = Reason(ReasonKind.ROUTE_CHANGED, Leg.CALLER)


def rtcp(leg: Leg, **changes: Any) -> ev.RtcpSent:
    """Make what Asterisk reports to a leg, one port above what it sends of the other's media."""
    headers = passed_on(leg.other, dscp=0, **changes).headers
    source, destination = (replace(at, port=at.port + 1) for at in (headers.source, headers.destination))
    return ev.RtcpSent(leg, replace(headers, source=source, destination=destination), b"")


@pytest.mark.parametrize("start", [VERIFIED, GUARDED])
@pytest.mark.parametrize("change", OTHER_WAYS, ids=str)
def test_rtcp_of_asterisks_own_by_another_way_has_the_call_learned_again(
    start: Placement, change: dict[str, Any]
) -> None:
    assert after(rtcp(Leg.CALLER), start=start).state is State.OFFLOADED
    event = rtcp(Leg.CALLER, **change)
    placement, commands = step(start, event, 2.0)
    assert (placement.state, placement.reason) == (State.RELAYED, CHANGED)
    assert commands == (cmd.RemoveFlows(placement.flows()), cmd.QueryLegs())
    assert interrupts_query(start, event)
    assert not interrupts_query(start, rtcp(Leg.CALLER))


def test_another_mark_or_priority_is_no_other_way() -> None:
    start = after(rtcp(Leg.CALLER, tag=None), start=GUARDED)
    assert after(ev.RtcpSent(Leg.CALLER, replace(rtcp(Leg.CALLER).headers, dscp=26), b""), start=start).path


def test_rtcp_that_always_goes_by_another_way_than_rtp_returns_a_call_once() -> None:
    other = rtcp(Leg.CALLER, in_port=at(9))
    again = after(other, *IN, start=GUARDED, now=2.0)
    assert again.state is State.OFFLOADED
    kept = after(other, other, start=again, now=7.0)
    assert kept.state is State.OFFLOADED
    assert after(rtcp(Leg.CALLER, in_port=at(10)), start=kept, now=8.0).reason == CHANGED


@pytest.mark.parametrize("start", [OFFLOADED, VERIFIED, GUARDED])
def test_a_digit_that_asterisk_passes_on_by_another_way_has_the_call_learned_again(start: Placement) -> None:
    left = after(small_packet(Leg.CALLEE, payload_type=101, sequence=5000), start=start)
    passed = passed_on(Leg.CALLEE, payload_type=96, sequence=5000, size=16, eth_dst="02:00:00:00:00:99")
    placement, commands = step(left, ev.GuardTriggered(ReasonKind.ASTERISK_MEDIA, Leg.CALLER, passed), 2.0)
    assert placement.reason == CHANGED
    assert commands == (cmd.RemoveFlows(placement.flows()), cmd.QueryLegs())


@pytest.mark.parametrize("start", [OFFLOADED, VERIFIED])
def test_a_packet_relayed_late_by_another_way_has_the_call_learned_again(start: Placement) -> None:
    late = passed_on(Leg.CALLEE, eth_dst="02:00:00:00:00:99")
    placement, _ = step(start, ev.GuardTriggered(ReasonKind.ASTERISK_MEDIA, Leg.CALLER, late), 0.5)
    assert placement.reason == CHANGED
