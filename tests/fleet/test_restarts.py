"""What a node of the fleet is restarted, or killed: nothing is lost that its Asterisk kept, and the other node goes on."""

import pytest

from lab import control
from lab.capture import captured
from lab.control import wait_until
from lab.fleet import NODES, A, B
from tests.support.fleet import carried, hang_up, in_service, more_packets, streams_from
from tests.support.observed import in_short

NUMBER = "555@kamailio"


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_a_restart_of_a_nodes_application_costs_no_call_and_no_packet(*, kill: bool) -> None:
    with captured() as capture:
        control.originate(NUMBER, count=4)
        for node in NODES:
            carried(node, 2)
            more_packets(node, 50)
        control.stop(A.application, kill=kill)
        control.start(A.application)
        for node in NODES:
            carried(node, 2)
            more_packets(node, 100)
        hang_up()
    for node in NODES:
        streams = streams_from(capture, node)
        assert len(streams) == 4
        lost = [stream.lost for stream in streams]
        assert lost == [0, 0, 0, 0], [in_short(stream.packets) for stream in streams if stream.lost]


def test_a_drain_outlasts_a_restart_of_the_application_and_of_asterisk() -> None:
    A.command("drain")
    control.stop(A.application)
    control.start(A.application)
    wait_until(lambda: control.health(A.application)["drained"], within=10, what="the drain to be known")
    control.stop(A.asterisk)
    control.start(A.asterisk)
    control.originate(NUMBER, count=2)
    carried(B, 2)
    assert A.calls() == []
    wait_until(lambda: control.health(A.application)["ok"], within=15, what="the application to be back")
    assert control.health(A.application)["drained"]


def test_a_nodes_asterisk_that_dies_takes_its_calls_along_and_new_ones_go_to_the_other() -> None:
    control.originate(NUMBER, count=4)
    for node in NODES:
        carried(node, 2)
    control.stop(A.asterisk, kill=True)
    try:
        with captured() as capture:
            control.originate(NUMBER, count=4)
            carried(B, 6)
            more_packets(B, 100)
            hang_up()
    finally:
        control.start(A.asterisk)
    assert len([s for s in streams_from(capture, B) if s.packets]) == 12
    wait_until(
        lambda: not A.calls() and not A.flows(), within=15, what="nothing to be left of the calls that died"
    )
    in_service(A, B)
    control.originate(NUMBER, count=2)
    for node in NODES:
        carried(node, 1)
