"""What is said of the arguments of Dial(), with variables in them and without."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.dialplan.verdicts import Kind, Verdict, judge
from stasis_offload.signalling.dial_options import OPTIONS, Treatment

VALUES = {"TRUNK": "PJSIP/trunk", "OLD": "SIP/old", "OPTS": "g", "BOTH": "${TRUNK}&${OLD}", "LOOP": "${LOOP}"}


@pytest.mark.parametrize(
    "arguments",
    [
        "PJSIP/100",
        "PJSIP/100,30",
        "pjsip/100,30,g",
        "PJSIP/${EXTEN}@trunk,${TIMEOUT}",
        "PJSIP/${CUT(A,,1)}/sip:${EXTEN:1}@h,30",
        "PJSIP/a&PJSIP/b&,30",
        "${PJSIP_DIAL_CONTACTS(100)}",
        "${PJSIP_DIAL_CONTACTS(${EXTEN})}&PJSIP/b,30",
        "${TRUNK}/${EXTEN},30,${OPTS}",
        "${GLOBAL(TRUNK)}/${EXTEN}",
        "PJSIP/100,$[${A} + 10]",
        'PJSIP/100,"30"',
        "PJSIP/100,,",
    ],
)
def test_these_move(arguments: str) -> None:
    assert judge(arguments, VALUES) == Verdict(Kind.MOVES)


@pytest.mark.parametrize(
    "option", [option for option in OPTIONS.values() if option.treatment is Treatment.LEFT]
)
def test_an_option_that_is_left_to_dial_stands_against_it_with_its_reason(option: object) -> None:
    letter = str(option)[0]
    verdict = judge(f"PJSIP/100,30,g{letter}", {})
    assert verdict == Verdict(Kind.STAYS, (f"option {letter} ({OPTIONS[letter].text.rstrip('.')})",))


def test_options_that_share_a_reason_are_named_together() -> None:
    assert judge("PJSIP/100,,nN", {}).reasons == (f"options n, N ({OPTIONS['n'].text.rstrip('.')})",)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("PJSIP/1,,!", "Dial() has no option '!'"),
        ("PJSIP/1,,g(x", "the argument of option 'g' has no end"),
        ("SIP/100", "SIP/ (chan_sip left Asterisk in version 21; make the peer a PJSIP endpoint first)"),
        ("${OLD}/1", "SIP/ (chan_sip left Asterisk in version 21; make the peer a PJSIP endpoint first)"),
        ("${BOTH}/1", "SIP/ (chan_sip left Asterisk in version 21; make the peer a PJSIP endpoint first)"),
        ("PJSIP/1|20|g", "PJSIP/1|20|g: since Asterisk 1.6 a comma separates arguments, not `|`"),
        ("PJSIP/1,soon", "the timeout is not a number of seconds: 'soon'"),
        ("100", "a target is TECHNOLOGY/resource, not '100'"),
        ("", "there is no target to dial"),
        ("&,30", "there is no target to dial"),
    ],
)
def test_these_stay_and_the_reason_is_named(arguments: str, reason: str) -> None:
    assert judge(arguments, VALUES) == Verdict(Kind.STAYS, (reason,))


def test_a_url_stays() -> None:
    assert judge("PJSIP/1,30,g,http://x", {}).kind is Kind.STAYS


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("${ARG1}", "${ARG1} is a variable, which may hold options, too"),
        ("${LOOP}", "${LOOP} is a variable, which may hold options, too"),
        ("${ARG1},30", "the technology of ${ARG1} is in a variable"),
        ("${A}/${B},30", "the technology of ${A}/${B} is in a variable"),
        ("PJSIP/${A},30,${B}", "${B} is a variable, which may hold any option"),
        ("PJSIP/${A},30,g${IF($[${B}]?t)}", "${IF($[${B}]?t)} is a variable, which may hold any option"),
    ],
)
def test_of_these_nothing_is_known(arguments: str, reason: str) -> None:
    assert judge(arguments, VALUES) == Verdict(Kind.UNKNOWN, (reason,))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("DAHDI/g1/${EXTEN}", "DAHDI/ is not PJSIP (not-rtp)"),
        ("PJSIP/1&IAX2/b/1,30,g", "IAX2/ is not PJSIP (not-rtp)"),
        (
            "Local/1@agents/n",
            "Local/ has no RTP (not-rtp), unless the extension that it runs dials by OffloadDial() itself",
        ),
    ],
)
def test_other_channels_move_but_stay_relayed(arguments: str, reason: str) -> None:
    assert judge(arguments, {}) == Verdict(Kind.RELAYED, (reason,))


def test_what_is_certain_is_said_before_what_is_not() -> None:
    assert judge("${ARG1},30,p${B}", {}).kind is Kind.STAYS
    assert judge("DAHDI/1,30,${B}", {}).kind is Kind.UNKNOWN


@given(st.text('${}[](),"\\&/|^gt1A\U000f0000', max_size=60), st.text("${}A,", max_size=8))
def test_any_text_is_judged(arguments: str, value: str) -> None:
    verdict = judge(arguments, {"A": value})
    assert bool(verdict.reasons) or verdict.kind is Kind.MOVES
