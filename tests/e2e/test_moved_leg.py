"""A leg is moved by another program, or by a transfer that is not the usual one; beside plain Dial()."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import time
from urllib.parse import quote

import pytest

from lab import control
from lab.capture import NODE2
from lab.control import wait_until
from tests.support.ami import ami
from tests.support.beside_dial import told
from tests.support.edge_call import dialog_of
from tests.support.observed import media_moved
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
    relayed_more,
)
from tests.support.phone import CALLEE_PORT, CALLER_PORT, Phone, sdp

CONSULTING_PORT = 5085
CONSULTING = 46000
DAVE_PORT = 5086
DAVE = 48000


@dataclass
class Move:
    """Bob has called Alice, Carol waits; what each was told of what follows."""

    party: Party
    switched: bool
    bob: Phone
    alice: Phone
    carol: Phone
    told: dict[str, list[str]] = field(default_factory=dict)

    def settle(self) -> None:
        """Wait until the media goes its way for a while: by the switch, or by Asterisk if the call is Dial()'s."""
        if self.switched:
            media_moved()
            forwarded_more(60)
        else:
            relayed_more(60)


def moved(action: Callable[[Move], None]) -> tuple[Move, Move]:
    """Play a move in a call of ours and in one of Dial(); return both."""
    ours, dial = (_play(action, number) for number in ("custom", "plain"))
    return ours, dial


def _play(action: Callable[[Move], None], number: str) -> Move:
    with party() as all_:
        ports = {"bob": CALLER_PORT, "alice": CALLEE_PORT, "carol": CAROL_PORT}
        bob, alice, carol = (all_.phone(name, port) for name, port in ports.items())
        move = Move(all_, number == "custom", bob, alice, carol)
        all_.call(move.bob, number, BOB)
        all_.answer(move.alice, ALICE)
        all_.answered(move.bob, BOB)
        move.settle()
        begun = time()
        action(move)
        wait_until(lambda: not alice.transfers, within=5, what="Alice to be told of the end of the transfer")
        move.told = {phone.name: told(phone.messages, since=begun) for phone in (bob, alice, carol)}
    return move


def channels() -> list[str]:
    """List the channels of the one call there is, the caller's first."""
    return sorted(control.channels("asterisk2"))


def by_ami(move: Move) -> None:
    """Another program transfers Bob, whom Alice's channel is bridged to; she is hung up."""
    exten = "target" if move.switched else "dial-target"
    ami(Action="BlindTransfer", Channel=channels()[1], Context="from-asterisk1", Exten=exten)
    move.alice.ended()
    move.party.answer(move.carol, CAROL)
    move.settle()
    move.carol.hang_up()
    move.bob.ended()
    over()


def semi_attended(move: Move) -> None:
    """Alice transfers Bob to Carol, whom she has called, before Carol answers."""
    consulting = move.party.phone("consulting", CONSULTING_PORT)
    move.party.call(consulting, "target" if move.switched else "dial-target", CONSULTING)
    move.carol.invited()
    move.carol.progress(sdp(CAROL))
    ringing(consulting)
    move.alice.refer(f"<sip:target@{NODE2}?Replaces={quote(dialog_of(consulting), safe='')}>")
    move.alice.hang_up()
    move.carol.answer(sdp(CAROL))
    move.party.speak(move.carol, CAROL)
    move.settle()
    move.carol.hang_up()
    move.bob.ended()
    over()


def ringing(phone: Phone) -> None:
    wait_until(
        lambda: any(message.start.startswith("SIP/2.0 18") for message in phone.messages),
        within=5,
        what="to be told that it rings",
    )


def held_first(move: Move) -> None:
    """Alice holds Bob, and transfers him to Carol."""
    assert " 200 " in move.alice.reinvite(sdp(ALICE, direction="sendonly")).start
    move.alice.refer(f"<sip:{'target' if move.switched else 'dial-target'}@{NODE2}>")
    move.alice.hang_up()
    move.party.answer(move.carol, CAROL)
    move.settle()
    move.carol.hang_up()
    move.bob.ended()
    over()


@pytest.mark.parametrize(
    "transfer", [by_ami, semi_attended, held_first], ids=["by AMI", "semi-attended", "from a hold"]
)
def test_a_party_that_is_transferred_talks_to_the_target_as_after_dial(
    transfer: Callable[[Move], None],
) -> None:
    ours, dial = moved(transfer)
    assert in_any_order(ours) == in_any_order(dial)
    assert_talk(ours.party.capture, BOB, CAROL)
    assert_talk(dial.party.capture, BOB, CAROL, by_switch=False)


def in_any_order(move: Move) -> dict[str, list[str]]:
    """Return what the phones were told; what two of Asterisk's threads send comes in any order."""
    return {name: sorted(messages) for name, messages in move.told.items()}


def test_a_transferred_party_whose_target_is_picked_up_talks_to_whoever_did_it() -> None:
    ours, dial = moved(picked_up)
    assert in_any_order(ours) == in_any_order(dial)
    assert_talk(ours.party.capture, BOB, DAVE)
    assert_talk(dial.party.capture, BOB, DAVE, by_switch=False)


def picked_up(move: Move) -> None:
    """Alice transfers Bob to Carol, for whom Dave answers."""
    move.alice.refer(f"<sip:{'target' if move.switched else 'dial-target'}@{NODE2}>")
    move.alice.hang_up()
    move.carol.invited()
    [ringing_] = [name for name in channels() if name.startswith("PJSIP/")][-1:]
    control.asterisk("asterisk2", f"dialplan set global LAB_PICK {ringing_}")
    dave = move.party.phone("dave", DAVE_PORT)
    move.party.call(dave, "pick", DAVE)
    move.party.answered(dave, DAVE)
    move.settle()
    dave.hang_up()
    move.bob.ended()
    over()
