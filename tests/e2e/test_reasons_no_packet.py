"""Why no packet of a leg is observed although both parties hear each other: by what node 2's host does to the packets."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lab import control
from lab.capture import NODE2
from tests.support.edge_call import ALICE, ALICE_PORT, BOB, BOB_PORT, assert_by_asterisk, assert_whole, phones
from tests.support.phone import EDGE, sdp

# Alice speaks from here, which no packet of Asterisk's has gone to: the host's NAT takes it for a connection of hers.
SPEAKING = ALICE_PORT + 100
# Where her packets go on the wire, and where Asterisk sees them come from, when the host rewrites that.
REDIRECTED, MASKED = 29000, 43000


@contextmanager
def _rewritten_by_the_host(chain: str, *rule: str) -> Iterator[None]:
    nat = ("iptables", "-w", "-t", "nat")
    control.execute("ovs", *nat, "-A", chain, "-p", "udp", *rule)
    try:
        yield
    finally:
        control.execute("ovs", *nat, "-D", chain, "-p", "udp", *rule)


def _destination(port: str) -> tuple[str, ...]:
    return "PREROUTING", "--dport", str(REDIRECTED), "-j", "REDIRECT", "--to-ports", port


def _source(_: str) -> tuple[str, ...]:
    return "INPUT", "--sport", str(SPEAKING), "-j", "SNAT", "--to-source", f"{EDGE}:{MASKED}"


@pytest.mark.parametrize(
    ("rule", "to", "reason"),
    [
        (_destination, f"{NODE2}:{REDIRECTED}", "bypasses-switch:callee"),
        (_source, None, "foreign-source:callee"),
    ],
    ids=["destination", "source"],
)
def test_a_leg_that_only_asterisk_receives_is_not_called_silent(
    rule: Callable[[str], tuple[str, ...]], to: str | None, reason: str
) -> None:
    with phones() as call:
        call.connect(sdp(BOB_PORT), sdp(ALICE_PORT))
        with _rewritten_by_the_host(*rule(call.alice.media.rpartition(":")[2])):
            call.speak(alice=f"{EDGE}:{SPEAKING}")
            if to:
                call.voices.set("alice", to=to)
            start = call.relayed(reason)
            end = call.passed(1.5)
            assert [found["reason"] for found in control.calls()] == [reason]
            call.alice.hang_up()
    for speaker in (BOB, ALICE):
        assert_whole(call.capture, speaker, start, end)
        assert_by_asterisk(call.capture, speaker, start, end)
