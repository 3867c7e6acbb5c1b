"""Hold and unhold, by every way a phone can say it and from either side."""

import time
from functools import partial

import pytest

from lab import control
from lab.control import wait_until
from tests.support.beside_dial import Scene, beside_dial
from tests.support.edge_call import (
    ALICE_PORT,
    BOB_PORT,
    assert_carried,
    assert_returned,
    conversation,
)
from tests.support.observed import media_moved
from tests.support.phone import sdp

WAYS = (
    partial(sdp, direction="sendonly"),
    partial(sdp, direction="inactive"),
    partial(sdp, host="0.0.0.0"),
)

# Where CUCM's music comes from.
MUSIC_PORT = 43000
# More than media.returns_per_minute.
HOLDS = 7


@pytest.mark.parametrize(("holder", "held"), [("caller", "callee"), ("callee", "caller")])
def test_a_held_call_is_asterisks_and_comes_back_to_the_switch_when_it_is_taken_up(
    holder: str, held: str
) -> None:
    talks: list[tuple[float, float]] = []
    holds: list[tuple[float, float, float]] = []
    with conversation() as call:
        phone, port = (call.bob, BOB_PORT) if holder == "caller" else (call.alice, ALICE_PORT)
        for way in WAYS:
            talks.append((call.carried(), time.time()))
            assert " 200 " in phone.reinvite(way(port)).start
            holds.append((talks[-1][1], call.relayed(f"hold:{held}"), call.passed(0.5)))
            assert " 200 " in phone.reinvite(sdp(port)).start
        talks.append((call.carried(), call.passed(0.5)))
    for start, relayed, end in holds:
        assert_returned(call.capture, start, relayed, end)
    for start, end in talks:
        assert_carried(call.capture, start, end)


def test_cucms_way_to_hold_and_to_resume_is_answered_as_by_dial_and_never_flaps() -> None:
    """It stops the media, and asks for an offer to answer, each time (delayed offer)."""

    def cucm(scene: Scene) -> None:
        phone, talk, music = scene.alice, sdp(ALICE_PORT), sdp(MUSIC_PORT, direction="sendonly")
        for answer in (music, talk):
            assert " 200 " in phone.reinvite(sdp(ALICE_PORT, direction="inactive")).start
            assert " 200 " in phone.reinvite_late(answer).start
        scene.settle()
        if scene.switched:
            for _ in range(HOLDS):
                hold(scene)

    def hold(scene: Scene) -> None:
        assert " 200 " in scene.alice.reinvite(sdp(ALICE_PORT, direction="sendonly")).start
        wait_until(lambda: control.calls()[0]["reason"] == "hold:caller", within=5, what="the hold")
        assert " 200 " in scene.alice.reinvite(sdp(ALICE_PORT)).start
        media_moved()

    ours, dial = beside_dial(cucm)
    assert ours.told["alice"][: len(dial.told["alice"])] == dial.told["alice"]
    assert ours.told["bob"] == dial.told["bob"]
    assert len(ours.returns) > HOLDS
    assert "flapping" not in ours.returns
