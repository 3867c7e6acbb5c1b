"""Why no packet of a leg is observed although both parties hear each other: by NAT on node 2's host, or another interface."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from lab import control
from lab.capture import NODE2
from lab.place import ipv4
from tests.support.edge_call import (
    ALICE,
    ALICE_PORT,
    BOB,
    BOB_PORT,
    UNDER_WAY,
    assert_by_asterisk,
    assert_carried,
    assert_whole,
    phones,
)
from tests.support.phone import EDGE, sdp
from tests.support.wires import ASIDE_NODE2, ASIDE_PHONE, address, beside_the_bridge

# Alice speaks from here, which no packet of Asterisk's has gone to: the host's NAT takes it for a connection of hers.
SPEAKING = ALICE_PORT + 100
# Where her packets go on the wire, and where Asterisk sees them come from, when a NAT rewrites that.
REDIRECTED, MASKED = 29000, 43000
ANOTHER = ipv4(22)
# Asterisk's address as phones before a NAT know it.
PUBLIC = "198.18.70.12"


@contextmanager
def _rewritten_at(service: str, chain: str, *rule: str) -> Iterator[None]:
    nat = ("iptables", "-w", "-t", "nat")
    control.execute(service, *nat, "-A", chain, "-p", "udp", *rule)
    try:
        yield
    finally:
        control.execute(service, *nat, "-D", chain, "-p", "udp", *rule)


@contextmanager
def _port(port: str) -> Iterator[str]:
    rule = ("PREROUTING", "--dport", str(REDIRECTED), "-j", "REDIRECT", "--to-ports", port)
    with _rewritten_at("ovs", *rule):
        yield f"{NODE2}:{REDIRECTED}"


@contextmanager
def _address(port: str) -> Iterator[str]:
    rule = ("PREROUTING", "-d", ANOTHER, "-j", "DNAT", "--to-destination", NODE2)
    with address("ovs", ANOTHER, "breth0"), _rewritten_at("ovs", *rule):
        yield f"{ANOTHER}:{port}"


@contextmanager
def _source(port: str) -> Iterator[str]:
    rule = ("INPUT", "--sport", str(SPEAKING), "-j", "SNAT", "--to-source", f"{EDGE}:{MASKED}")
    with _rewritten_at("ovs", *rule):
        yield f"{NODE2}:{port}"


@contextmanager
def _interface(port: str) -> Iterator[str]:
    with beside_the_bridge():
        yield f"{ASIDE_NODE2}:{port}"


@pytest.mark.parametrize(
    ("rewritten", "host", "reason"),
    [
        (_port, EDGE, "bypasses-switch:callee"),
        (_address, EDGE, "bypasses-switch:callee"),
        (_source, EDGE, "foreign-source:callee"),
        (_interface, ASIDE_PHONE, "bypasses-switch:callee"),
    ],
    ids=["port", "address", "source", "interface"],
)
def test_a_leg_that_only_asterisk_receives_is_not_called_silent(
    rewritten: Callable[[str], AbstractContextManager[str]], host: str, reason: str
) -> None:
    with phones() as call:
        call.connect(sdp(BOB_PORT), sdp(ALICE_PORT, host=host))
        with rewritten(call.alice.media.rpartition(":")[2]) as to:
            call.voices.set("alice", from_=f"{host}:{SPEAKING}", to=to, ssrc=ALICE)
            call.voices.set("bob", from_=f"{EDGE}:{BOB_PORT}", to=call.bob.media, ssrc=BOB)
            start = call.relayed(reason)
            end = call.passed(1.5)
            assert [found["reason"] for found in control.calls()] == [reason]
            call.passed(UNDER_WAY)
            call.alice.hang_up()
    for speaker in (BOB, ALICE):
        assert_whole(call.capture, speaker, start, end)
        assert_by_asterisk(call.capture, speaker, start, end)


def test_a_leg_whose_packets_are_rewritten_before_the_switch_is_carried() -> None:
    rule = ("OUTPUT", "-d", PUBLIC, "-j", "DNAT", "--to-destination", NODE2)
    with phones() as call, _rewritten_at("edge", *rule):
        call.connect(sdp(BOB_PORT), sdp(ALICE_PORT))
        call.speak(to=PUBLIC)
        start, end = call.carried(), call.passed(0.5)
    assert_carried(call.capture, start, end)
