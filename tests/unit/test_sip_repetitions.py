"""What the lab takes for one SIP message that was sent more than once."""

from lab.capture import SipMessage, once


def message(start: str, *, arrived: bool, sequence: str = "1 INVITE", tag: str = "") -> SipMessage:
    return SipMessage(0.0, arrived, f"{start}\r\nCall-ID: a\r\nCSeq: {sequence}\r\nTo: <sip:a>{tag}\r\n\r\n")


INVITE = message("INVITE sip:a SIP/2.0", arrived=False)
RINGING = message("SIP/2.0 180 Ringing", arrived=True)
ANSWER = message("SIP/2.0 200 OK", arrived=True)


def test_a_request_and_a_final_response_that_come_again_are_left_out() -> None:
    bye = message("BYE sip:a SIP/2.0", arrived=True, sequence="2 BYE")
    assert once([INVITE, INVITE, ANSWER, ANSWER, bye, bye]) == [INVITE, ANSWER, bye]


def test_what_differs_in_a_header_or_goes_the_other_way_is_another_message() -> None:
    other = message("SIP/2.0 200 OK", arrived=True, tag=";tag=b")
    back = message("SIP/2.0 200 OK", arrived=False)
    assert once([ANSWER, other, back]) == [ANSWER, other, back]


def test_a_provisional_response_may_be_the_same_twice_unless_a_request_that_came_again_has_brought_it() -> (
    None
):
    assert once([INVITE, RINGING, RINGING]) == [INVITE, RINGING, RINGING]
    assert once([INVITE, RINGING, INVITE, RINGING]) == [INVITE, RINGING]
    assert once([INVITE, RINGING, INVITE, RINGING, RINGING]) == [INVITE, RINGING, RINGING]
