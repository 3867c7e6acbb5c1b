"""Stasis(offload,…) means what Dial(…) means: judged by the SIP at both ends, and by what the dialplan reads after."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab import control
from lab.capture import Capture, SipMessage, captured
from lab.control import wait_until
from tests.support.observed import (
    Cdrs,
    bridged,
    hang_up_at_asterisk1,
    media_moved,
    more_packets,
    ringing,
)

CALLER = "custom"
# What Asterisk makes of cause 26 in a CANCEL (res_pjsip_rfc3326.c).
ANSWERED_ELSEWHERE = 'SIP;cause=200;text="Call completed elsewhere"'


@contextmanager
def dialled(arguments: str, *, trunk: str = "asterisk2") -> Iterator[Capture]:
    """Have asterisk1 call `custom`, which runs Stasis(offload,arguments); capture until the block has ended."""
    control.asterisk("asterisk2", f"dialplan set global LAB_ARGS {arguments}")
    with captured() as capture:
        control.originate(f"{CALLER}@{trunk}")
        yield capture


def responses(dialogue: list[SipMessage]) -> list[int]:
    """List the status codes of the answers to an INVITE, without 100 Trying."""
    codes = []
    for message in dialogue:
        status = re.match(r"SIP/2\.0 (\d{3})", message.start)
        if status and (message.header("CSeq") or "").endswith("INVITE") and status[1] != "100":
            codes.append(int(status[1]))
    return codes


def requests(dialogue: list[SipMessage], method: str) -> list[SipMessage]:
    return [message for message in dialogue if message.start.startswith(f"{method} ")]


def cause_of(message: SipMessage) -> int | None:
    """Read the Q.850 cause of a BYE or CANCEL (RFC 3326)."""
    found = re.search(r"Q\.850;cause=(\d+)", message.header("Reason") or "")
    return int(found[1]) if found else None


def no_call_left() -> None:
    wait_until(lambda: not control.calls() and not control.channels("asterisk1"), within=10, what="no call")


@pytest.mark.parametrize(
    ("arguments", "status", "cause", "answer"),
    [
        ("PJSIP/480@asterisk1", "NOANSWER", 19, 480),
        ("PJSIP/486@asterisk1", "BUSY", 17, 486),
        ("PJSIP/503@asterisk1", "CONGESTION", 34, 503),
        ("PJSIP/603@asterisk1", "CHANUNAVAIL", 21, 403),
        ("PJSIP/404@asterisk1", "CHANUNAVAIL", 1, 404),
        ("PJSIP/nobody", "CHANUNAVAIL", 3, 404),
        ("PJSIP/555@no-such-endpoint", "CHANUNAVAIL", 3, 404),
        ("PJSIP/180@asterisk1,1", "NOANSWER", None, None),
        ("PJSIP/486@asterisk1&PJSIP/404@asterisk1", "BUSY", None, None),
        ("PJSIP/486@asterisk1&PJSIP/180@asterisk1,1", "NOANSWER", None, None),
        ("PJSIP/nobody&PJSIP/503@asterisk1", "CONGESTION", 34, 503),
    ],
)
def test_a_failed_dial_sets_dialstatus_and_cause_and_the_dialplan_goes_on(
    cdrs: Cdrs, arguments: str, status: str, cause: int | None, answer: int | None
) -> None:
    with dialled(arguments) as capture:
        cdr = cdrs.last()
        no_call_left()
    assert (cdr["dialstatus"], cdr["stasisstatus"], cdr["lastapp"]) == (status, "SUCCESS", "Hangup")
    final = responses(capture.dialogue(CALLER))[-1]
    if cause is not None:
        assert int(cdr["cause"]) == cause
        assert final == answer
    else:
        assert final >= 400


@pytest.mark.parametrize(
    "arguments",
    ["nobody-knows", "PJSIP/555@asterisk1,soon", "PJSIP/555@asterisk1,10,p", "&,10"],
)
def test_a_bad_argument_is_refused_and_the_dialplan_goes_on(cdrs: Cdrs, arguments: str) -> None:
    with dialled(arguments):
        cdr = cdrs.last()
    assert (cdr["dialstatus"], cdr["lastapp"]) == ("INVALIDARGS", "Hangup")


def test_ringing_reaches_the_caller_before_the_answer() -> None:
    with dialled("PJSIP/200@asterisk1") as capture:
        media_moved()
    assert responses(capture.dialogue(CALLER)) == [180, 200]


def test_early_media_reaches_the_caller_before_the_answer() -> None:
    with dialled("PJSIP/183@asterisk1") as capture:
        media_moved()
    dialogue = capture.dialogue(CALLER)
    assert responses(dialogue) == [183, 200]
    answered = next(m.at for m in dialogue if m.start.startswith("SIP/2.0 200"))
    heard = sum(stream.between(0, answered) for stream in capture.arriving)
    assert heard >= 100, "two of the three seconds of early media"


def test_a_caller_that_cancels_has_the_callee_cancelled(cdrs: Cdrs) -> None:
    with dialled("PJSIP/180@asterisk1") as capture:
        ringing()
        hang_up_at_asterisk1("180", called=False)
        cdr = cdrs.last()
        no_call_left()
    assert cdr["dialstatus"] == "CANCEL"
    assert len(requests(capture.dialogue("180"), "CANCEL")) == 1


def test_the_first_of_several_targets_to_answer_wins_and_the_others_are_told_why() -> None:
    with dialled("PJSIP/180@asterisk1&PJSIP/200@asterisk1") as capture:
        media_moved()
        for node in ("asterisk1", "asterisk2"):
            wait_until(
                lambda node=node: len(control.channels(node)) == 2,  # type: ignore[misc] # mypy infers no type of a default
                within=10,
                what="the other to be cancelled",
            )
    cancel = requests(capture.dialogue("180"), "CANCEL")
    assert [message.header("Reason") for message in cancel] == [ANSWERED_ELSEWHERE]
    assert responses(capture.dialogue(CALLER)) == [180, 200]


def test_a_callee_that_hangs_up_has_the_caller_released_with_its_cause(cdrs: Cdrs) -> None:
    with dialled("PJSIP/555@asterisk1") as capture:
        media_moved()
        more_packets(50)
        hang_up_at_asterisk1("555", called=True)
        cdr = cdrs.last()
        no_call_left()
    bye = [message for message in requests(capture.dialogue(CALLER), "BYE") if message.arrived]
    assert [cause_of(message) for message in bye] == [16]
    assert (cdr["dialstatus"], cdr["lastapp"], cdr["cause"]) == ("ANSWER", "Stasis", "16")
    assert cdr["offload_status"] == "offloaded"
    assert int(cdr["offload_packets"]) > 50


def test_a_caller_that_hangs_up_has_the_callee_released(cdrs: Cdrs) -> None:
    with dialled("PJSIP/555@asterisk1") as capture:
        media_moved()
        more_packets(25)
        hang_up_at_asterisk1("555", called=False)
        cdr = cdrs.last()
        no_call_left()
    assert [cause_of(m) for m in requests(capture.dialogue("555"), "BYE") if m.arrived] == [16]
    assert (cdr["dialstatus"], cdr["offload_status"]) == ("ANSWER", "offloaded")


def test_with_option_g_the_caller_goes_on_in_the_dialplan_when_the_callee_hangs_up(cdrs: Cdrs) -> None:
    with dialled("PJSIP/5502@asterisk1,,g"):
        cdr = cdrs.last()
    assert (cdr["dialstatus"], cdr["lastapp"], cdr["cause"]) == ("ANSWER", "Hangup", "16")


def test_the_callee_sees_the_number_and_name_that_the_caller_gave() -> None:
    with dialled("PJSIP/555@asterisk1") as capture:
        media_moved()
    given, seen = (
        (requests(capture.dialogue(number), "INVITE")[0].header("From") or "").partition("@")[0]
        for number in (CALLER, "555")
    )
    assert seen == given
    assert given.endswith("<sip:100")


@pytest.mark.parametrize(
    ("trunk", "callee", "payload_type"), [("asterisk2-ulaw", "555", "0"), ("asterisk2-alaw", "711", "8")]
)
def test_the_callers_codec_is_offered_to_the_callee_first_so_that_nothing_is_transcoded(
    trunk: str, callee: str, payload_type: str
) -> None:
    with dialled(f"PJSIP/{callee}@asterisk1", trunk=trunk) as capture:
        media_moved()
    offer = requests(capture.dialogue(callee), "INVITE")[0].text
    audio = next(line for line in offer.splitlines() if line.startswith("m=audio"))
    assert audio.split()[3] == payload_type


def test_voicemail_answers_after_a_failed_dial(cdrs: Cdrs) -> None:
    with captured() as capture:
        control.originate("vm-486@asterisk2")
        wait_until(lambda: "VoiceMail" in running_on_node2(), within=10, what="voicemail to answer")
        control.hang_up_all()
    assert responses(capture.dialogue("vm-486"))[-1] == 200
    assert cdrs.last(having="dstchannel")["disposition"] == "BUSY"


def test_the_fork_of_the_sample_dialplan_connects_whoever_answers_first() -> None:
    control.originate("fork-200@asterisk2")
    media_moved()


def test_the_sample_dialplan_notes_in_the_cdr_what_carried_the_media(cdrs: Cdrs) -> None:
    control.originate("cdr-555@asterisk2")
    media_moved()
    more_packets(60)
    hang_up_at_asterisk1("555", called=True)
    cdr = cdrs.last(having="offload_status", within=15)
    assert (cdr["offload_status"], cdr["offload_reason"]) == ("offloaded", "")
    assert int(cdr["offload_packets"]) > 100


@pytest.mark.parametrize("callee", ["555", "5501", "180"])
def test_the_h_extension_of_the_calling_context_runs_as_after_dial(cdrs: Cdrs, callee: str) -> None:
    control.asterisk("asterisk2", f"dialplan set global LAB_ARGS PJSIP/{callee}@asterisk1")
    noted = {}
    for way in ("offload", "dial"):
        control.originate(f"h-{way}@asterisk2")
        if callee != "5501":  # which hangs up by itself
            if callee == "555":  # which answers
                bridged(2)
            else:
                ringing()
            hang_up_at_asterisk1(callee, called=False)
        no_call_left()
        noted[way] = cdrs.of(f"h-{way}")
    # ARI's set-variable takes the thread's right to SHELL() and the like away for good (res/stasis/control.c).
    assert noted["offload"]["stasisstatus"] == "with-h h argument allowed"
    keys = ("dialstatus", "cause", "stasisstatus")
    assert [noted["offload"][key] for key in keys] == [noted["dial"][key] for key in keys]


def test_nobody_is_dialled_for_a_caller_who_is_gone() -> None:
    control.asterisk("asterisk2", "dialplan set global LAB_ARGS PJSIP/555@asterisk1")
    with captured() as capture:
        for way in ("offload", "dial"):
            control.originate(f"gone-{way}@asterisk2")
            noted = f"LAB_GONE={way} CANCEL"
            wait_until(
                lambda noted=noted: noted in control.asterisk("asterisk2", "dialplan show globals"),  # type: ignore[misc] # mypy infers no type of a default
                within=10,
                what=noted,
            )
        no_call_left()
    assert not capture.dialogue("555")


def test_a_channel_without_a_dialplan_is_left_to_dial() -> None:
    originate = "channel originate PJSIP/557@asterisk1 application OffloadDial PJSIP/555@asterisk1"
    control.asterisk("asterisk2", originate)
    wait_until(lambda: "AppDial" in running_on_node2(), within=10, what="Dial() to have made the call")
    assert not control.calls()


def test_a_caller_that_comes_again_after_a_failed_dial_is_a_call_like_any_other() -> None:
    control.asterisk("asterisk2", "dialplan set global LAB_ARGS PJSIP/555@asterisk1")
    control.originate("twice@asterisk2", count=5)
    media_moved(5)


def test_an_option_that_the_application_has_not_is_left_to_dial() -> None:
    control.asterisk("asterisk2", "dialplan set global LAB_ARGS PJSIP/555@asterisk1,10,p")
    control.originate("either@asterisk2")
    wait_until(lambda: "AppDial" in running_on_node2(), within=10, what="Dial() to have made the call")
    assert not control.calls()


def running_on_node2() -> str:
    return control.asterisk("asterisk2", "core show channels concise")


def test_the_call_of_a_caller_whom_the_dialplan_has_answered_is_in_the_switch() -> None:
    control.asterisk("asterisk2", "dialplan set global LAB_ARGS PJSIP/555@asterisk1")
    control.originate("answered@asterisk2")
    media_moved()
