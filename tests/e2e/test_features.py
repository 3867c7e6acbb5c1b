"""DTMF features: what a party asks for by digits while the switch carries the call, beside plain Dial()."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from time import time

import pytest

from lab import control
from lab.control import wait_until
from tests.support.beside_dial import told
from tests.support.keys import press
from tests.support.observed import Cdrs, media_moved
from tests.support.party import (
    ALICE,
    BOB,
    CAROL,
    CAROL_PORT,
    Party,
    assert_talk,
    forwarded_more,
    over,
    party,
    relayed_because,
    relayed_more,
)
from tests.support.phone import CALLEE_PORT, CALLER_PORT, Phone

BLIND_TRANSFER, DISCONNECT, PARK, RECORD = "#1", "*0", "#72", "*3"
PORTS = {"bob": BOB, "alice": ALICE}


@dataclass
class Scene:
    """Bob has called Alice with options, Carol waits; what each was told of what follows, and how it ended for the dialplan."""

    party: Party
    switched: bool
    bob: Phone
    alice: Phone
    carol: Phone
    told: dict[str, list[str]] = field(default_factory=dict)
    cdr: dict[str, str] = field(default_factory=dict)

    def settle(self) -> None:
        """Wait until the media goes its way for a while: by the switch, or by Asterisk if the call is Dial()'s."""
        if self.switched:
            media_moved()
            forwarded_more(60)
        else:
            relayed_more(60)

    def phone(self, name: str) -> Phone:
        """Return the phone of that name."""
        return {"bob": self.bob, "alice": self.alice}[name]

    def press(self, name: str, digits: str) -> None:
        """Have Bob or Alice press digits."""
        press(self.party.voices, str(PORTS[name]), digits)


def beside_dial(options: str, action: Callable[[Scene], None]) -> tuple[Scene, Scene]:
    """Play a scene in a call of ours with these options, and in one of Dial(); return both."""
    ours, dial = (_play(options, action, number) for number in ("custom", "plain"))
    return ours, dial


def _play(options: str, action: Callable[[Scene], None], number: str) -> Scene:
    cdrs = Cdrs()
    with party(callee=f"PJSIP/alice@phone,30,{options}") as all_:
        ports = {"bob": CALLER_PORT, "alice": CALLEE_PORT, "carol": CAROL_PORT}
        bob, alice, carol = (all_.phone(name, port) for name, port in ports.items())
        scene = Scene(all_, number == "custom", bob, alice, carol)
        all_.call(bob, number, BOB)
        all_.answer(alice, ALICE)
        all_.answered(bob, BOB)
        scene.settle()
        begun = time()
        action(scene)
        over()
        scene.told = {phone.name: sorted(told(phone.messages, since=begun)) for phone in (bob, alice, carol)}
        scene.cdr = cdrs.last()
    return scene


def hears_music() -> None:
    """Wait until Asterisk plays music to a party: the other one is dialling where to."""

    def plays() -> bool:
        rows = map(json.loads, control.asterisk("asterisk2", "rtpstreams json").splitlines())
        return any(row["generator"] for row in rows)

    wait_until(plays, within=5, what="music on hold")


def transfer(by: str) -> Callable[[Scene], None]:
    def action(scene: Scene) -> None:
        scene.press(by, BLIND_TRANSFER)
        hears_music()
        scene.press(by, "70" if scene.switched else "71")
        scene.party.answer(scene.carol, CAROL)
        scene.phone(by).ended()
        scene.settle()
        scene.carol.hang_up()
        scene.phone("alice" if by == "bob" else "bob").ended()

    return action


@pytest.mark.parametrize(("by", "option"), [("alice", "t"), ("bob", "T")], ids=["callee", "caller"])
def test_a_blind_transfer_by_digits_ends_in_the_switch_again(by: str, option: str) -> None:
    ours, dial = beside_dial(option, transfer(by))
    other = ALICE if by == "bob" else BOB
    assert ours.told == dial.told
    assert ours.cdr["dialstatus"] == dial.cdr["dialstatus"]
    assert_talk(ours.party.capture, other, CAROL)
    assert_talk(dial.party.capture, other, CAROL, by_switch=False)
