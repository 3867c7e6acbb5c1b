"""What somebody else sends to the RTP port of a leg: it is counted, and returns a call only if Asterisk would follow it."""

from dataclasses import replace
from typing import Any

import pytest

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.machine import interrupts_query, step
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.state import Phase, Placement, State
from stasis_offload.media.strangers import STRICT_RTP_LEARNS
from stasis_offload.packets.address import Address
from tests.support.leg_reports import CALLEE, CALLER, sighting
from tests.support.packets import at
from tests.support.placements import (
    ELIGIBLE,
    GUARDED,
    IN,
    IN_PHASE,
    LEARNING,
    TUNING,
    after,
    moved_to,
    seen,
    to_port_of,
)

ELSEWHERE = Address.parse("198.18.50.9:30000")
IN_SWITCH = [placement for placement in IN_PHASE.values() if placement.state is State.OFFLOADED]
LEARNED = STRICT_RTP_LEARNS + 1.0
FOREIGN = Reason(ReasonKind.FOREIGN_SOURCE, Leg.CALLEE)


def strange(*, rtp: bool = True, **changes: Any) -> ev.GuardTriggered:
    return to_port_of(Leg.CALLEE, rtp=rtp, **{"source": ELSEWHERE, "ssrc": 7, **changes})


UNREADABLE = ev.GuardTriggered(ReasonKind.FOREIGN_SOURCE, Leg.CALLEE)


@pytest.mark.parametrize("placement", IN_SWITCH, ids=lambda placement: placement.phase)
@pytest.mark.parametrize("packet", [strange(), strange(rtp=False), UNREADABLE], ids=["RTP", "other", "?"])
def test_a_strangers_packet_is_counted_and_changes_nothing(
    placement: Placement, packet: ev.GuardTriggered
) -> None:
    noted, commands = step(placement, packet, LEARNED)
    assert replace(noted, strangers=placement.strangers) == placement
    assert noted.strangers[Leg.CALLEE].count == 1
    # Asterisk is asked whether it follows what it could follow.
    assert commands == ((cmd.QueryLegs(),) if packet.packet else ())
    assert not interrupts_query(placement, packet)
    assert after(ELIGIBLE, start=noted, now=LEARNED).state is State.OFFLOADED


@pytest.mark.parametrize("placement", IN_SWITCH, ids=lambda placement: placement.phase)
@pytest.mark.parametrize("changes", [{"ssrc": CALLEE.ssrc_rx}, {"source": CALLEE.remote, "in_port": at(9)}])
def test_what_is_the_legs_own_takes_the_flows_out_at_once(
    placement: Placement, changes: dict[str, Any]
) -> None:
    returned, commands = step(placement, strange(**changes), LEARNED)
    assert returned.reason == FOREIGN
    assert isinstance(commands[0], cmd.RemoveFlows)
    assert interrupts_query(placement, strange(**changes))


def test_where_asterisk_has_followed_a_stranger_the_call_returns() -> None:
    noted = after(strange(), start=GUARDED, now=LEARNED)
    followed = ev.LegsReported(CALLER, replace(CALLEE, remote=ELSEWHERE))
    assert after(followed, start=noted, now=LEARNED).reason == Reason(ReasonKind.CALL_CHANGED)


def test_a_flood_of_strangers_packets_asks_asterisk_a_few_times() -> None:
    placement, asked, now = GUARDED, [], LEARNED
    for number in range(60_000):  # a minute, 1,000 a second
        now = LEARNED + number / 1000
        source = replace(ELSEWHERE, port=1024 + number % 50_000)
        placement, commands = step(placement, strange(source=source), now)
        asked += [now] * len(commands)
    assert placement.state is State.OFFLOADED
    assert placement.strangers[Leg.CALLEE].count == 60_000
    assert len(asked) < 20
    assert asked[1] - asked[0] < 0.1  # it may not have read the first yet
    _, commands = step(placement, strange(), now + 20.0)
    assert commands == (cmd.QueryLegs(),)


def test_while_strictrtp_learns_the_second_packet_of_a_source_returns_the_call_until_it_has() -> None:
    """Without the leg's own packets, which the switch forwards, four of them would be enough for Asterisk."""
    noted = after(strange(), start=GUARDED, now=1.0)
    assert after(strange(source=replace(ELSEWHERE, port=1)), start=noted, now=1.1).state is State.OFFLOADED
    returned = after(strange(), start=noted, now=1.1)
    assert returned.reason == FOREIGN
    assert returned.deadline == STRICT_RTP_LEARNS
    again = after(ev.DeadlineReached(), *IN, start=returned, now=STRICT_RTP_LEARNS)
    assert again.state is State.OFFLOADED
    assert after(strange(), strange(), start=again, now=STRICT_RTP_LEARNS).state is State.OFFLOADED


@pytest.mark.parametrize(
    ("event", "learns"),
    [
        (ev.BridgeRebuilt(), True),
        (ELIGIBLE, False),
        (ev.DeadlineReached(), False),
    ],
)
def test_strictrtp_may_learn_anew_when_the_bridge_was_rebuilt(event: ev.Event, *, learns: bool) -> None:
    begun = after(event, start=GUARDED, now=20.0)
    placement = after(strange(), strange(), start=begun, now=21.0)
    assert placement.state is (State.RELAYED if learns else State.OFFLOADED)


def test_it_learns_anew_where_an_address_was_set() -> None:
    moved = ev.LegsReported(CALLER, replace(CALLEE, sdp=ELSEWHERE))
    assert after(ev.BridgeChanged(), moved, start=GUARDED, now=20.0).addressed_at == 20.0
    assert after(ev.BridgeChanged(), ELIGIBLE, start=GUARDED, now=20.0).addressed_at == GUARDED.addressed_at


def strangers_of(leg: Leg, *, rtp: bool = True) -> ev.PacketObserved:
    packet = sighting(leg, source=ELSEWHERE, ssrc=7)
    return ev.PacketObserved(leg, packet if rtp else None, source=ELSEWHERE)


@pytest.mark.parametrize("leg", Leg)
def test_strangers_keep_a_call_from_the_switch_only_while_strictrtp_learns(leg: Leg) -> None:
    both = (strangers_of(leg), strangers_of(leg, rtp=False))
    relayed = after(seen(Leg.CALLER), *both, seen(Leg.CALLEE), *both, ELIGIBLE, start=LEARNING)
    assert relayed.reason == Reason(ReasonKind.FOREIGN_SOURCE, leg)
    assert relayed.deadline == STRICT_RTP_LEARNS
    assert not relayed.damping.returns
    among = [each for event in IN for each in (event, *both)]
    placement = after(ev.DeadlineReached(), *among, start=relayed, now=STRICT_RTP_LEARNS)
    assert placement.state is State.OFFLOADED
    assert placement.strangers[leg].count > 1


@pytest.mark.parametrize("place", range(1, len(IN)))
def test_one_packet_at_any_moment_of_learning_is_enough(place: int) -> None:
    assert after(*IN[1:place], strangers_of(Leg.CALLEE), *IN[place:], start=LEARNING).reason == FOREIGN


def test_what_is_no_rtp_is_not_however_much_it_is_nor_does_it_hide_a_packet() -> None:
    packets = [strangers_of(Leg.CALLEE, rtp=False)] * 5
    assert after(*packets, *IN[1:], start=LEARNING).state is State.OFFLOADED
    among = [
        strangers_of(Leg.CALLEE),
        ev.PacketObserved(Leg.CALLEE, None, source=Address.parse("198.18.50.8:1")),
    ]
    assert after(*among, *IN[1:], start=LEARNING).reason == FOREIGN


def test_a_call_whose_digits_are_followed_waits_no_longer_than_another() -> None:
    learning = replace(LEARNING, featured=frozenset(Leg))
    relayed = after(*IN[1:3], strangers_of(Leg.CALLEE), ELIGIBLE, start=learning)
    assert (relayed.reason, relayed.deadline) == (FOREIGN, STRICT_RTP_LEARNS)


def test_who_sent_from_where_a_leg_that_is_not_symmetric_sends_is_that_leg() -> None:
    asymmetric = ev.LegsReported(CALLER, replace(CALLEE, symmetric=False))
    learning = after(ev.Connected(), asymmetric)
    before = ev.PacketObserved(Leg.CALLEE, sighting(Leg.CALLEE, source=ELSEWHERE, ssrc=7))
    own = ev.PacketObserved(Leg.CALLEE, sighting(Leg.CALLEE, source=ELSEWHERE))
    placement = after(before, own, seen(Leg.CALLER), asymmetric, start=learning)
    assert placement.strangers[Leg.CALLEE].count == 1
    assert placement.phase is Phase.CUTTING_OVER


def test_nor_are_packets_of_a_leg_behind_a_nat_before_asterisk_has_learned_its_source() -> None:
    announced = ev.LegsReported(CALLER, replace(CALLEE, remote=ELSEWHERE, ssrc_rx=None, packets_rx=0))
    learning = after(ev.Connected(), announced)
    noted = after(seen(Leg.CALLEE), seen(Leg.CALLEE), seen(Leg.CALLEE), start=learning)
    assert noted.strangers[Leg.CALLEE].count == 3
    assert after(*IN, start=noted).state is State.OFFLOADED


def test_a_leg_that_moves_again_and_again_is_held_by_asterisk_for_a_while() -> None:
    placement = GUARDED
    for _ in range(TUNING.returns_per_minute + 1):
        placement = after(
            moved_to(Leg.CALLEE, ELSEWHERE), start=replace(GUARDED, damping=placement.damping), now=9.0
        )
    assert placement.damping.is_suppressed(10.0)
