"""A switch in front of node 2 carries its calls: what the endpoints hear, and what node 2's own interface sees of it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from lab import control
from lab.capture import Capture, Other, Report, SipMessage, captured
from lab.control import wait_until
from lab.place import BRIDGE, NETWORK
from tests.support.dialled_switch import dialled, vsctl
from tests.support.edge_call import ALICE, BOB, assert_carried, assert_whole, conversation

# Of the packets that node 2 sees of a call which it relays, it sees at most this share of one that the switch carries.
FEW = 0.02
TALKED = 5.0


@contextmanager
def dialling() -> Iterator[None]:
    """Have the switch dial the application, as it does in this lab."""
    assert vsctl("get-controller", BRIDGE).startswith("ssl:")
    yield


@pytest.mark.parametrize("connected", [dialling, dialled])
def test_the_switch_in_front_carries_a_call_of_which_node_2_then_sees_next_to_nothing(
    connected: Callable[[], AbstractContextManager[None]],
) -> None:
    with connected(), captured(NETWORK) as node2, conversation() as call:
        call.carried()
        control.offload("relay", "--all")
        relayed = call.relayed("operator"), call.passed(TALKED)
        control.lift_blocks()
        switched = call.carried(), call.passed(TALKED)
    assert_carried(call.capture, *switched)
    for speaker in (BOB, ALICE):
        assert_whole(call.capture, speaker, *relayed)
    assert _passed(node2, *switched) < FEW * _passed(node2, *relayed)


def _passed(capture: Capture, start: float, end: float) -> float:
    """Return how many packets of the call passed in a second, either way: RTP, RTCP, SIP, and all others of UDP."""
    media = sum(stream.between(start, end) for stream in (*capture.arriving, *capture.sent))
    rest: list[Report | SipMessage | Other] = [*capture.rtcp, *capture.sip, *capture.other]
    return (media + sum(start <= packet.at < end for packet in rest)) / (end - start)


def test_a_party_that_hangs_up_leaves_no_flow_in_the_switch() -> None:
    with conversation() as call:
        call.carried()
        assert control.flows()
        call.alice.leave()
        call.bob.ended()
        wait_until(lambda: not control.flows(), within=3, what="the flows to go")
