"""RTP that reaches Asterisk by the bridge and beside it: told by a reason of its own, which stays."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab import control
from tests.support.edge_call import conversation

RULE = ("PREROUTING", "-i", "eth0", "-j", "DROP")


@contextmanager
def beside_the_bridge_too() -> Iterator[None]:
    """Have node 2's kernel take the frames that come in by the bridge's port, beside the bridge (lab/ovs/configure.sh)."""
    control.execute("ovs", "iptables", "-w", "-t", "raw", "-D", *RULE)
    try:
        yield
    finally:
        control.execute("ovs", "iptables", "-w", "-t", "raw", "-A", *RULE)


def test_packets_that_reach_asterisk_beside_the_switch_too_are_told_from_its_own_and_end_the_stay() -> None:
    with conversation() as call:
        call.carried()
        with beside_the_bridge_too():
            call.returned("doubled:caller", "doubled:callee")
            call.passed(1.5)
            [found] = control.calls()
            explained = control.offload("explain", found["call"])
        call.alice.hang_up()
    assert found["state"] == "relayed"
    assert found["reason"] in ("doubled:caller", "doubled:callee")
    assert "arp_ignore" in explained
    assert f"compared: {found['detail']}" in explained
