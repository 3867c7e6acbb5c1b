"""Two nodes behind Kamailio, judged by what asterisk1, the endpoint of all calls, receives from each."""

from lab import control
from lab.capture import Capture, captured
from lab.control import wait_until
from lab.fleet import NODES, Node
from tests.support.observed import assert_all_whole


def carried(node: Node, calls: int) -> None:
    """Wait until a node has so many calls, and its switch carries each."""
    wait_until(
        lambda: node.carries(calls), within=15 + calls, what=f"node {node.name} to carry {calls} calls"
    )


def more_packets(node: Node, count: int) -> None:
    """Wait until the switch of a node has forwarded so many more packets from each leg of each of its calls."""

    def forwarded() -> dict[str, int]:
        return {
            f"{call['call']} {leg}": packets
            for call in node.calls()
            for leg, packets in call["packets"].items()
        }

    before = forwarded()
    wait_until(
        lambda: (now := forwarded()) and all(now.get(leg, 0) >= was + count for leg, was in before.items()),
        within=10,
        what=f"{count} more packets in the switch of node {node.name}",
    )


def hang_up() -> None:
    """Have asterisk1 end every call, and wait until it has none."""
    control.hang_up_all()
    wait_until(lambda: not control.channels("asterisk1"), within=15, what="the calls to end")


def streams_of(capture: Capture, node: Node) -> int:
    """Count the streams that came from a node, all whole, and of which its switch carried more than Asterisk."""
    found = [stream for stream in capture.end_to_end if str(stream.source.host) == node.address]
    assert all(len(stream.by_switch()) > len(stream.packets) / 2 for stream in found)
    return len(found)


def test_calls_go_to_both_nodes_by_turns_and_the_switch_of_each_carries_its_own() -> None:
    with captured() as capture:
        control.originate("555@kamailio", count=6)
        for node in NODES:
            carried(node, 3)
            more_packets(node, 100)
        hang_up()
    assert_all_whole(capture, streams=12)
    assert [streams_of(capture, node) for node in NODES] == [6, 6]
