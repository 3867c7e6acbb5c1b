"""Calls that pass several switches: which of them carries each, and what it costs a call that one of them goes away."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab import control
from lab.capture import captured
from lab.control import wait_until
from tests.support.edge_call import (
    ALICE,
    ALICE_PORT,
    BOB,
    BOB_PORT,
    UNDER_WAY,
    Conversation,
    assert_carried,
    assert_whole,
    phones,
)
from tests.support.metrics import Samples
from tests.support.observed import assert_all_whole, media_moved, more_packets, returned
from tests.support.phone import EDGE, SECOND, sdp
from tests.support.tcp_connection import CONNECTION, cut, listening
from tests.support.three_bridges import (
    BESIDE,
    FRONT,
    HOST,
    Switch,
    application_at,
    flows_in,
    three_bridges,
)

CALLS = 3


@pytest.fixture(scope="module", autouse=True)
def bridges() -> Iterator[None]:
    """Have three bridges for all tests of this module."""
    with three_bridges():
        yield


@contextmanager
def talk(bob: str, alice: str) -> Iterator[Conversation]:
    """Begin a call of which the legs' RTP comes from and goes to these addresses of the edge."""
    with phones() as call:
        call.connect(sdp(BOB_PORT, host=bob), sdp(ALICE_PORT, host=alice))
        call.speak(bob=f"{bob}:{BOB_PORT}", alice=f"{alice}:{ALICE_PORT}")
        yield call


@pytest.mark.parametrize(
    ("switches", "bob", "alice", "carrier"),
    [
        ((HOST, FRONT), EDGE, EDGE, HOST),
        ((FRONT, HOST), EDGE, EDGE, FRONT),
        ((HOST, BESIDE), SECOND, SECOND, BESIDE),
        ((HOST, BESIDE, FRONT), EDGE, SECOND, FRONT),
    ],
    ids=["behind each other", "the other order", "the second alone", "one sees both legs"],
)
def test_a_call_is_carried_by_the_first_switch_that_sees_all_of_it(
    switches: tuple[str, ...], bob: str, alice: str, carrier: str
) -> None:
    with application_at(*map(Switch, switches)), talk(bob, alice) as call:
        start = call.carried()
        assert [row["switch"] for row in control.calls()] == [carrier]
        others = [name for name in switches if name != carrier]
        wait_until(lambda: not any(map(flows_in, others)), within=1, what="the others to have no flow")
        assert flows_in(carrier)
        table = control.offload("calls").splitlines()
        assert ("SWITCH" in table[0], carrier in table[1]) == (True, True)
        end = call.passed(1.0)
    assert_carried(call.capture, start, end)
    for speaker in (BOB, ALICE):
        assert_whole(call.capture, speaker, since_heard(call, speaker), end)


def since_heard(call: Conversation, speaker: int) -> float:
    """Return when a speaker said the first that was heard."""
    first = call.capture.heard(speaker)[0].talk
    return next(packet.at for packet in call.capture.said(speaker) if packet.talk == first)


def test_legs_that_pass_different_switches_are_relayed_and_the_reason_says_so() -> None:
    with application_at(Switch(HOST), Switch(BESIDE)), talk(EDGE, SECOND) as call:
        start = call.relayed("different-switches")
        assert not flows_in(HOST) + flows_in(BESIDE)
        end = call.passed(1.0)
        call.passed(UNDER_WAY)
    for speaker in (BOB, ALICE):
        assert_whole(call.capture, speaker, start, end)


def carriers() -> Counter[str]:
    return Counter(row["switch"] for row in control.calls())


def flows_told() -> Counter[str]:
    """Return how many flows of calls the metrics say that each switch should have."""
    told: Counter[str] = Counter()
    for (switch, _), flows in Samples(control.metrics()).rows("flows").items():
        told[switch] += int(flows)
    return told


def test_a_switch_that_is_lost_costs_its_own_calls_a_return_and_no_other_anything() -> None:
    switches = Switch(HOST, CONNECTION), Switch(BESIDE), Switch(FRONT)
    with listening(), application_at(*switches), talk(SECOND, SECOND) as other:
        other.carried()
        [here] = control.calls()
        control.originate("555@asterisk2", count=CALLS)
        media_moved(1 + CALLS)
        assert carriers() == {BESIDE: 1, HOST: CALLS}
        with captured() as capture:
            begun = other.passed(1.0)
            with cut():
                assert [problem.partition(":")[0] for problem in control.health()["problems"]] == [
                    f"switch {HOST}"
                ]
                wait_until(
                    lambda: carriers() == {BESIDE: 1, FRONT: CALLS},
                    within=40,
                    what="the calls to be in another",
                )
                told = Samples(control.metrics())
                assert told.rows("switch_up") == {(HOST,): 0, (BESIDE,): 1, (FRONT,): 1}
                assert told.rows("switch_calls") == {(HOST,): 0, (BESIDE,): 1, (FRONT,): CALLS}
                assert told.rows("calls_max").keys() == {(BESIDE,), (FRONT,)}
                wait_until(
                    lambda: (
                        flows_told() == {HOST: 0, BESIDE: len(flows_in(BESIDE)), FRONT: len(flows_in(FRONT))}
                    ),
                    within=5,
                    what="each switch to have the flows that it should have",
                )
                more_packets(25)
            wait_until(lambda: control.health()["ok"], within=10, what="the switch to be there again")
            wait_until(lambda: not flows_in(HOST), within=3, what="what it had of the calls to go")
            more_packets(25)
            end = time.time()
            control.hang_up_all()
            wait_until(lambda: len(control.calls()) == 1, within=10, what="the calls to end")
        returns = [(event["call"] == here["call"], event["reason"]) for event in returned(begun)]
        assert Counter(returns) == {(False, "switch-unreachable"): CALLS, (False, "ended"): CALLS}
    assert_all_whole(capture, streams=2 * CALLS)
    assert_carried(other.capture, begun, end)
