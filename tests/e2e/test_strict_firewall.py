"""A host whose firewall sees nothing of the packets while the switch carries a call, and may drop them afterwards."""

import os

import pytest

from lab import control
from tests.support.edge_call import (
    ALICE,
    BOB,
    UNDER_WAY,
    assert_by_asterisk,
    assert_carried,
    assert_whole,
    conversation,
)
from tests.support.network import iptables_rule, strict_firewall, tracking
from tests.support.observed import logged

# The first audit is 11 s after the cutover, the next as late again: with a shorter memory the first comes too late, and
# with this one the streams are forgotten before the return if there is none.
MEMORY = 15
IN_SWITCH = 19.0


@pytest.mark.skipif(os.geteuid() != 0, reason="sets variables of the kernel")
def test_both_parties_are_heard_after_a_return_though_the_firewall_saw_no_packet_of_theirs() -> None:
    with tracking(), conversation() as call, strict_firewall(memory=MEMORY):
        start = call.carried()
        call.passed(IN_SWITCH)
        [now] = control.calls()
        assert (now["state"], now["state_age"] > MEMORY) == ("offloaded", True)
        control.offload("relay", "--all")
        call.relayed("operator")
        returned = call.passed(0.5)
        end = call.passed(1.0)
        call.passed(UNDER_WAY)
    for speaker in (BOB, ALICE):
        assert_whole(call.capture, speaker, start, end)
        assert_by_asterisk(call.capture, speaker, returned, end)


def test_a_leg_that_sends_and_that_asterisk_does_not_receive_after_a_return_is_named_with_a_warning() -> None:
    with conversation() as call:
        call.carried()
        port = call.alice.media.rpartition(":")[2]
        with iptables_rule("ovs", "INPUT", "-p", "udp", "--dport", port, "-j", "DROP"):
            control.offload("relay", "--all")
            control.offload("offload", "--all")
            unheard = call.relayed("not-received:callee")
            end = call.passed(0.5)
        carried, later = call.carried(), call.passed(0.5)
        said = [line for line in logged(unheard - 5) if "not-received" in str(line)]
    assert {(line["event"], line["level"]) for line in said} == {("media.relayed", "warning")}
    assert not [packet for packet in call.capture.heard(ALICE) if unheard <= packet.at < end]
    assert_whole(call.capture, BOB, unheard, end)
    assert_carried(call.capture, carried, later)
