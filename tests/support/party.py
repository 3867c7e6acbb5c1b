"""Three phones that talk: bob calls alice, carol is whom the call goes to.

What each hears is read from the packets that arrive at their ports.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from lab import control
from lab.capture import Capture, Packet, captured
from lab.control import wait_until
from lab.talker_client import Talker, talker
from tests.support.observed import media_moved
from tests.support.phone import CALLEE_PORT, CALLER_PORT, EDGE, Phone, sdp

CAROL_PORT = 5090
# Where each speaks and hears, which is also the name of the voice (lab/rtp_talker.py) and its SSRC.
BOB, ALICE, CAROL = 40000, 42000, 44000
TARGET = f"PJSIP/phone/sip:carol@{EDGE}:{CAROL_PORT}"


@dataclass
class Party:
    """The phones, their voices, and what passes the edge."""

    stack: ExitStack
    capture: Capture
    voices: Talker
    phones: dict[str, Phone] = field(default_factory=dict)

    def phone(self, name: str, port: int) -> Phone:
        return self.stack.enter_context(Phone(name, port=port))

    def speak(self, phone: Phone, port: int) -> None:
        self.voices.set(str(port), from_=f"{EDGE}:{port}", to=phone.media, ssrc=port)

    def answer(self, phone: Phone, port: int) -> None:
        phone.invited()
        self.answer_invited(phone, port)

    def answer_invited(self, phone: Phone, port: int) -> None:
        phone.answer(sdp(port))
        self.speak(phone, port)

    def call(self, phone: Phone, number: str, port: int) -> None:
        phone.call(number, sdp(port))

    def answered(self, phone: Phone, port: int) -> None:
        assert phone.answered().start.startswith("SIP/2.0 200")
        self.speak(phone, port)


@contextmanager
def party(target: str = TARGET, callee: str = "PJSIP/alice@phone") -> Iterator[Party]:
    control.asterisk("asterisk2", f"dialplan set global LAB_ARGS {callee}")
    control.asterisk("asterisk2", f"dialplan set global LAB_TARGET {target}")
    with captured("edge") as capture, talker() as voices, ExitStack() as stack:
        yield Party(stack, capture, voices)


@contextmanager
def talking(target: str = TARGET) -> Iterator[tuple[Party, Phone, Phone, Phone]]:
    """Bob has called alice, and the switch carries their call; carol waits."""
    with party(target) as all_:
        bob = all_.phone("bob", CALLER_PORT)
        alice = all_.phone("alice", CALLEE_PORT)
        carol = all_.phone("carol", CAROL_PORT)
        all_.call(bob, "custom", BOB)
        all_.answer(alice, ALICE)
        all_.answered(bob, BOB)
        media_moved()
        yield all_, bob, alice, carol


def heard(capture: Capture, listener: int, speaker: int) -> list[Packet]:
    """List what of a speaker arrived at a listener, in order of arrival."""
    at_listener = (s for s in capture.arriving if s.destination.port == listener)
    packets = (p for stream in at_listener for p in stream.packets if p.talk and p.talk[0] == speaker)
    return sorted(packets, key=lambda packet: packet.at)


def forwarded_more(packets: int = 100) -> None:
    """Wait until the switch has forwarded so many packets more each way of the one call, from when that was the only one."""
    before: dict[str, Any] = {}

    def forwarded() -> bool:
        nonlocal before
        now, *others = control.calls() or [before]
        if others or now.get("call") != before.get("call") or not before:
            before = {} if others else now
            return False
        return all(count >= before["packets"][leg] + packets for leg, count in now["packets"].items())

    wait_until(forwarded, within=10, what=f"{packets} more packets each way")


def relayed_because(reason: str) -> None:
    wait_until(lambda: [call["reason"] for call in control.calls()] == [reason], within=10, what=reason)


def relayed_more(packets: int = 100) -> None:
    """Wait until Asterisk has received so many packets more of every leg there is, from when the last came or went."""

    def received() -> dict[str, int]:
        rows = map(json.loads, control.asterisk("asterisk2", "rtpstreams json").splitlines())
        return {row["channel_id"]: row["packets_rx"] for row in rows if row["glue"] != "none"}

    before = received()

    def relayed() -> bool:
        nonlocal before
        now = received()
        if now.keys() != before.keys():
            before = now
        return bool(now) and all(now[leg] >= before[leg] + packets for leg in now)

    wait_until(relayed, within=10, what=f"{packets} more packets each way")


def assert_hears(capture: Capture, listener: int, speaker: int, *, by_switch: bool = True) -> None:
    """The last second of what the listener heard of the speaker before the end is whole, and came all the same way.

    At the end Asterisk may still send on what comes after the flows are gone, until it has told the other of the hang-up.
    """
    end = max((m.at for m in capture.sip if m.start.startswith("BYE ") and not m.arrived), default=0.0)
    assert end
    packets = [packet for packet in heard(capture, listener, speaker) if packet.at < end]
    assert len(packets) >= 50, (listener, speaker, len(packets))
    numbers = [packet.talk[1] for packet in packets[-50:] if packet.talk]
    assert numbers == list(range(numbers[0], numbers[0] + 50)), numbers
    assert all(packet.by_switch == by_switch for packet in packets[-50:])


def assert_talk(capture: Capture, one: int, other: int, *, by_switch: bool = True) -> None:
    assert_hears(capture, one, other, by_switch=by_switch)
    assert_hears(capture, other, one, by_switch=by_switch)


def over() -> None:
    wait_until(lambda: not control.calls(), within=10, what="the call to end")
