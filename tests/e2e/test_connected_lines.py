"""Asterisk tells both parties of several calls at once who they are connected to, by re-INVITE; beside plain Dial()."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from time import time

import pytest

from lab import control
from lab.capture import NODE2, Capture, captured
from lab.talker_client import talker
from tests.support.beside_dial import told
from tests.support.observed import media_moved, more_packets, passed_the_switch
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
        passed_the_switch()
        for pair in calls:
            pair.told = [told(phone.messages, since=begun) for phone in pair.phones]
    return calls, capture, begun, ended


def test_several_calls_whose_parties_are_told_a_new_name_at_once_stay_in_the_switch() -> None:
    ours, capture, begun, ended = played("custom")
    dial, _, _, _ = played("plain")
    assert [pair.told for pair in ours] == [pair.told for pair in dial]
    for pair in ours:
        for port in pair.media:
            said = [p.talk for p in capture.said(port) if begun <= p.at < ended]
            heard = capture.heard(port)
            assert said
            assert {p.talk for p in heard} >= set(said)
            assert all(p.by_switch for p in heard if begun <= p.at < ended)


def identities(number: str, arguments: str, *, callee: str = "phone-names") -> list[list[str]]:
    """Return what Bob and Alice are told of each other in a call, until both are told another number."""
    ports = (CALLEE_PORT + 1, CALLEE_PORT + 2)
    with ExitStack() as stack:
        bob, alice = (
            stack.enter_context(Phone(name, port=port, knows_update=False))
            for name, port in zip(("bob", "alice"), ports, strict=True)
        )
        target = f"PJSIP/{callee}/sip:alice@{EDGE}:{ports[1]}"
        control.asterisk("asterisk2", f"dialplan set global LAB_ARGS {arguments.format(target)}")
        bob.call(number, sdp(40000), user="names")
        alice.invited()
        alice.progress(sdp(42000))
        # An answer that comes before Bob's 183 has been written puts its name into that too.
        bob.alerted()
        alice.answer(sdp(42000))
        assert " 200 " in bob.answered().start
        for channel in control.channels("asterisk2"):
            control.asterisk("asterisk2", f"dialplan set chanvar {channel} CONNECTEDLINE(num) 4711")
        for phone, port in ((bob, 40000), (alice, 42000)):
            told_number = False
            while not told_number:
                told_number = "4711" in (phone.invited().header("P-Asserted-Identity") or "")
                phone.answer(sdp(port))
        dialled = number.removeprefix("named-")
        # Whether a 180 of option r has an identity depends on which thread is faster.
        return [
            [
                re.sub("180 INVITE.*", "180 INVITE", words).replace(f":{dialled}@", ":dialled@")
                for words in heard
            ]
            for heard in (told(phone.messages, since=0) for phone in (bob, alice))
        ]


@pytest.mark.parametrize("arguments", ["{}", "{},,I", "{},,r"])
def test_the_parties_are_told_of_each_other_what_dial_tells_them(arguments: str) -> None:
    ours, dial = (identities(number, arguments) for number in ("custom", "plain"))
    assert ours == dial


@pytest.mark.parametrize(
    ("options", "told_in"),
    [("", f"200 INVITE <sip:dialled@{NODE2}>"), ("I", "200 INVITE")],
    ids=["", "I"],
)
def test_a_caller_of_several_is_told_at_the_answer_who_answered(options: str, told_in: str) -> None:
    ours, dial = (
        identities(number, f"{{}}&PJSIP/486@asterisk1,,{options}") for number in ("custom", "plain")
    )
    # As a rule Asterisk repeats to Dial()'s caller by re-INVITE what the 200 said (docs/dial.md).
    repeated = [word for word in dial[0] if word == told_in.replace("200 ", "")]
    assert [ours[0], repeated, ours[1]] == [[w for w in dial[0] if w not in repeated], repeated, dial[1]]
    assert told_in in ours[0]


@pytest.mark.parametrize(
    ("callee", "told_in"),
    [("phone-named", '"Alice" <sip:4321'), ("phone-names", '"Given" <sip:dialled')],
    ids=["its-own", "the-dialplans"],
)
def test_a_name_that_the_dialplan_gives_is_told_of_a_callee_without_one(callee: str, told_in: str) -> None:
    ours, dial = (
        identities(f"named-{number}", "{}&PJSIP/486@asterisk1", callee=callee)
        for number in ("custom", "plain")
    )
    [answer] = [words for words in ours[0] if words.startswith("200 ")]
    assert answer in dial[0]
    assert told_in in answer


def told_by_a_number(number: str) -> list[str]:
    """Return what Bob is told in a call with option I that is forwarded (302) to a number of the dialplan."""
    control.asterisk("asterisk2", "dialplan set global LAB_ARGS PJSIP/302-dial-556@asterisk1,20,I")
    with Phone("bob", port=CALLEE_PORT + 1, knows_update=False) as bob:
        bob.call(number, sdp(40000), user="names")
        assert " 200 " in bob.answered().start
        return [words for words in told(bob.messages, since=0) if words.startswith("200 ")]


def test_with_capital_i_a_caller_is_told_at_the_answer_where_a_number_was_forwarded_to() -> None:
    ours, dial = (told_by_a_number(number) for number in ("custom", "plain"))
    assert ours == dial
    assert "<sip:" in ours[0]
