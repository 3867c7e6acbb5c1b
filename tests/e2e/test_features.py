"""DTMF features: what a party asks for by digits while the switch carries the call, beside plain Dial()."""

from time import time

import pytest

from lab import control
from lab.control import wait_until
from tests.support.beside_dial import told
from tests.support.featured import (
    BLIND_TRANSFER,
    DISCONNECT,
    PARK,
    PORTS,
    RECORD,
    Scene,
    beside_dial,
    hears_music,
    is_parked,
    outcome,
    play,
    reason,
    rows,
    still_hears_music,
    transfer,
)
from tests.support.keys import press
from tests.support.observed import Cdrs, returned
from tests.support.party import ALICE, BOB, CAROL, assert_talk, over, party
from tests.support.phone import CALLEE_PORT, CALLER_PORT, sdp


@pytest.mark.parametrize(("by", "option"), [("alice", "t"), ("bob", "T")], ids=["callee", "caller"])
def test_a_blind_transfer_by_digits_ends_in_the_switch_again(by: str, option: str) -> None:
    def action(scene: Scene) -> None:
        transfer(by)(scene)
        scene.carol.hang_up()
        scene.phone("alice" if by == "bob" else "bob").ended()

    ours, dial = beside_dial(option, action)
    other = ALICE if by == "bob" else BOB
    assert ours.told == dial.told
    assert ours.cdr["dialstatus"] == dial.cdr["dialstatus"]
    assert_talk(ours.party.capture, other, CAROL)
    assert_talk(dial.party.capture, other, CAROL, by_switch=False)


@pytest.mark.parametrize(("by", "options"), [("alice", "h"), ("bob", "Hg")])
def test_a_party_ends_the_call_by_digits(by: str, options: str) -> None:
    def action(scene: Scene) -> None:
        scene.press(by, DISCONNECT)
        scene.alice.ended()
        scene.bob.ended()

    ours, dial = beside_dial(options, action)
    assert ours.told == dial.told
    assert ours.outcome == dial.outcome


def test_a_caller_ends_by_digits_a_call_that_rings() -> None:
    ours, dial = (ended_while_ringing(number) for number in ("custom", "plain"))
    assert ours == dial
    assert ours[1][0] == "CANCEL"


def ended_while_ringing(number: str) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    cdrs = Cdrs()
    with party(callee="PJSIP/alice@phone,30,H") as all_:
        bob, alice = all_.phone("bob", CALLER_PORT), all_.phone("alice", CALLEE_PORT)
        begun = time()
        all_.call(bob, number, BOB)
        alice.invited()
        alice.progress(sdp(ALICE))
        bob.alerted()
        all_.speak(bob, BOB)
        press(all_.voices, str(BOB), DISCONNECT)
        bob.answered()
        alice.cancelled()
        over()
        said = {phone.name: sorted(told(phone.messages, since=begun)) for phone in (bob, alice)}
        return said, outcome(cdrs.last())


@pytest.mark.parametrize(("by", "option"), [("alice", "k"), ("bob", "Kg")], ids=["callee", "caller"])
def test_a_party_that_parks_the_other_hears_where_and_is_hung_up(by: str, option: str) -> None:
    parked, times = ("bob" if by == "alice" else "alice"), list[tuple[float, float]]()

    def action(scene: Scene) -> None:
        scene.press(by, PARK)
        wait_until(is_parked, within=10, what=f"{parked} to be parked")
        begun = time()
        times.append((begun, scene.phone(by).ended().at))
        assert is_parked()
        scene.phone(parked).hang_up()

    ours, dial = beside_dial(option, action)
    assert ours.told == dial.told
    assert ours.outcome == dial.outcome
    heard = [
        spoken_to(scene, PORTS[by], *between) for scene, between in zip((ours, dial), times, strict=True)
    ]
    assert heard[0] == pytest.approx(heard[1], abs=50), "the same words but for a second"


def spoken_to(scene: Scene, port: int, start: float, end: float) -> int:
    """Count the packets of Asterisk's own that arrived at a port between two moments."""
    streams = (stream for stream in scene.party.capture.arriving if stream.destination.port == port)
    packets = (packet for stream in streams for packet in stream.packets if packet.talk is None)
    return sum(start <= packet.at < end for packet in packets)


@pytest.mark.parametrize(("by", "option"), [("alice", "x"), ("bob", "X")], ids=["callee", "caller"])
def test_a_call_that_a_party_records_by_digits_is_relayed_meanwhile(by: str, option: str) -> None:
    def action(scene: Scene) -> None:
        scene.press(by, RECORD)
        wait_until(is_recorded, within=5, what="the recording")
        if scene.switched:
            wait_until(lambda: reason().startswith("audio-hook:"), within=5, what="the reason")
            wait_until(lambda: any(row["dtmf_hooks"] for row in rows()), within=5, what="Asterisk to follow")
        scene.press(by, RECORD)
        wait_until(lambda: not is_recorded(), within=5, what="the end of the recording")
        scene.settle()
        scene.alice.hang_up()

    ours, dial = beside_dial(option, action)
    assert ours.told == dial.told
    assert_talk(ours.party.capture, BOB, ALICE)


def is_recorded() -> bool:
    return any(row["audio_hook"] for row in rows())


def test_while_asterisk_relays_a_call_it_follows_the_digits_itself() -> None:
    def action(scene: Scene) -> None:
        if scene.switched:
            control.offload("relay", "--all")
            wait_until(lambda: any(row["dtmf_hooks"] for row in rows()), within=5, what="Asterisk to follow")
        scene.press("alice", BLIND_TRANSFER)
        hears_music(scene)
        if scene.switched:
            control.lift_blocks()
        scene.press("alice", "70#" if scene.switched else "71#")
        scene.party.answer(scene.carol, CAROL)
        scene.alice.ended()
        scene.settle()
        scene.bob.hang_up()
        scene.carol.ended()

    ours, dial = beside_dial("t", action)
    assert ours.told == dial.told
    assert_talk(ours.party.capture, BOB, CAROL)


def test_a_transfer_to_nobody_ends_in_the_switch_again() -> None:
    def action(scene: Scene) -> None:
        scene.press("bob", BLIND_TRANSFER)
        hears_music(scene)
        assert not scene.switched or reason() == "dtmf-feature"
        still_hears_music()
        scene.press("bob", "*")
        wait_until(
            lambda: not any(row["generator"] for row in rows()), within=10, what="the end of the music"
        )
        scene.settle()
        scene.bob.hang_up()

    ours, dial = beside_dial("tT", action)
    assert ours.told == dial.told
    assert_talk(ours.party.capture, BOB, ALICE)


def test_digits_that_ask_for_nothing_leave_the_call_in_the_switch() -> None:
    def action(scene: Scene) -> None:
        scene.press("alice", "#5#0*1#2")
        scene.settle()
        scene.bob.hang_up()

    begun = time()
    ours = play("tThHkKxX", action, "custom")
    assert [event["reason"] for event in returned(begun) if event["reason"] != "ended"] == []
    assert_talk(ours.party.capture, BOB, ALICE)


def test_a_call_whose_digits_look_like_audio_is_relayed_and_asterisk_follows_them() -> None:
    opus = {107: "opus/48000/2"}
    with party(callee="PJSIP/alice@phone-opus,30,h") as all_:
        bob, alice = all_.phone("bob", CALLER_PORT), all_.phone("alice", CALLEE_PORT)
        bob.call("custom", sdp(BOB, formats=opus, event_rate=48000), user="opus")
        alice.invited()
        alice.answer(sdp(ALICE, formats=opus, event_rate=48000))
        assert bob.answered().start.startswith("SIP/2.0 200")
        for phone, port in ((bob, BOB), (alice, ALICE)):
            all_.speak(phone, port)
            all_.voices.set(str(port), pt=107)
        wait_until(lambda: reason() == "dtmf-unseen:callee", within=10, what="the reason")
        wait_until(lambda: any(row["dtmf_hooks"] for row in rows()), within=5, what="Asterisk to follow")
        press(all_.voices, str(ALICE), DISCONNECT)
        bob.ended()
        over()
