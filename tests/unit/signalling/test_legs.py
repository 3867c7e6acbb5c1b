"""Which channel is which leg of a call, before, while and after a replacement takes a channel's place."""

import pytest

from stasis_offload.asterisk.ari_events import (
    Channel,
    ChannelDestroyed,
    DialChanged,
    DialState,
    HangupRequested,
    StasisEnd,
)
from stasis_offload.signalling import events as ev
from stasis_offload.signalling.call_ids import CALLER, CallIds
from stasis_offload.signalling.legs import LegEvent, Legs

CALL = "1700000000.1"
CALLEE = f"offload-{CALL}-2"
IDS = CallIds("offload")
REPLACEMENT = "1700000009.7"
NAME = "Local/556@default-00000001;1"
WHO_CALLED = Channel(CALL, "PJSIP/bob-00000001", "Up", "100", "", "Stasis", "offload,PJSIP/555")


def legs_with(leg: int) -> Legs:
    """Make the legs of a call to which a replacement is announced for a leg."""
    legs = Legs(WHO_CALLED, IDS)
    assert legs.announce_replacement(REPLACEMENT, NAME, replaces=legs.channel(leg))
    return legs


def test_the_channels_of_a_call_are_its_legs_and_no_others() -> None:
    legs = Legs(WHO_CALLED, IDS)
    assert (legs.leg(CALL), legs.leg(CALLEE), legs.leg("offload-1700000000.2-1")) == (0, 2, None)
    assert legs.leg(REPLACEMENT) is None
    assert (legs.channel(CALLER), legs.channel(2), legs.name(CALLER)) == (CALL, CALLEE, WHO_CALLED.name)


def test_an_announced_replacement_is_no_leg_before_it_is_in_the_bridge() -> None:
    legs = legs_with(2)
    assert (legs.leg(REPLACEMENT), legs.channel(2)) == (None, CALLEE)
    assert legs.translate(DialChanged(REPLACEMENT, DialState.ANSWER)) is None
    assert legs.on_entered_bridge("another") is None
    legs.cancel_replacement(REPLACEMENT)
    assert legs.translate(StasisEnd(CALLEE)) == ev.CalleeLeftStasis(2)


@pytest.mark.parametrize(
    ("leg", "old", "replaced"),
    [
        (CALLER, CALL, ev.CallerReplaced(CALL, joined=True)),
        (2, CALLEE, ev.CalleeReplaced(2, CALLEE, joined=True)),
    ],
)
def test_a_replacement_in_the_bridge_is_the_leg_and_the_old_channel_is_none(
    leg: int, old: str, replaced: ev.CalleeReplaced | ev.CallerReplaced
) -> None:
    legs = legs_with(leg)
    assert legs.on_entered_bridge(REPLACEMENT) == replaced
    assert (legs.leg(REPLACEMENT), legs.channel(leg), legs.name(leg), legs.leg(old)) == (
        leg,
        REPLACEMENT,
        NAME,
        None,
    )
    for event in (HangupRequested(old, 16), StasisEnd(old), ChannelDestroyed(old, 16)):
        assert legs.translate(event) is None
    assert legs.translate(DialChanged(REPLACEMENT, DialState.RINGING)) == (
        ev.CalleeRinging(2) if leg else None
    )


def test_whoever_picks_up_is_the_callee_at_once() -> None:
    carol = Channel(REPLACEMENT, "PJSIP/carol-00000009", "Up", "", "", "", "")
    legs = Legs(WHO_CALLED, IDS)
    assert legs.pick_up(carol, replaces=CALLEE) == ev.CalleePickedUp(2, CALLEE)
    assert (legs.channel(2), legs.leg(REPLACEMENT), legs.name(2)) == (REPLACEMENT, 2, carol.name)
    assert legs.translate(DialChanged(REPLACEMENT, DialState.ANSWER)) == ev.CalleeAnswered(2)
    assert legs.translate(StasisEnd(CALLEE)) is None
    assert legs.on_entered_bridge(REPLACEMENT) is None


def test_nobody_picks_up_the_caller_nor_a_stranger_nor_twice() -> None:
    carol = Channel(REPLACEMENT, "PJSIP/carol-00000009", "Up", "", "", "", "")
    legs = Legs(WHO_CALLED, IDS)
    assert legs.pick_up(carol, replaces=CALL) is None
    assert legs.pick_up(carol, replaces="stranger") is None
    assert legs.pick_up(carol, replaces=CALLEE)
    assert legs.pick_up(carol, replaces=REPLACEMENT) is None
    assert legs_with(2).pick_up(carol, replaces=CALLEE) is None


@pytest.mark.parametrize("end", [StasisEnd(CALLEE), ChannelDestroyed(CALLEE, 16)])
def test_who_transfers_may_be_gone_before_the_replacement_is_in_the_bridge(end: LegEvent) -> None:
    legs = legs_with(2)
    assert legs.translate(HangupRequested(CALLEE, 16)) is None
    assert legs.translate(end) == ev.CalleeReplaced(2, CALLEE, joined=False)
    assert legs.leg(REPLACEMENT) == 2
    assert legs.on_entered_bridge(REPLACEMENT) is None


def test_a_replacement_that_leaves_us_is_gone_with_the_cause_for_which_it_was_hung_up() -> None:
    legs = legs_with(2)
    legs.on_entered_bridge(REPLACEMENT)
    legs.translate(HangupRequested(REPLACEMENT, 17))
    assert legs.translate(StasisEnd(REPLACEMENT)) == ev.CalleeDestroyed(2, 17)
    caller = legs_with(CALLER)
    caller.on_entered_bridge(REPLACEMENT)
    assert caller.translate(StasisEnd(REPLACEMENT)) == ev.CallerLeft(0)


def test_a_replacement_can_be_replaced_in_its_turn() -> None:
    legs = legs_with(2)
    legs.on_entered_bridge(REPLACEMENT)
    assert legs.announce_replacement("third", "PJSIP/carol-00000001", replaces=REPLACEMENT)
    assert legs.on_entered_bridge("third") == ev.CalleeReplaced(2, REPLACEMENT, joined=True)
    assert (legs.leg("third"), legs.leg(REPLACEMENT)) == (2, None)


def test_one_leg_expects_one_replacement_and_a_channel_of_no_leg_none() -> None:
    legs = legs_with(2)
    assert legs.has_pending(2)
    assert not legs.has_pending(CALLER)
    assert not legs.announce_replacement("another", NAME, replaces=CALLEE)
    assert not legs.announce_replacement("another", NAME, replaces="unknown")
    assert not Legs(WHO_CALLED, IDS).announce_replacement(CALLEE, NAME, replaces=CALL)


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ((CALL, CALLEE), ()),
        ((CALL, CALLEE, REPLACEMENT), ()),
        ((CALL, REPLACEMENT), ((2, REPLACEMENT),)),
        ((REPLACEMENT, CALLEE), ((CALLER, REPLACEMENT),)),
        ((REPLACEMENT, "another"), ((CALLER, REPLACEMENT), (2, "another"))),
        ((CALL,), ()),
    ],
)
def test_who_is_in_the_bridge_and_no_leg_stands_for_one_that_is_missing(
    members: tuple[str, ...], found: tuple[tuple[int, str], ...]
) -> None:
    assert Legs(WHO_CALLED, IDS).unannounced(members, (CALLER, 2)) == found
