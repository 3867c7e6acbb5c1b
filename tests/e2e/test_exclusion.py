"""Calls that the operator keeps out of the switch, or lets in: by OFFLOAD, and by rules that change while they are up."""

import pytest

from lab import control
from lab.control import wait_until
from tests.support.applications import application, reload
from tests.support.edge_call import (
    ALICE,
    ALICE_PORT,
    BOB,
    BOB_PORT,
    UNDER_WAY,
    Conversation,
    assert_by_asterisk,
    assert_carried,
    assert_returned,
    assert_whole,
    dialog_of,
    phones,
    replacing,
)
from tests.support.observed import Cdrs
from tests.support.phone import sdp


def connect(call: Conversation, *, number: str = "custom", user: str = "bob") -> None:
    call.connect(sdp(BOB_PORT), sdp(ALICE_PORT), number=number, user=user)
    call.speak()


def media_of_another_call_moved() -> None:
    """Begin a call between asterisk1's endpoints, and wait until the switch carries it."""
    control.originate("555@asterisk2")
    wait_until(
        lambda: "offloaded" in [call["state"] for call in control.calls()],
        within=15,
        what="the other call to be offloaded",
    )


def assert_stayed_with_asterisk(call: Conversation, start: float, end: float) -> None:
    for speaker in (BOB, ALICE):
        assert_whole(call.capture, speaker, start, end)
        assert_by_asterisk(call.capture, speaker, start, end)
    assert not any(
        packet.by_switch and packet.talk and packet.talk[0] in (BOB, ALICE)
        for stream in call.capture.arriving
        for packet in stream.packets
    )


def test_a_caller_whose_dialplan_says_no_stays_with_asterisk_beside_a_call_that_is_offloaded(
    cdrs: Cdrs,
) -> None:
    with phones() as call:
        connect(call, number="opted-out")
        start = call.relayed("excluded-variable")
        media_of_another_call_moved()
        assert control.offload("offload", control.calls()[0]["call"])  # an operator cannot lift it
        end = call.passed(1)
        assert call.relayed("excluded-variable")
        call.bob.hang_up()
        cdr = cdrs.last()
    assert (cdr["offload_status"], cdr["offload_reason"]) == ("relayed", "excluded-variable")
    assert_stayed_with_asterisk(call, start, end)


def test_the_next_process_and_a_replaced_caller_are_held_to_the_variable_too() -> None:
    with phones() as call:
        connect(call, number="opted-out")
        call.relayed("excluded-variable")
        restart()
        start = call.relayed("excluded-variable")
        end = call.passed(0.5)
        with replacing(dialog_of(call.bob)):
            control.originate("556@asterisk2")
            call.bob.ended()
        wait_until(
            lambda: "asterisk1" in str(control.calls()[0]["caller"]),
            within=10,
            what="the caller to be replaced",
        )
        call.relayed("excluded-variable")
        restart()
        call.relayed("excluded-variable")
    assert_stayed_with_asterisk(call, start, end)


def restart() -> None:
    control.stop("offload", kill=True)
    control.start("offload")


@pytest.mark.parametrize("excluded", ["caller", "callee"])
def test_an_excluded_endpoint_stays_with_asterisk_beside_a_call_that_is_offloaded(
    excluded: str, cdrs: Cdrs
) -> None:
    with phones(callee="phone-excluded" if excluded == "callee" else "phone") as call:
        connect(call, user="excluded" if excluded == "caller" else "bob")
        start = call.relayed("excluded-policy")
        media_of_another_call_moved()
        end = call.passed(1)
        call.passed(UNDER_WAY)
        call.bob.hang_up()
        cdr = cdrs.last()
    assert (cdr["offload_status"], cdr["offload_reason"]) == ("relayed", "excluded-policy")
    assert_stayed_with_asterisk(call, start, end)


# No call of a test is among these: one of a million is.
NONE = '[[policy]]\noffload = "0.0001%"'


def test_of_a_share_the_calls_that_are_not_in_it_stay_with_asterisk_and_explain_says_so() -> None:
    with application(more=NONE), phones() as call:
        connect(call)
        start = call.relayed("excluded-share")
        said = control.offload("explain", control.calls()[0]["call"])
        end = call.passed(1)
        call.passed(UNDER_WAY)
        call.bob.hang_up()
    assert "compared: policy 2 (the default) is 0.0001%, and the call is at " in said
    assert_stayed_with_asterisk(call, start, end)


def test_a_caller_whose_dialplan_says_yes_is_offloaded_by_default_but_not_against_a_rule_that_says_never() -> (
    None
):
    with application(more=NONE), phones() as call:
        connect(call, number="opted-in")
        start = call.carried()
        end = call.passed(1)
        assert reload('[[policy]]\ncontext = "from-*"\noffload = "never"') == "config.reloaded"
        call.relayed("excluded-policy")
        detail = control.calls()[0]["detail"]
        call.bob.hang_up()
    assert_carried(call.capture, start, end)
    assert detail == "policy 2 (context from-asterisk1) is never, whatever OFFLOAD=yes says"


@pytest.mark.parametrize("context", ["from-asterisk1", "with-h"])
def test_a_rule_that_comes_by_a_reload_returns_a_call_and_one_that_goes_lets_it_in_again(
    context: str,
) -> None:
    """The caller's endpoint has the one context, the subroutine in which OffloadDial() stands is the other."""
    with application(), phones() as call:
        connect(call, number="h-offload")
        start = call.carried()
        assert reload(f'[[policy]]\ncontext = "{context}"\noffload = "sometimes"') == "config.rejected"
        call.carried()
        assert reload(f'[[policy]]\ncontext = "{context}"\noffload = "never"') == "config.reloaded"
        relayed = call.relayed("excluded-policy")
        assert control.calls()[0]["detail"] == f"policy 2 (context {context}) is never"
        returned = call.passed(0.5)
        assert reload("") == "config.reloaded"
        again = call.carried()
        end = call.passed(0.5)
        call.bob.hang_up()
    assert_returned(call.capture, start, relayed, returned)
    assert_carried(call.capture, again, end)
    for speaker in (BOB, ALICE):
        assert_whole(call.capture, speaker, start, end)
