"""Each option of Dial() beside plain Dial(): what both parties see in SIP and hear, and what the dialplan reads after."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from lab import control
from lab.capture import Capture, SipMessage, captured
from lab.control import wait_until
from tests.support.observed import Cdrs, bridged, hang_up_at_asterisk1, media_moved

ENTRIES = ("plain", "custom")
GLOBALS = ("LAB_BEFORE", "LAB_ANSWERED", "LAB_AFTER")
DTMF = 101


@dataclass(frozen=True)
class Seen:
    """What is seen of one call from outside.

    `caller` are the responses to the caller's INVITE and what ends its dialog; `callees` what is sent to each number
    called, with its Reason; `heard` whether the caller heard something before the final response; `status`, `cause` are
    what the dialplan reads at the end, and `noted` the global variables that subroutines have set.
    """

    caller: tuple[str, ...]
    callees: tuple[tuple[str, ...], ...]
    heard: bool
    status: str
    cause: str
    noted: tuple[str, ...]


def call(entry: str) -> None:
    """Have asterisk1 call."""
    control.originate(f"{entry}@asterisk2")


def call_and_press(entry: str) -> None:
    """Have asterisk1 call and send the digit 5 as soon as it hears something."""
    control.asterisk("asterisk1", f"channel originate Local/press-{entry}@public application Wait 20")


def seen(
    entry: str,
    arguments: str,
    callees: tuple[str, ...],
    during: Callable[[], None] = lambda: None,
    begin: Callable[[str], None] = call,
) -> Seen:
    """Have asterisk1 call `entry`, which dials with these arguments, and observe the call to its end."""
    for name in GLOBALS:
        control.asterisk("asterisk2", f"dialplan set global {name} -")
    control.asterisk("asterisk1", "dialplan set global LAB_DIGITS -")
    control.asterisk("asterisk2", f'dialplan set global LAB_ARGS "{arguments}"')
    cdrs = Cdrs()
    with captured() as capture:
        begin(entry)
        during()
        cdr = cdrs.last()
        wait_until(
            lambda: not (control.calls() or control.channels("asterisk1") or control.channels("asterisk2")),
            within=10,
            what="no call",
        )
    dialogue = capture.dialogue(entry)
    return Seen(
        caller=tuple(filter(None, map(_arrived, dialogue))),
        callees=tuple(
            tuple(
                sent.replace(f":{entry}", ":dialled") for sent in map(_arrived, capture.dialogue(n)) if sent
            )
            for n in callees
        ),
        heard=heard_before_final(capture, dialogue) > 10,
        status=cdr["dialstatus"],
        cause=cdr["cause"],
        noted=(
            *(noted("asterisk2", name).replace(f"/{entry}/", "/dialled/") for name in GLOBALS),
            noted("asterisk1", "LAB_DIGITS"),
        ),
    )


def noted(service: str, name: str) -> str:
    """Return a global variable of an Asterisk."""
    rows = control.asterisk(service, "dialplan show globals")
    found = re.search(rf"^\s*{name}=(.*)$", rows, re.MULTILINE)
    return found[1] if found else ""


def _arrived(message: SipMessage) -> str | None:
    """Sum up a message that Asterisk 2 sent: a response to INVITE, or a request with its cause."""
    if not message.arrived or message.start.startswith("SIP/2.0 100"):
        return None
    if message.start.startswith("SIP/2.0"):
        return message.start.split()[1] if (message.header("CSeq") or "").endswith("INVITE") else None
    method = message.start.split()[0]
    if method == "INVITE":
        sender = re.match(r"[^;@]*", message.header("From") or "")
        return f"INVITE from {sender[0] if sender else ''}"
    reasons = [v for line in message.text.split("\r\n") if (v := line.removeprefix("Reason: ")) != line]
    return f"{method} {' '.join(reasons)}" if method in ("BYE", "CANCEL") else None


def heard_before_final(capture: Capture, dialogue: list[SipMessage]) -> int:
    """Count the audio packets that arrived at the caller before the final response to its INVITE."""
    invite = next(m for m in dialogue if m.start.startswith("INVITE"))
    port = re.search(r"^m=audio (\d+)", invite.text, re.MULTILINE)
    final = next(m for m in dialogue if re.match(r"SIP/2\.0 [2-6]", m.start) and m.arrived)
    assert port
    streams = (s for s in capture.arriving if s.destination.port == int(port[1]))
    return sum(packet.at < final.at and packet.payload_type != DTMF for s in streams for packet in s.packets)


def assert_as_dial(arguments: str, *callees: str, during: Callable[[], None] = lambda: None) -> Seen:
    """Assert that a call is by the application what it is by Dial(); return what was seen of it."""
    plain, ours = (seen(entry, arguments, callees, during) for entry in ENTRIES)
    assert ours == plain
    return ours


@pytest.mark.parametrize(
    ("callee", "options"),
    [
        ("180", "r"),
        ("180", "r(busy)"),
        ("180", "r(none)"),
        ("180", "m"),
        ("1830", "r"),
        ("1830", "R"),
        ("1830", "m(default)"),
        ("1830", ""),
    ],
)
def test_until_the_answer_the_caller_is_sent_what_dial_sends(callee: str, options: str) -> None:
    # What cancels the callee is another matter: ARI hangs up with a cause always, Dial() gives none at a timeout.
    call = assert_as_dial(f"PJSIP/{callee}@asterisk1,1,{options}")
    assert call.status == "NOANSWER"
    assert call.heard == (options[:1] == "m" or options == "r(busy)" or (callee == "1830" and options != "r"))


def test_a_call_whose_caller_rang_or_heard_music_is_offloaded_after_the_answer() -> None:
    for options in ("r", "m"):
        control.asterisk("asterisk2", f"dialplan set global LAB_ARGS PJSIP/555@asterisk1,,{options}")
        control.originate("custom@asterisk2")
    media_moved(2)


def test_with_c_a_target_that_does_not_answer_learns_that_another_did() -> None:
    call = assert_as_dial("PJSIP/180@asterisk1,1,c", "180")
    assert any("cause=26" in sent for sent in call.callees[0])


def test_with_q_the_others_learn_its_cause() -> None:
    call = assert_as_dial("PJSIP/180@asterisk1&PJSIP/200@asterisk1,,Q(NO_ANSWER)S(1)", "180", "200")
    assert any("cause=19" in sent for sent in call.callees[0])


@pytest.mark.parametrize("options", ["S(1)g", "S(1)r"])
def test_with_s_the_call_ends_so_long_after_the_answer(options: str) -> None:
    call = assert_as_dial(f"PJSIP/555@asterisk1,,{options}", "555")
    assert call.status == "ANSWER"


@pytest.mark.parametrize("others", ["", "&PJSIP/486@asterisk1"])
def test_with_small_d_a_digit_leads_the_caller_elsewhere_before_the_answer(others: str) -> None:
    arguments = f"PJSIP/1830@asterisk1{others},5,d"
    plain, ours = (seen(f"d-{entry}", arguments, ("1830",), begin=call_and_press) for entry in ENTRIES)
    # How much was heard until then depends on when the digit came.
    assert ours == replace(plain, heard=ours.heard)
    assert ours.noted[2] == "lab-exit/5/1/CANCEL/Ring"


@pytest.mark.parametrize(
    ("others", "options"),
    [
        ("", "B(lab-before^s^1(x))"),
        ("", "b(lab-before^s^1(x))"),
        ("&PJSIP/486@asterisk1", "o(77)b(lab-before^s^1)"),
    ],
)
def test_subroutines_before_dialling_run_with_what_dial_gives_them(others: str, options: str) -> None:
    call = assert_as_dial(f"PJSIP/5501@asterisk1{others},,{options}", "5501")
    assert call.noted[0].endswith("/inherited allowed")


def test_with_capital_c_the_cdr_begins_anew() -> None:
    for entry in ENTRIES:
        cdrs, begun = Cdrs(), time.time()
        control.asterisk("asterisk2", "dialplan set global LAB_ARGS PJSIP/5501@asterisk1,,C")
        control.originate(f"late-{entry}@asterisk2")
        # The call is a second older than the dialling.
        assert cdrs.last()["start"] > begun + 1, entry


@pytest.mark.parametrize(
    "options", ["f(4711)s(tag)b(lab-before^s^1(x))", "f(Some Body <4711>)", "f(4711)u(prohib)", "o(4711)"]
)
def test_the_callee_sees_the_identity_that_dial_shows(options: str) -> None:
    call = assert_as_dial(f"PJSIP/5501@asterisk1,,{options}", "5501")
    assert ("4711" in call.callees[0][0]) == ("f(" in options and "prohib" not in options)


def test_with_f_alone_where_a_call_is_forwarded_to_sees_the_dialled_extension() -> None:
    call = assert_as_dial("PJSIP/302-5501@asterisk1-uri,,f", "5501")
    assert call.callees[0][0] == "INVITE from <sip:dialled"


@pytest.mark.parametrize("options", ["D(12:34)a", "D(1w2)S(5)m"])
def test_with_d_digits_are_sent_before_the_two_are_bridged(options: str) -> None:
    call = assert_as_dial(f"PJSIP/digits-2@asterisk1,,{options}", "digits-2")
    assert call.noted[-1] == "12"


@pytest.mark.parametrize("options", ["A(tone)r", "A(tone:tone)a", "A(no-such-file)"])
def test_with_capital_a_files_are_played_before_the_two_are_bridged(options: str) -> None:
    assert_as_dial(f"PJSIP/5502@asterisk1,,{options}", "5502")


@pytest.mark.parametrize("result", ["", "BUSY", "ABORT", "GOTO", "GOTO:nowhere"])
def test_with_u_the_subroutine_decides_what_becomes_of_the_call(result: str) -> None:
    call = assert_as_dial(f"PJSIP/5501@asterisk1,,U(lab-answered^x^{result})", "5501")
    assert call.noted[1] == "x/Up/inherited"


def test_with_capital_g_both_go_on_in_the_dialplan() -> None:
    call = assert_as_dial("PJSIP/555@asterisk1,,G(lab-after^part^1)", "555")
    assert (call.noted[0], call.noted[2]) == ("Ring/ANSWER", "Up/inherited")


@pytest.mark.parametrize(
    ("arguments", "runs"), [("PJSIP/5501@asterisk1,,e", 1), ("PJSIP/486@asterisk1,,e", 0)]
)
def test_with_e_the_h_extension_runs_on_the_callee_that_answered_as_well(arguments: str, runs: int) -> None:
    plain, ours = (seen(f"e-{entry}", arguments, ("5501",)) for entry in ENTRIES)
    assert ours == plain
    assert ours.noted[2].count("/lab-e/h/") == runs
    assert ours.noted[2].endswith("allowed") == bool(runs)


@pytest.mark.parametrize("options", ["F(lab-after^s^1)", "F", "F(nolabel)"])
def test_with_capital_f_the_callee_goes_on_when_the_caller_hangs_up(options: str) -> None:
    def hang_up() -> None:
        bridged(2)
        hang_up_at_asterisk1("555", called=False)

    call = assert_as_dial(f"PJSIP/555@asterisk1,,{options}", "555", during=hang_up)
    assert call.noted[2].startswith("-" if "nolabel" in options else "Up/inherited")


@pytest.fixture
def limit_sounds() -> Iterator[None]:
    """Have the announcements of a time limit be `tone`, for both."""
    variables = {
        "WARNING_FILE": "tone",
        "CONNECT_FILE": "tone",
        "TIMEOUT_FILE": "tone",
        "PLAYAUDIO_CALLEE": "yes",
    }
    for name, value in variables.items():
        control.asterisk("asterisk2", f"dialplan set global LIMIT_{name} {value}")
    yield
    for name in variables:
        control.asterisk("asterisk2", f'dialplan set global LIMIT_{name} ""')


@pytest.mark.parametrize("options", ["L(1500)g", "L(2500:1500:700)"])
def test_with_capital_l_the_call_ends_after_its_time(options: str) -> None:
    call = assert_as_dial(f"PJSIP/555@asterisk1,,{options}", "555")
    assert call.status == "ANSWER"


@pytest.mark.usefixtures("limit_sounds")
def test_both_hear_the_announcements_of_a_time_limit() -> None:
    heard = {}
    for entry in ENTRIES:
        control.asterisk("asterisk2", "dialplan set global LAB_ARGS PJSIP/557@asterisk1,,L(3000:1000)")
        cdrs = Cdrs()
        with captured() as capture:
            control.originate(f"{entry}@asterisk2", application="Wait 20")
            cdr = cdrs.last(within=15)
        assert cdr["dialstatus"] == "ANSWER"
        # The parties say nothing: all that arrives is an announcement of half a second.
        heard[entry] = sum(len(stream.packets) for stream in capture.arriving)
    assert abs(heard["custom"] - heard["plain"]) <= 10, heard


@pytest.mark.usefixtures("limit_sounds")
def test_a_call_with_announcements_is_offloaded_between_them() -> None:
    control.asterisk("asterisk2", "dialplan set global LAB_ARGS PJSIP/555@asterisk1,,L(30000:24000)")
    control.originate("custom@asterisk2")
    media_moved()
    wait_until(lambda: control.calls()[0]["state"] == "relayed", within=10, what="the warning")
    media_moved()
