"""Calls with options for DTMF features, of ours and of Dial(): a scene is played in both, and what came of it is compared."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import time
from typing import Any

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
    forwarded_more,
    over,
    party,
    relayed_more,
)
from tests.support.phone import CALLEE_PORT, CALLER_PORT, Phone

BLIND_TRANSFER, DISCONNECT, PARK, RECORD = "#1", "*0", "#72", "*3"
PORTS = {"bob": BOB, "alice": ALICE, "carol": CAROL}


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

    def settle(self, packets: int = 60) -> None:
        """Wait until the media goes its way for so many packets: by the switch, or by Asterisk if the call is Dial()'s."""
        if self.switched:
            media_moved()
            forwarded_more(packets)
        else:
            relayed_more(packets)

    @property
    def outcome(self) -> tuple[str, ...]:
        """What the caller's CDR says of the call."""
        return outcome(self.cdr)

    def phone(self, name: str) -> Phone:
        """Return the phone of that name."""
        return {"bob": self.bob, "alice": self.alice, "carol": self.carol}[name]

    def press(self, name: str, digits: str) -> None:
        """Have one of them press digits."""
        press(self.party.voices, str(PORTS[name]), digits)


def beside_dial(options: str, action: Callable[[Scene], None]) -> tuple[Scene, Scene]:
    """Play a scene in a call of ours with these options, and in one of Dial(); return both."""
    ours, dial = (play(options, action, number) for number in ("custom", "plain"))
    return ours, dial


def play(options: str, action: Callable[[Scene], None], number: str = "custom") -> Scene:
    """Play a scene in a call of ours with these options, or in one of another kind; return it."""
    cdrs = Cdrs()
    with party(callee=f"PJSIP/alice@phone,30,{options}") as all_:
        ports = {"bob": CALLER_PORT, "alice": CALLEE_PORT, "carol": CAROL_PORT}
        bob, alice, carol = (all_.phone(name, port) for name, port in ports.items())
        scene = Scene(all_, "plain" not in number, bob, alice, carol)
        all_.call(bob, number, BOB)
        all_.answer(alice, ALICE)
        all_.answered(bob, BOB)
        scene.settle(5)
        begun = time()
        action(scene)
        over()
        phones = (bob, alice, carol)
        wait_until(lambda: not any(phone.up for phone in phones), within=5, what="the phones to be told")
        scene.told = {phone.name: sorted(told(phone.messages, since=begun)) for phone in phones}
        scene.cdr = cdrs.last()
    return scene


def outcome(cdr: Mapping[str, str]) -> tuple[str, ...]:
    """Return what a caller's CDR says of a call."""
    return tuple(str(cdr[name]) for name in ("dialstatus", "cause", "disposition"))


def rows() -> list[dict[str, Any]]:
    """Return what our module says of each channel of node 2 in a bridge."""
    return [json.loads(row) for row in control.asterisk("asterisk2", "rtpstreams json").splitlines()]


def hears_music(scene: Scene) -> None:
    """Wait until Asterisk plays music to a party: the other one is dialling where to."""
    wait_until(lambda: any(row["generator"] for row in rows()), within=5, what="music on hold")
    assert not scene.switched or reason() in ("dtmf-feature", "operator")


def still_hears_music() -> None:
    """Wait until Asterisk follows the digits of whoever is held, and the music goes on."""

    def followed() -> bool:
        now = rows()
        return any(row["dtmf_hooks"] for row in now if row["hold"]) and any(row["generator"] for row in now)

    wait_until(followed, within=5, what="Asterisk to follow, with music")


def transfer(by: str) -> Callable[[Scene], None]:
    """Return the scene of a blind transfer to Carol, up to where the two that are left talk."""

    def action(scene: Scene) -> None:
        scene.press(by, BLIND_TRANSFER)
        hears_music(scene)
        scene.press(by, "70#" if scene.switched else "71#")
        scene.party.answer(scene.carol, CAROL)
        scene.phone(by).ended()
        scene.settle()

    return action


def reason() -> str:
    """Return why the call is where it is."""
    return str(control.calls()[0]["reason"])


def is_parked() -> bool:
    """Return whether somebody is in the parking lot."""
    lot = control.asterisk("asterisk2", "parking show default")
    return re.search(r"^ *Space +:", lot, re.MULTILINE) is not None
