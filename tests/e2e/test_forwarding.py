"""A phone forwards (SIP 302): ours follows it as Dial() does, judged by SIP at all parties and what the dialplan reads."""

import re
from collections import Counter
from dataclasses import dataclass

import pytest

from lab import control
from lab.capture import Capture, SipMessage, captured
from lab.control import wait_until
from tests.support.observed import Cdrs, media_moved, more_packets

# Between a 302 and the INVITE to where it forwards (s): Dial() takes some hundredths, and a busy machine more; no timer is to be
# waited for.
RINGS_WITHIN = 3.0


@dataclass(frozen=True)
class Outcome:
    """What the parties saw, and the dialplan.

    `caller`: the responses to the caller's INVITE. `invited`: how often each number was called, with the Diversion of it;
    the caller's own extension is written as `caller`. `cancelled`: how often each was cancelled.
    """

    caller: list[str]
    invited: Counter[tuple[str, str | None]]
    cancelled: Counter[str]
    dialstatus: str
    cause: str


def number_of(message: SipMessage) -> str:
    return message.start.partition("sip:")[2].partition("@")[0]


def outcome(cdrs: Cdrs, number: str, arguments: str, *, answered: bool) -> tuple[Outcome, Capture]:
    """Call a number that dials as the arguments say; an answered call ends when it is known to be answered."""
    control.asterisk("asterisk2", f"dialplan set global LAB_ARGS {arguments}")
    with captured() as capture:
        control.originate(f"{number}@asterisk2")
        if answered:
            wait_until(up, within=10, what="an answer at both ends")
            control.hang_up_all()
        cdr = cdrs.last()
        wait_until(
            lambda: not control.calls() and not control.channels("asterisk1"), within=10, what="the end"
        )
    invites = [m for m in capture.sip if m.start.startswith("INVITE ")]
    seen = Outcome(
        caller=[
            m.start.split()[1]
            for m in capture.dialogue(number)
            if m.arrived and m.start.startswith("SIP/2.0 ") and "INVITE" in (m.header("CSeq") or "")
        ],
        invited=Counter((number_of(m), diversion_of(m, number)) for m in invites if m.arrived),
        cancelled=Counter(number_of(m) for m in capture.sip if m.start.startswith("CANCEL ")),
        dialstatus=cdr["dialstatus"],
        cause=cdr["cause"],
    )
    return seen, capture


def diversion_of(message: SipMessage, caller: str) -> str | None:
    """Read the number and the reason of a Diversion header (RFC 5806)."""
    found = re.match(r"<sip:([^@]*)@[^>]*>;reason=(\S+)", message.header("Diversion") or "")
    return f"{found[1].replace(caller, 'caller')};{found[2]}" if found else None


def up() -> bool:
    rows = control.asterisk("asterisk1", "core show channels concise").splitlines()
    return len(rows) >= 2 and all("!Up!" in row for row in rows if "!" in row)


@pytest.mark.parametrize(
    ("arguments", "answered", "dialstatus"),
    [
        ("PJSIP/302-dial-556@asterisk1,20", True, "ANSWER"),
        ("PJSIP/302-556@asterisk1-uri,20", True, "ANSWER"),
        ("PJSIP/302-dial-556@asterisk1&PJSIP/180@asterisk1,20", True, "ANSWER"),
        ("PJSIP/302-dial-486@asterisk1&PJSIP/486@asterisk1,20", False, "BUSY"),
        ("PJSIP/302-dial-486@asterisk1,20", False, "BUSY"),
        ("PJSIP/302-180@asterisk1,1", False, "NOANSWER"),
        ("PJSIP/302-nowhere@asterisk1,20", False, "CHANUNAVAIL"),
        ("PJSIP/302-556@asterisk1,20,i", False, "BUSY"),
        ("PJSIP/302-556@asterisk1&PJSIP/404@asterisk1,20,i", False, "BUSY"),
        ("PJSIP/302-556@asterisk1-uri,20,I", True, "ANSWER"),
    ],
)
def test_a_call_that_is_forwarded_ends_as_with_dial(
    cdrs: Cdrs, arguments: str, dialstatus: str, *, answered: bool
) -> None:
    ours, capture = outcome(cdrs, "custom", arguments, answered=answered)
    theirs, _ = outcome(cdrs, "plain", arguments, answered=answered)
    assert ours == theirs
    assert ours.dialstatus == dialstatus
    assert "302" not in ours.caller
    moved = next(m.at for m in capture.sip if m.start.startswith("SIP/2.0 302"))
    calls = [m.at for m in capture.sip if m.start.startswith("INVITE ") and m.header("Diversion")]
    assert not calls or calls[0] - moved < RINGS_WITHIN


@pytest.mark.parametrize("number", ["custom", "plain"])
def test_with_z_a_call_that_is_forwarded_rings_on_after_the_timeout(cdrs: Cdrs, number: str) -> None:
    control.asterisk(
        "asterisk2", "dialplan set global LAB_ARGS PJSIP/302-180@asterisk1&PJSIP/200@asterisk1,1,z"
    )
    control.originate(f"{number}@asterisk2")
    # 200 answers after two seconds.
    wait_until(up, within=10, what="an answer at both ends")
    control.hang_up_all()
    assert cdrs.last()["dialstatus"] == "ANSWER"


@pytest.mark.parametrize(
    ("arguments", "called"),
    [
        # [lab-forwards] has 180, and calls 556 for it.
        ("PJSIP/302-180@asterisk1-context,20", ("556", "caller;unknown")),
        ("PJSIP/twice-dial-556@asterisk1,20", ("556", "4711;user-busy")),
        ("PJSIP/302-dial-556@asterisk1,20", ("556", "caller;unknown")),
    ],
)
def test_what_the_phone_that_forwards_says_of_it_is_read_as_by_dial(
    cdrs: Cdrs, arguments: str, called: tuple[str, str | None]
) -> None:
    ours, _ = outcome(cdrs, "ours", arguments, answered=True)
    theirs, _ = outcome(cdrs, "plain", arguments, answered=True)
    assert ours == theirs
    assert called in ours.invited


@pytest.mark.parametrize("number", ["custom", "ours", "plain"])
def test_a_number_is_looked_for_in_forward_context(cdrs: Cdrs, number: str) -> None:
    seen, _ = outcome(cdrs, f"fwd-{number}", "PJSIP/302-180@asterisk1,20", answered=True)
    assert seen.dialstatus == "ANSWER"
    assert [called for called, _ in seen.invited] == ["302-180", "556"]


@pytest.mark.parametrize("number", ["custom", "plain"])
def test_a_loop_of_forwards_ends(cdrs: Cdrs, number: str) -> None:
    seen, _ = outcome(cdrs, number, f"PJSIP/302-{number}@asterisk1,20", answered=False)
    assert sum(seen.invited.values()) == 20
    assert seen.dialstatus != "ANSWER"


def test_a_call_forwarded_to_an_extension_of_ours_is_in_the_switch() -> None:
    control.asterisk("asterisk2", "dialplan set global LAB_ARGS PJSIP/302-556@asterisk1,20")
    control.originate("custom@asterisk2")
    media_moved()
    more_packets(25)
