"""The switch in front of node 2 has the application as its only controller: it forwards, comes back after a restart, and is checked."""

from lab import control
from lab.control import wait_until
from lab.place import BRIDGE, control_address
from tests.support.edge_call import assert_carried, conversation

NORMAL = " priority=0 actions=NORMAL"


def checked(name: str) -> str:
    """Return what `check` says of one thing."""
    lines = control.execute("offload", "stasis-offload", "check", check=False).splitlines()
    [line] = [line for line in lines if line[7:].startswith(f"{name}: ")]
    return line


def foreign_flows() -> list[str]:
    """List the flows of the bridge's first table that are not the application's."""
    rows = control.execute(
        "ovs", "ovs-ofctl", "-O", "OpenFlow13", "--no-stats", "dump-flows", BRIDGE, "table=0"
    )
    return [row for row in rows.splitlines() if "actions=" in row and "cookie=0xff1" not in row]


def test_check_says_of_a_switch_that_dials_what_it_says_of_any() -> None:
    assert checked("switch").startswith("ok     switch: Open vSwitch ")
    assert checked("tables") == "ok     tables: table 0 has NORMAL alone: a learning switch"
    with_name = f"{BRIDGE} is not an interface of this host, so nothing is known here"
    assert checked("bridge address").startswith(f"ok     bridge address: {with_name}")


def test_check_says_that_no_switch_dials_and_what_to_type() -> None:
    control.execute("ovs", "ovs-vsctl", "set", "controller", BRIDGE, 'target="ssl:127.0.0.1:9"')
    try:
        wait_until(lambda: not control.health()["ok"], within=5, what="the application to know")
        assert checked("switch") == (
            f"FAILED switch: no switch dials pssl:6653:{control_address(13)}: `ovs-vsctl set-controller BRIDGE ssl:HOST:PORT`"
        )
    finally:
        target = f'target="ssl:{control_address(13)}:6653"'
        control.execute("ovs", "ovs-vsctl", "set", "controller", BRIDGE, target)
        wait_until(lambda: control.health()["ok"], within=15, what="the switch to dial again")


def test_a_switch_that_restarts_without_flows_forwards_again_and_carries_its_calls() -> None:
    with conversation() as call:
        call.carried()
        assert foreign_flows() == [NORMAL]
        control.execute("ovs", "pkill", "-KILL", "-x", "ovs-vswitchd")
        call.returned("switch-unreachable", "call-changed")
        start, end = call.carried(), call.passed(1.0)
        assert foreign_flows() == [NORMAL]
    assert_carried(call.capture, start, end)
