"""A call whose parties may ask for features by digits: who follows the digits, and when it is learned."""

from dataclasses import replace
from typing import Any

import pytest

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.digits import Digits
from stasis_offload.media.machine import step
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.state import Phase, Placement
from stasis_offload.packets.frame import Tag
from tests.support.leg_reports import CALLEE, CALLER, sighting
from tests.support.placements import CUT, ELIGIBLE, IN, after, relayed, seen, small_packet

DTMF = next(iter(CALLER.event_pts_rx.values()))
CONNECTED = after(ev.Connected(frozenset({Leg.CALLER})))
HOOKED = replace(CALLER, bridge_technology="simple_bridge", local_bridge=False, dtmf_hooks=True)
FOLLOWED = ev.LegsReported(HOOKED, replace(CALLEE, bridge_technology="simple_bridge", local_bridge=False))
OFFLOADED = after(*IN, start=CONNECTED)


def event(
    number: int, *, end: bool = True, timestamp: int = 160, leg: Leg = Leg.CALLER
) -> ev.SmallPacketObserved:
    """Make a packet of a digit by the number of its event."""
    head = bytes([number, 0x8A if end else 0x0A, 3, 0x20])
    return small_packet(leg, payload_type=DTMF, timestamp=timestamp, head=head)


def digits(placement: Placement, *packets: ev.Event) -> str:
    noted, found = Digits(), ""
    for packet in packets:
        noted, digit = noted.after(placement, packet)
        found += digit
    return found


def test_a_digit_is_noted_at_its_end_and_once() -> None:
    assert digits(OFFLOADED, event(11, end=False), event(11, end=False)) == ""
    assert digits(OFFLOADED, event(11, end=False), event(11), event(11), event(11)) == "#"
    assert digits(OFFLOADED, event(11), event(11, timestamp=800), event(1, timestamp=1600)) == "##1"


@pytest.mark.parametrize(("number", "digit"), [(0, "0"), (9, "9"), (10, "*"), (15, "D"), (16, ""), (255, "")])
def test_the_events_up_to_fifteen_are_digits(number: int, digit: str) -> None:
    assert digits(OFFLOADED, event(number)) == digit


def test_each_leg_has_digits_of_its_own() -> None:
    assert digits(OFFLOADED, event(1), event(2, leg=Leg.CALLEE), event(1), event(2, leg=Leg.CALLEE)) == "12"


@pytest.mark.parametrize(
    "changes",
    [
        {"payload_type": 0},
        {"head": b""},
        {"head": b"\x0b"},
        {"ssrc": 0xBAD},
        {"source": CALLEE.remote},
    ],
    ids=["audio", "nothing", "too short", "another SSRC", "another source"],
)
def test_what_is_no_digit_of_the_legs_is_none(changes: dict[str, object]) -> None:
    packet = event(11).packet
    assert packet
    fields = {"payload_type": packet.payload_type, "head": packet.head, **changes}
    assert digits(OFFLOADED, small_packet(Leg.CALLER, **fields)) == ""
    assert digits(OFFLOADED, ev.PacketObserved(Leg.CALLER, sighting(Leg.CALLER, **fields))) == ""


def test_a_digit_is_noted_while_the_call_is_learned() -> None:
    learning = after(ELIGIBLE, start=CONNECTED)
    packet = sighting(Leg.CALLER, payload_type=DTMF, head=event(5).packet.head)
    assert digits(learning, ev.PacketObserved(Leg.CALLER, packet)) == "5"


def test_what_asterisk_follows_is_not_followed_twice() -> None:
    relayed_call = after(ev.Blocked(ReasonKind.OPERATOR), start=OFFLOADED)
    dormant = after(ev.DeadlineReached(), start=after(ELIGIBLE, start=CONNECTED), now=1.0)
    assert dormant.phase is Phase.DORMANT
    for placement in (relayed_call, dormant):
        assert placement.leaves_digits
        assert digits(replace(placement, reports={Leg.CALLER: CALLER}), event(11)) == ""


def test_nobody_follows_the_digits_of_a_call_without_features() -> None:
    assert digits(after(*IN, start=after(ev.Connected())), event(11)) == ""
    assert not after(ev.Blocked(ReasonKind.OPERATOR), start=after(ev.Connected())).leaves_digits


def test_a_call_whose_digits_asterisk_follows_is_learned_once_it_does_not() -> None:
    waiting = after(FOLLOWED, start=CONNECTED)
    assert (waiting.phase, waiting.leaves_digits) == (Phase.AWAITING_NATIVE, False)
    assert after(ELIGIBLE, start=waiting).phase is Phase.LEARNING


def test_a_call_that_asterisk_goes_on_to_bridge_otherwise_is_relayed_for_long() -> None:
    placement, now = after(FOLLOWED, start=CONNECTED), 0.0
    while placement.phase is Phase.AWAITING_NATIVE:
        now = placement.deadline or now
        placement, _ = step(placement, FOLLOWED, now)
    assert placement.reason == Reason(ReasonKind.NOT_NATIVE)
    assert now < 2.0
    assert placement.deadline == now + placement.tuning.recheck


def test_a_dormant_call_whose_digits_asterisk_follows_names_the_silent_leg_and_wakes() -> None:
    dormant = after(ev.DeadlineReached(), start=after(ELIGIBLE, seen(Leg.CALLER), start=CONNECTED), now=3.0)
    named = after(FOLLOWED, start=dormant, now=3.0)
    assert (named.phase, named.reason) == (Phase.DORMANT, Reason(ReasonKind.NO_MEDIA, Leg.CALLEE))
    assert after(seen(Leg.CALLEE), start=named, now=3.1).phase is Phase.AWAITING_NATIVE


def both(**changes: Any) -> ev.LegsReported:
    return ev.LegsReported(replace(CALLER, **changes), replace(CALLEE, **changes))


@pytest.mark.parametrize(
    "report",
    [
        ev.LegsReported(CALLER, CALLEE, switches={0: False}),
        both(format_rx="opus", format_tx="opus"),
        both(event_pts_rx={}, event_pts_tx={}),
    ],
    ids=["a switch that does not split", "a codec of varying size", "no telephone-event"],
)
def test_a_leg_whose_digits_would_not_be_seen_stays_with_asterisk(report: ev.LegsReported) -> None:
    assert after(report, start=CONNECTED).reason == Reason(ReasonKind.DTMF_UNSEEN, Leg.CALLER)
    assert after(report, start=after(ev.Connected())).reason != Reason(ReasonKind.DTMF_UNSEEN, Leg.CALLER)


def test_a_leg_with_a_vlan_tag_stays_with_asterisk() -> None:
    tagged = [ev.PacketObserved(leg, sighting(leg, tag=Tag(12))) for leg in Leg]
    learned = after(ELIGIBLE, *tagged, ELIGIBLE, relayed(Leg.CALLER), relayed(Leg.CALLEE), start=CONNECTED)
    assert after(*CUT, start=learned).reason == Reason(ReasonKind.DTMF_UNSEEN, Leg.CALLER)


def test_what_was_asked_for_returns_the_call_until_it_is_done() -> None:
    asked, commands = step(OFFLOADED, ev.Blocked(ReasonKind.DTMF_FEATURE), 1.0)
    assert isinstance(commands[0], cmd.RemoveFlows)
    assert (asked.reason, asked.leaves_digits) == (Reason(ReasonKind.DTMF_FEATURE), True)
    done, commands = step(asked, ev.Unblocked(ReasonKind.DTMF_FEATURE), 9.0)
    assert commands == (cmd.QueryLegs(),)
    assert after(*IN, start=done).phase is Phase.UNVERIFIED


def test_a_leg_that_leaves_is_not_followed() -> None:
    assert not after(ev.Blocked(ReasonKind.ENDED), start=OFFLOADED).leaves_digits
