"""A host that accepts RTP only while conntrack knows the stream, which it sees nothing of while the switch carries it."""

import os

import pytest

from lab import control
from tests.support.edge_call import ALICE, BOB, assert_by_asterisk, assert_whole, conversation
from tests.support.network import strict_firewall, tracking

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
    for speaker in (BOB, ALICE):
        assert_whole(call.capture, speaker, start, end)
        assert_by_asterisk(call.capture, speaker, returned, end)
