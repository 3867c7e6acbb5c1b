"""Hold and unhold, by every way a phone can say it and from either side."""

import time
from functools import partial

import pytest

from tests.support.edge_call import (
    ALICE_PORT,
    BOB_PORT,
    assert_carried,
    assert_returned,
    conversation,
)
from tests.support.phone import sdp

WAYS = (
    partial(sdp, direction="sendonly"),
    partial(sdp, direction="inactive"),
    partial(sdp, host="0.0.0.0"),
)


@pytest.mark.parametrize(("holder", "held"), [("caller", "callee"), ("callee", "caller")])
def test_a_held_call_is_asterisks_and_comes_back_to_the_switch_when_it_is_taken_up(
    holder: str, held: str
) -> None:
    talks: list[tuple[float, float]] = []
    holds: list[tuple[float, float]] = []
    with conversation() as call:
        phone, port = (call.bob, BOB_PORT) if holder == "caller" else (call.alice, ALICE_PORT)
        for way in WAYS:
            talks.append((call.carried(), time.time()))
            assert " 200 " in phone.reinvite(way(port)).start
            call.relayed(f"hold:{held}")
            holds.append((talks[-1][1], call.passed(0.5)))
            assert " 200 " in phone.reinvite(sdp(port)).start
        talks.append((call.carried(), call.passed(0.5)))
    for start, end in holds:
        assert_returned(call.capture, start, end)
    for start, end in talks:
        assert_carried(call.capture, start, end)
