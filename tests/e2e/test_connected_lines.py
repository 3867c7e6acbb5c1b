"""Asterisk tells both parties of several calls at once who they are connected to, by re-INVITE; beside plain Dial()."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from time import time

from lab import control
from lab.capture import Capture, captured
from lab.talker_client import talker
from tests.support.beside_dial import told
from tests.support.observed import media_moved, more_packets
from tests.support.phone import CALLEE_PORT, EDGE, Phone, sdp

CALLS = 3
# More of them in a minute than media.returns_per_minute.
ROUNDS = 4


@dataclass
class Pair:
    """A call of Bob's and Alice's; the port of each one's media is also its voice's SSRC."""

    phones: tuple[Phone, Phone]
    media: tuple[int, int]
    told: list[list[str]] = field(default_factory=list)


@contextmanager
def pairs(number: str) -> Iterator[tuple[list[Pair], Capture]]:
    with captured("edge") as capture, talker() as voices, ExitStack() as stack:
        calls = []
        for n in range(CALLS):
            ports = (CALLEE_PORT + 10 * n + 1, CALLEE_PORT + 10 * n + 2)
            bob, alice = (
                stack.enter_context(Phone(f"{name}{n}", port=port, knows_update=False))
                for name, port in zip(("bob", "alice"), ports, strict=True)
            )
            pair = Pair((bob, alice), (40000 + 100 * n, 42000 + 100 * n))
            target = f"PJSIP/phone-names/sip:alice@{EDGE}:{ports[1]}"
            control.asterisk("asterisk2", f"dialplan set global LAB_ARGS {target}")
            bob.call(number, sdp(pair.media[0]), user="names")
            alice.invited()
            alice.answer(sdp(pair.media[1]))
            assert " 200 " in bob.answered().start
            if number == "custom":  # Asterisk tells her after the answer, too (README, Limits)
                alice.invited()
                alice.answer(sdp(pair.media[1]))
            for phone, port in zip(pair.phones, pair.media, strict=True):
                voices.set(phone.name, from_=f"{EDGE}:{port}", to=phone.media, ssrc=port)
            calls.append(pair)
        yield calls, capture


def names_told(calls: list[Pair]) -> None:
    """Have Asterisk send a re-INVITE to every phone at once, and let each answer."""
    channels = control.channels("asterisk2")
    command = 'for c in $0; do asterisk -rx "dialplan set chanvar $c CONNECTEDLINE(num) $1"; done'
    for turn in range(ROUNDS):
        control.execute("asterisk2", "sh", "-c", command, " ".join(channels), str(4711 + turn))
        for pair in calls:
            for phone, port in zip(pair.phones, pair.media, strict=True):
                phone.invited()
                phone.answer(sdp(port))


def played(number: str) -> tuple[list[Pair], Capture, float, float]:
    """Return the calls, what was heard of them, and from when to when they were told names."""
    with pairs(number) as (calls, capture):
        if number == "custom":
            media_moved(CALLS)
            more_packets(25)
        begun = time()
        names_told(calls)
        if number == "custom":
            assert [call["state"] for call in control.calls()] == ["offloaded"] * CALLS
            more_packets(25)
        ended = time()
        for pair in calls:
            pair.told = [told(phone.messages, since=begun) for phone in pair.phones]
    return calls, capture, begun, ended


def test_several_calls_whose_parties_are_told_a_new_name_at_once_stay_in_the_switch() -> None:
    ours, capture, begun, ended = played("custom")
    dial, _, _, _ = played("plain")
    assert [pair.told for pair in ours] == [pair.told for pair in dial]
    for pair in ours:
        for port in pair.media:
            said = [p.talk for p in capture.said(port) if begun <= p.at < ended - 0.2]
            heard = [p for p in capture.heard(port) if begun <= p.at < ended]
            assert said
            assert {p.talk for p in heard} >= set(said)
            assert all(p.by_switch for p in heard)
