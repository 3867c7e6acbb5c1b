"""What the tests of the fleet wait for and read: the calls of a node, and the streams that came from it."""

from collections.abc import Collection

from lab import control
from lab.capture import Capture, Stream
from lab.control import wait_until
from lab.fleet import Node, taking_calls
from tests.support.observed import assert_in_order, in_short

# Packets: tests wait for 100 that the switch has counted.
CARRIED = 90


def carried(node: Node, calls: int) -> None:
    """Wait until a node has so many calls, and its switch carries each."""
    wait_until(
        lambda: node.carries(calls), within=15 + calls, what=f"node {node.name} to carry {calls} calls"
    )


def more_packets(node: Node, count: int) -> None:
    """Wait until the switch of a node has forwarded so many more packets from each leg of each of its calls."""

    def forwarded() -> dict[tuple[str, str], int]:
        return {
            (call["call"], leg): packets for call in node.calls() for leg, packets in call["packets"].items()
        }

    before = forwarded()
    wait_until(
        lambda: (now := forwarded()) and all(now.get(leg, 0) >= was + count for leg, was in before.items()),
        within=10,
        what=f"{count} more packets in the switch of node {node.name}",
    )


def in_service(*nodes: Node) -> None:
    """Wait until Kamailio gives new calls to these nodes, and to no other."""
    names = ", ".join(node.name for node in nodes)
    wait_until(lambda: taking_calls() == list(nodes), within=15, what=f"Kamailio to use {names} alone")


def hang_up() -> None:
    """Have asterisk1 end every call, and wait until it has none."""
    control.hang_up_all()
    wait_until(lambda: not control.channels("asterisk1"), within=15, what="the calls to end")


def streams_from(capture: Capture, node: Node) -> list[Stream]:
    """List the streams that asterisk1 received of itself from a node."""
    return [stream for stream in capture.end_to_end if str(stream.source.host) == node.address]


def assert_carried_whole(streams: Collection[Stream]) -> None:
    """Nothing of these streams is missing, doubled or out of turn, and the switch carried most of what was waited for."""
    assert_in_order(*streams)
    for stream in streams:
        assert stream.lost == 0, in_short(stream.packets)
        assert len(stream.by_switch()) > CARRIED


def refusals(capture: Capture) -> list[str]:
    """List the answers by which a call of asterisk1's was refused."""
    return [
        m.start
        for m in capture.sip
        if m.arrived and m.start.startswith(tuple(f"SIP/2.0 {n}" for n in "3456"))
    ]
