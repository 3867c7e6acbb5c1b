"""Calls that the operator keeps out of the switch: by OFFLOAD=no, by an endpoint, by the percentage of calls included."""

import pytest

from lab import control
from lab.control import wait_until
from tests.support.applications import application
from tests.support.edge_call import (
    ALICE,
    ALICE_PORT,
    BOB,
    BOB_PORT,
    Conversation,
    assert_by_asterisk,
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
        start = call.relayed("excluded-endpoint")
        media_of_another_call_moved()
        end = call.passed(1)
        call.bob.hang_up()
        cdr = cdrs.last()
    assert (cdr["offload_status"], cdr["offload_reason"]) == ("relayed", "excluded-endpoint")
    assert_stayed_with_asterisk(call, start, end)


def test_a_percentage_of_nought_keeps_every_call_with_asterisk() -> None:
    with application(MEDIA__PERCENTAGE=0), phones() as call:
        connect(call)
        start = call.relayed("excluded-percentage")
        end = call.passed(1)
        call.bob.hang_up()
    assert_stayed_with_asterisk(call, start, end)
