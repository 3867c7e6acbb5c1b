"""DTMF features beside other options, other parties and what fails, beside plain Dial()."""

import re
from time import time

import pytest

from lab import control
from lab.control import wait_until
from tests.support.featured import (
    BLIND_TRANSFER,
    DISCONNECT,
    PARK,
    Scene,
    beside_dial,
    is_parked,
    play,
    still_hears_music,
    transfer,
)
from tests.support.keys import press
from tests.support.observed import logged, media_moved, returned
from tests.support.party import ALICE, BOB, over, party
from tests.support.phone import CALLEE_PORT, CALLER_PORT, sdp


def returns(begun: float) -> list[str]:
    """List why calls have returned to Asterisk since a moment, but for their ends."""
    return [event["reason"] for event in returned(begun) if event["reason"] != "ended"]


def test_who_takes_a_partys_place_has_none_of_its_features() -> None:
    def action(scene: Scene) -> None:
        transfer("alice")(scene)
        pressed = time()
        scene.press("carol", DISCONNECT + BLIND_TRANSFER)
        scene.settle(20)
        assert not scene.switched or returns(pressed) == []
        scene.carol.hang_up()
        scene.bob.ended()

    ours, dial = beside_dial("th", action)
    assert ours.told == dial.told


def test_a_caller_has_no_feature_but_the_end_while_it_rings() -> None:
    with party(callee="PJSIP/alice@phone,30,TH") as all_:
        bob, alice = all_.phone("bob", CALLER_PORT), all_.phone("alice", CALLEE_PORT)
        begun = time()
        all_.call(bob, "custom", BOB)
        alice.invited()
        alice.progress(sdp(ALICE))
        bob.alerted()
        all_.speak(bob, BOB)
        press(all_.voices, str(BOB), BLIND_TRANSFER)
        alice.answer(sdp(ALICE))
        all_.speak(alice, ALICE)
        bob.answered()
        media_moved()
        bob.hang_up()
        alice.ended()
        over()
        assert [event for event in logged(begun) if event["event"].startswith("call.feature")] == []


def test_a_party_on_hold_hears_music_and_has_its_features() -> None:
    def action(scene: Scene) -> None:
        scene.bob.reinvite(sdp(BOB, direction="sendonly"))
        still_hears_music()
        scene.bob.reinvite(sdp(BOB))
        scene.settle(20)
        scene.bob.reinvite(sdp(BOB, direction="sendonly"))
        still_hears_music()
        scene.press("alice", DISCONNECT)
        scene.bob.ended()
        scene.alice.ended()

    ours, dial = beside_dial("tThH", action)
    assert ours.told == dial.told
    assert ours.outcome == dial.outcome


def test_a_caller_whom_nobody_could_park_ends_the_call_at_once() -> None:
    def action(scene: Scene) -> None:
        for name in control.channels("asterisk2"):
            control.asterisk("asterisk2", f"dialplan set chanvar {name} PARKINGLOT nowhere")
        pressed = time()
        scene.press("alice", PARK)
        if scene.switched:
            wait_until(lambda: returns(pressed), within=10, what="the call to return for the digits")
        scene.settle(20)
        begun = time()
        scene.bob.hang_up()
        scene.alice.ended()
        took.append(time() - begun)

    took: list[float] = []
    ours, dial = beside_dial("k", action)
    assert ours.told == dial.told
    assert ours.outcome == dial.outcome
    assert took[0] < took[1] + 5, "no timer of seconds has to end before"


@pytest.mark.parametrize(
    ("by", "options"),
    [
        ("alice", "hF(lab-exit^5^1)"),
        ("bob", "HF(lab-exit^5^1)"),
        ("bob", "Heg"),
    ],
)
def test_where_a_party_goes_on_whose_call_ended_by_digits(by: str, options: str) -> None:
    def action(scene: Scene) -> None:
        scene.press(by, DISCONNECT)
        scene.alice.ended()
        scene.bob.ended()
        wait_until(lambda: not control.channels("asterisk2"), within=5, what="the channels to end")
        went.append(noted("LAB_AFTER"))

    went: list[str] = []
    for name in ("LAB_AFTER", "LAB_BEFORE"):
        control.asterisk("asterisk2", f"dialplan set global {name} nothing")
    ours, dial = (play(options, action, number) for number in ("e-custom", "e-plain"))
    assert (ours.told, ours.outcome, went[0]) == (dial.told, dial.outcome, went[1])


def test_with_capital_f_a_callee_goes_on_that_has_parked_the_caller() -> None:
    def action(scene: Scene) -> None:
        scene.press("alice", PARK)
        wait_until(is_parked, within=10, what="Bob to be parked")
        scene.alice.ended()
        went.append(noted("LAB_AFTER"))
        scene.bob.hang_up()

    went: list[str] = []
    control.asterisk("asterisk2", "dialplan set global LAB_AFTER nothing")
    ours, dial = beside_dial("kF(lab-exit^5^1)", action)
    assert (ours.told, ours.outcome, went[0]) == (dial.told, dial.outcome, went[1])


def noted(name: str) -> str:
    """Return what the dialplan has noted in a global variable, and empty that."""
    rows = control.asterisk("asterisk2", "dialplan show globals")
    control.asterisk("asterisk2", f"dialplan set global {name} nothing")
    found = re.search(rf"^ *{name}=(.*)$", rows, re.MULTILINE)
    return found.group(1) if found else ""
