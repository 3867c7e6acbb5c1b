"""A flow that ended for want of packets: what is seen before the switch has reported it, and before it is added again."""

from dataclasses import replace
from typing import Any

import pytest

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.machine import interrupts_query, step
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.roles import Role
from stasis_offload.media.state import Placement, State
from stasis_offload.openflow.flow import FlowCount
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Tag
from tests.support.leg_reports import CALLEE, CALLER, passed_on
from tests.support.packets import at
from tests.support.placements import (
    BOTH_COUNT,
    CUT,
    CUTTING_OVER,
    GUARDED,
    OFFLOADED,
    VERIFIED,
    after,
    relayed,
    rtcp_of,
    sampled_packet,
    seen,
    to_port_of,
)

ALIVE = after(rtcp_of(Leg.CALLEE), start=GUARDED, now=10.0)
WITHOUT_CALLEE = ev.CountersRead({Role.FORWARD_CALLER: FlowCount(9, 1926)})
IDLE = ev.FlowIdle(Leg.CALLEE, FlowCount(100, 20_000))
LOST = Reason(ReasonKind.FLOW_LOST, Leg.CALLEE)


def to_leg_port(*, rtp: bool = True, **changes: Any) -> ev.GuardTriggered:
    return to_port_of(Leg.CALLEE, rtp=rtp, **changes)


@pytest.mark.parametrize("start", [OFFLOADED, VERIFIED, GUARDED, after(IDLE, start=ALIVE, now=12.0)])
def test_a_packet_of_the_legs_own_stream_that_finds_no_flow_is_no_strangers(start: Placement) -> None:
    for own in (to_leg_port(dscp=26, eth_dst="02:00:00:00:00:98"), to_leg_port(rtp=False)):
        placement, commands = step(start, own, 12.0)
        assert (replace(placement, left={}), commands) == (start, ())
        assert not interrupts_query(start, own)


@pytest.mark.parametrize("start", [VERIFIED, GUARDED])
def test_what_found_no_flow_is_passed_on_by_asterisk_and_is_no_media_of_its_own(start: Placement) -> None:
    own = to_leg_port(sequence=6000)
    passed = ev.GuardTriggered(ReasonKind.ASTERISK_MEDIA, Leg.CALLER, passed_on(Leg.CALLEE, sequence=6000))
    assert after(own, passed, start=start, now=12.0).state is State.OFFLOADED
    assert not interrupts_query(start, passed, queued=[own])
    assert after(passed, start=start, now=12.0).reason == Reason(ReasonKind.ASTERISK_MEDIA, Leg.CALLER)
    assert interrupts_query(start, passed)


@pytest.mark.parametrize("start", [OFFLOADED, VERIFIED, GUARDED])
@pytest.mark.parametrize(
    "changes",
    [
        {"source": Address.parse("198.18.50.2:30000")},
        {"in_port": at(9)},
        {"tag": Tag(7)},
        {"eth_src": "02:00:00:00:00:99"},
        {"eth_src": "02:00:00:00:00:99", "ssrc": 7},
    ],
    ids=["source", "port", "VLAN", "next hop", "next hop and stream"],
)
def test_the_legs_own_packets_by_any_other_way_take_the_flows_out(
    start: Placement, changes: dict[str, Any]
) -> None:
    event = to_leg_port(**changes)
    placement, commands = step(start, event, 2.0)
    assert placement.reason == Reason(ReasonKind.FOREIGN_SOURCE, Leg.CALLEE)
    assert commands == (cmd.RemoveFlows(placement.flows()),)
    assert interrupts_query(start, event)


def test_a_flow_that_is_not_counted_just_before_its_end_is_reported_is_not_lost_nor_is_its_count() -> None:
    audited = after(ev.DeadlineReached(), ev.CountersRead(BOTH_COUNT), start=ALIVE, now=10.0)
    missed, commands = step(after(ev.DeadlineReached(), start=audited, now=20.0), WITHOUT_CALLEE, 20.0)
    assert missed.state is State.OFFLOADED
    assert len(commands) == 1  # the keepalive of the leg that sends
    added = after(IDLE, start=missed, now=20.1)
    assert added.forwarded(Leg.CALLEE) == FlowCount(100, 20_000)
    counted = after(ev.DeadlineReached(), ev.CountersRead(BOTH_COUNT), start=added, now=22.0)
    assert counted.forwarded(Leg.CALLEE) == FlowCount(104, 20_856)
    # A later end is a new one.
    assert after(ev.DeadlineReached(), WITHOUT_CALLEE, start=counted, now=24.9).state is State.OFFLOADED


def test_a_flow_that_is_still_not_counted_a_second_later_is_lost() -> None:
    missed = after(ev.DeadlineReached(), WITHOUT_CALLEE, start=GUARDED, now=20.0)
    assert after(WITHOUT_CALLEE, start=missed, now=20.5).state is State.OFFLOADED
    assert missed.deadline == 21.0
    audited, commands = step(missed, ev.DeadlineReached(), 21.0)
    assert cmd.ReadCounters() in commands
    lost, commands = step(audited, WITHOUT_CALLEE, 21.0)
    assert (lost.reason, commands) == (LOST, (cmd.RemoveFlows(lost.flows()),))
    assert not lost.missing


@pytest.mark.parametrize("leg", Leg)
@pytest.mark.parametrize(("received_on", "lost"), [(0, False), (3, False), (50, True)])
def test_what_asterisk_received_of_a_leg_while_the_cutover_was_waited_for_was_not_lost_by_the_switch(
    leg: Leg, received_on: int, *, lost: bool
) -> None:
    """It falls silent at the cutover, 50 packets after the last report."""

    def report(packets: int) -> ev.LegsReported:
        more = {each: packets if each is leg else 0 for each in Leg}
        return ev.LegsReported(
            replace(CALLER, packets_rx=CALLER.packets_rx + more[Leg.CALLER]),
            replace(CALLEE, packets_rx=CALLEE.packets_rx + more[Leg.CALLEE]),
        )

    waiting = replace(CUTTING_OVER, cutting_over_since=-9.0)
    moved = after(seen(leg), relayed(Leg.CALLER), relayed(Leg.CALLEE), *CUT, start=waiting, now=1.0)
    asking = after(sampled_packet(leg.other), ev.DeadlineReached(), start=moved, now=2.0)
    doubtful = after(report(50), start=asking, now=2.0)
    assert doubtful.state is State.OFFLOADED
    placement = after(ev.DeadlineReached(), report(50 + received_on), start=doubtful, now=3.0)
    if lost:
        assert placement.reason == Reason(ReasonKind.FLOW_LOST, leg)
    else:
        assert placement.is_verified
