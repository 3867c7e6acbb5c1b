"""The lab of the fleet (LAB=fleet lab/lab.sh up): two nodes behind Kamailio; asterisk1 plays both ends of every call."""

from collections.abc import Iterator

import pytest

from lab import control
from lab.control import wait_until
from lab.fleet import NODES, taking_calls


@pytest.fixture(autouse=True)
def quiet_fleet() -> Iterator[None]:
    """Begin and end each test without a call or a flow, with both nodes in service."""
    _clear()
    yield
    _clear()


def _clear() -> None:
    for node in NODES:
        if control.health(node.application)["drained"]:
            node.command("drain", "--undo")
    control.hang_up_all()
    for service in ("asterisk1", *(node.asterisk for node in NODES)):
        control.asterisk(service, "channel request hangup all")
        wait_until(
            lambda service=service: not control.channels(service),  # type: ignore[misc] # no type of a default
            within=15,
            what=f"{service} to have no channel",
        )
    for node in NODES:
        wait_until(
            lambda node=node: not node.calls() and not node.flows(),  # type: ignore[misc] # the same
            within=15,
            what=f"node {node.name} to have no call and no flow",
        )
    wait_until(lambda: len(taking_calls()) == len(NODES), within=15, what="Kamailio to use both nodes")
