"""Two nodes behind Kamailio, judged by what asterisk1, the endpoint of all calls, receives from each."""

from lab import control
from lab.capture import NODE2, captured
from lab.control import wait_until
from lab.fleet import NODES, A, B
from tests.support.fleet import (
    assert_carried_whole,
    carried,
    hang_up,
    in_service,
    more_packets,
    refusals,
    streams_from,
)
from tests.support.party import BOB, over, talking

NUMBER = "555@kamailio"


def test_calls_go_to_both_nodes_by_turns_and_the_switch_of_each_carries_its_own() -> None:
    with captured() as capture:
        control.originate(NUMBER, count=6)
        for node in NODES:
            carried(node, 3)
            more_packets(node, 100)
        hang_up()
    for node in NODES:
        streams = streams_from(capture, node)
        assert len(streams) == 6
        assert_carried_whole(streams)


def test_a_drained_node_keeps_its_calls_to_their_end_and_new_ones_go_to_the_other() -> None:
    with captured() as capture:
        control.originate(NUMBER, count=4)
        for node in NODES:
            carried(node, 2)
        assert A.command("drain") == (
            "drained: new calls are refused, by the dialplan's lines of docs/topologies.md, until `stasis-offload drain --undo`; still up: 2 calls\n"
        )
        control.originate(NUMBER, count=20)  # of which Kamailio gives some to A before its next OPTIONS
        carried(B, 22)
        in_service(B)
        carried(A, 2)
        for node in NODES:
            more_packets(node, 100)
        hang_up()
    assert refusals(capture) == []
    streams = {node: streams_from(capture, node) for node in NODES}
    assert {node.name: len(found) for node, found in streams.items()} == {"A": 4, "B": 44}
    for found in streams.values():
        assert_carried_whole(found)


def test_without_kamailio_a_caller_goes_by_srv_records_to_the_next_node_when_the_first_is_drained() -> None:
    control.originate("fleet-555@fleet")
    carried(A, 1)
    A.command("drain")
    with captured() as capture:
        control.originate("fleet-555@fleet")
        carried(B, 1)
        more_packets(A, 50)
    assert refusals(capture) == ["SIP/2.0 503 Service Unavailable"]


def test_a_party_that_is_transferred_within_a_drained_node_is_connected_and_heard() -> None:
    with talking() as (all_, bob, alice, _):
        A.command("drain")
        assert alice.refer(f"<sip:fleet-555@{NODE2}>").start.startswith("SIP/2.0 202")
        alice.hang_up()
        wait_until(
            lambda: [(call["callee"] or "")[:15] for call in A.calls()] == ["PJSIP/asterisk1"],
            within=10,
            what="another callee",
        )
        carried(A, 1)
        more_packets(A, 100)
        bob.hang_up()
        over()
    streams = [stream for stream in all_.capture.arriving if stream.destination.port == BOB]
    asterisk1s = max(streams, key=lambda stream: stream.packets[-1].at)
    assert len(asterisk1s.by_switch()) >= 100


def test_a_drained_node_says_so_until_that_is_undone() -> None:
    assert control.health(A.application)["drained"] is False
    A.command("drain")
    in_service(B)
    assert A.command("calls").startswith("DRAINED: ")
    assert [control.health(node.application)["drained"] for node in NODES] == [True, False]
    assert A.command("drain", "--undo") == "in service: new calls are taken again; still up: 0 calls\n"
    in_service(A, B)
    assert control.health(A.application)["drained"] is False
