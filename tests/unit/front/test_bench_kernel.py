"""What the benchmark of the kernel's datapath says of instructions and packets it is given, without a guest."""

import json
from pathlib import Path

import pytest

from tests.bench.kernel import report
from tests.bench.kernel.measuring import Cost, Spent, cost, datagrams

SNMP = """Ip: Forwarding DefaultTTL
Ip: 1 64
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
Udp: 7 1 0 900 800 0 0 0 0
UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors IgnoredMulti MemErrors
UdpLite: 9 9 9 9 9 9 9 9 9
"""
SNMP6 = """Ip6InReceives                   	9
Udp6InDatagrams                 	20
Udp6OutDatagrams                	100
Udp6RcvbufErrors                	60
UdpLite6InDatagrams             	9
"""


def of(seconds: float, *, beside: int, packets: int) -> Spent:
    """A stretch in which a packet cost 200 and 1,000 instructions, and the guest did `beside` a second beside."""
    return Spent(
        seconds=seconds,
        user=200 * packets,
        kernel=int(beside * seconds) + 1_000 * packets,
        sent=packets + 1,
        received=packets,
    )


def test_a_packet_costs_what_more_packets_cost_more() -> None:
    few, many = of(5, beside=4_000, packets=10), of(10, beside=4_000, packets=1_000)
    found = cost([(few, many)])
    assert found.user == pytest.approx(200)
    assert found.kernel == pytest.approx(1_000)
    assert found.measured_at == 100


@pytest.mark.parametrize("other", [0, 90_000])
def test_a_pair_in_which_the_guest_did_something_else_does_not_count(other: int) -> None:
    calm = (of(5, beside=4_000, packets=10), of(5, beside=4_000, packets=500))
    disturbed = (of(5, beside=4_000, packets=10), of(5, beside=other, packets=500))
    assert cost([calm, disturbed, calm]).kernel == pytest.approx(1_000)
    assert cost([disturbed]).kernel != pytest.approx(1_000, rel=0.01)


def test_the_endpoints_count_what_they_sent_and_what_arrived_of_both_families() -> None:
    assert datagrams(SNMP, SNMP6) == (1_000, 887)


def test_the_report_compares_the_offloaded_calls_with_every_other_relay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "REPORT", tmp_path / "report.json")
    instructions = {
        "asterisk": 30_000,
        "asterisk_ovs": 40_000,
        "offloaded": 10_000,
        "rtpengine": 32_000,
        "rtpengine_kernel": 12_500,
    }
    rates = {"asterisk": 2_000.0, "offloaded": 16_000.0}
    costs = {
        name: Cost(user=1_000, kernel=total - 1_000, measured_at=1_600, packets_per_second=rates.get(name))
        for name, total in instructions.items()
    }
    report.write(costs, {"offloaded_tc": "not offloadable: check_pkt_len"}, calls=4, own_kernel=True)
    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert written["instructions_per_packet"] == instructions
    assert "LAB_DATAPATH=system" in written["machine"]
    assert written["without"] == {"offloaded_tc": "not offloadable: check_pkt_len"}
    assert written["packets_per_second"] == {"asterisk": 2_000, "offloaded": 16_000}
    assert (
        written["ratio_to_relayed"],
        written["ratio_to_rtpengine_kernel"],
        written["rate_to_asterisk"],
    ) == (
        0.25,
        0.8,
        8.0,
    )
