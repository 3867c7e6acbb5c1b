"""Carol picks up what rings at alice. As with Dial(), bob and she talk, and the others learn that it was answered elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from lab import control
from lab.capture import SipMessage, captured
from tests.support.edge_call import replacing
from tests.support.observed import Cdrs, media_moved
from tests.support.party import (
    ALICE,
    BOB,
    CAROL,
    CAROL_PORT,
    Party,
    assert_hears,
    assert_talk,
    forwarded_more,
    over,
    party,
    relayed_more,
)
from tests.support.phone import CALLEE_PORT, CALLER_PORT, Phone, sdp

ALONE = "PJSIP/alice@phone,20"
FORK = "PJSIP/alice@phone&PJSIP/180@asterisk1,20"


@dataclass(frozen=True)
class Outcome:
    """What the parties saw, and the dialplan: bob's final response, the reasons of the CANCELs, DIALSTATUS and cause."""

    bob: str
    alice: list[str | None]
    others: list[str | None]
    dialstatus: str
    cause: str


@contextmanager
def picked_up(by: str, all_: Party, alice: Phone) -> Iterator[int]:
    """Let somebody take the call that rings at alice; yield whom bob hears."""
    if by == "replaces":
        alice.progress(sdp(ALICE))
        [invite] = [m for m in alice.messages if m.start.startswith("INVITE ")]
        call, asterisks = invite.header("Call-ID"), (invite.header("From") or "").partition("tag=")[2]
        with replacing(f"{call};to-tag={asterisks};from-tag={call}"):  # the phone's tag is its Call-ID
            control.originate("556@asterisk2", application="Echo")
            yield BOB
        return
    rows = [
        row.split("!") for row in control.asterisk("asterisk2", "core show channels concise").splitlines()
    ]
    [ringing] = [
        row[0] for row in rows if row[0].startswith("PJSIP/phone-") and row[4] in ("Down", "Ringing")
    ]
    control.asterisk("asterisk2", f"dialplan set global LAB_PICK {ringing}")
    carol = all_.phone("carol", CAROL_PORT)
    all_.call(carol, by, CAROL)
    all_.answered(carol, CAROL)
    yield CAROL


def outcome(cdrs: Cdrs, number: str, dials: str, by: str, *, switched: bool) -> Outcome:
    """Have somebody pick up bob's call, and return what came of it; bob and whoever it was hear each other."""
    with captured() as asterisk1, party(callee=dials) as all_:
        bob, alice = all_.phone("bob", CALLER_PORT), all_.phone("alice", CALLEE_PORT)
        all_.call(bob, number, BOB)
        alice.invited()
        with picked_up(by, all_, alice) as heard:
            all_.answered(bob, BOB)
            if switched:
                media_moved()
                forwarded_more()
            else:
                relayed_more()
            [answer] = [
                m.start
                for m in bob.messages
                if m.start.startswith("SIP/2.0 2") and "INVITE" in (m.header("CSeq") or "")
            ]
            cancels = [reason(m) for m in alice.messages if m.start.startswith("CANCEL ")]
            bob.hang_up()
            cdr = cdrs.last()
            over()
    if heard == CAROL:
        assert_talk(all_.capture, BOB, CAROL, by_switch=switched)
    else:
        assert_hears(all_.capture, BOB, BOB, by_switch=switched)
    others = [reason(m) for m in asterisk1.dialogue("180") if m.start.startswith("CANCEL ")]
    return Outcome(answer, cancels, others, cdr["dialstatus"], cdr["cause"])


def reason(message: SipMessage) -> str | None:
    return message.header("Reason")


@pytest.mark.parametrize(
    ("dials", "by"),
    [(ALONE, "pick"), (ALONE, "pick-group"), (ALONE, "replaces"), (FORK, "pick"), (FORK, "replaces")],
)
def test_a_pickup_is_as_with_dial_and_the_call_is_in_the_switch(cdrs: Cdrs, dials: str, by: str) -> None:
    ours = outcome(cdrs, "custom", dials, by, switched=True)
    theirs = outcome(cdrs, "plain", dials, by, switched=False)
    if by == "replaces":
        # Dial() tells alice no cause; ours says that the call is answered elsewhere where Asterisk leaves it to us.
        assert [len(cancels.alice) for cancels in (ours, theirs)] == [1, 1]
        ours = replace(ours, alice=theirs.alice)
    assert ours == theirs
    assert (ours.bob, ours.dialstatus) == ("SIP/2.0 200 OK", "ANSWER")
