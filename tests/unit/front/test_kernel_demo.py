"""What the demonstration with a kernel's datapath reads off it, and what it complains of, without a guest."""

from dataclasses import replace

import pytest

from lab.capture import FROM_ASTERISK, FROM_SWITCH, Packet, Stream
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Datagram
from tests.bench.kernel.demo import PHASES, Phase, Seen, complaints
from tests.bench.kernel.relays import DatapathFlow, rewriting

DUMP = """\
recirc_id(0),in_port(1),eth_type(0x0806), packets:3, bytes:126, used:1.2s, actions:2
recirc_id(0),in_port(1),ipv4(ttl=64,frag=no),udp(src=10014), packets:354, bytes:75756, used:0.010s, flags:., \
actions:check_pkt_len(size=213,gt(set(ipv4(src=198.51.100.1,ttl=63)),1),le(2))
recirc_id(0),in_port(1),ipv6(hlimit=64,frag=no),udp(src=10016), packets:0, bytes:0, used:never, actions:set(ipv6(hlimit=63)),1
recirc_id(0),in_port(1),ipv4(ttl=63,frag=no),udp(src=10018), packets:9, bytes:9, used:0.1s, actions:2
"""
SECONDS = 2
PACKETS = 50 * SECONDS


def test_of_the_datapaths_flows_those_count_that_take_a_hop() -> None:
    assert rewriting(DUMP) == [
        DatapathFlow(
            "recirc_id(0),in_port(1),ipv4(ttl=64,frag=no),udp(src=10014)",
            354,
            "check_pkt_len(size=213,gt(set(ipv4(src=198.51.100.1,ttl=63)),1),le(2))",
        ),
        DatapathFlow(
            "recirc_id(0),in_port(1),ipv6(hlimit=64,frag=no),udp(src=10016)", 0, "set(ipv6(hlimit=63)),1"
        ),
    ]


def phases() -> list[Phase]:
    """One call, relayed and offloaded by turns; its flows are others the second time."""
    grown: tuple[dict[str, int], ...] = ({}, {"a": PACKETS, "b": PACKETS}, {}, {"c": PACKETS, "d": PACKETS})
    return [
        Phase(name, Seen(SECONDS * n, 0, 0, {}), Seen(SECONDS * (n + 1), 50, 0, flows))
        for n, (name, flows) in enumerate(zip(PHASES, grown, strict=True))
    ]


def streams() -> list[Stream]:
    """Both directions of that call."""
    here, there = Address.parse("192.0.2.1:10000"), Address.parse("192.0.2.2:10000")
    headers = Datagram("", "", None, source=here, destination=there, ttl=0, size=0, payload=b"")
    packets = [
        Packet(
            at=number / 50,
            sequence=number,
            ttl=FROM_SWITCH if number // PACKETS % 2 else FROM_ASTERISK,
            headers=headers,
        )
        for number in range(len(PHASES) * PACKETS)
    ]
    return [Stream(here, there, ssrc, list(packets)) for ssrc in (1, 2)]


def test_nothing_is_missing_when_both_forward_what_they_should() -> None:
    assert complaints(1, phases(), streams(), 0) == []


def test_each_promise_that_is_not_kept_is_a_complaint() -> None:
    relayed, offloaded, *rest = phases()
    short = streams()
    del short[0].packets[10:50]
    assert complaints(1, phases(), short, 2) == [
        "relayed: only 1 of 2 streams arrived in full",
        "40 RTP packets never arrived",
        "2 flows were left after the hang-up",
    ]
    assert complaints(2, [relayed], streams(), 0) == [
        "expected 4 RTP streams at the phones, saw 2",
        "relayed: only 2 of 4 streams arrived in full",
    ]
    idle = replace(offloaded, began=replace(offloaded.began, flows=offloaded.ended.flows))
    assert complaints(1, [relayed, idle, *rest], streams(), 0) == [
        "offloaded: 0 of 2 streams have a flow that forwards"
    ]


@pytest.mark.parametrize(
    ("phase", "ttl", "complaint"),
    [
        (0, FROM_SWITCH, "relayed: the switch forwarded 10 packets"),
        (1, FROM_ASTERISK, "offloaded: the switch forwarded only 190 of 200 packets"),
    ],
)
def test_who_forwarded_a_packet_is_told_by_its_ttl(phase: int, ttl: int, complaint: str) -> None:
    other = streams()
    first = phase * PACKETS
    other[0].packets[first : first + 10] = [
        replace(packet, ttl=ttl) for packet in other[0].packets[first : first + 10]
    ]
    assert complaints(1, phases(), other, 0) == [complaint]
