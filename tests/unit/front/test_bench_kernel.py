"""What the benchmark of the kernel's datapath says of instructions and packets it is given, without a guest."""

import json
from pathlib import Path

import pytest

from lab.control import LabError
from tests.bench.kernel import report
from tests.bench.kernel.measuring import Cost, Spent, cost

IDLE = Spent(seconds=5, user=1_000, kernel=4_000, sent=0, received=0)


def test_a_packet_costs_what_was_executed_beyond_an_idle_guest_of_the_same_length() -> None:
    busy = Spent(seconds=10, user=22_000, kernel=108_000, sent=101, received=100)
    assert cost(IDLE, busy) == Cost(user=200.0, kernel=1_000.0)


@pytest.mark.parametrize(("sent", "received"), [(100, 89), (100, 0), (0, 0)])
def test_of_a_load_that_was_not_relayed_nothing_is_said(sent: int, received: int) -> None:
    with pytest.raises(LabError, match=f"of {sent} packets were lost"):
        cost(IDLE, Spent(seconds=10, user=9_999, kernel=9_999, sent=sent, received=received))


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
        name: Cost(user=1_000, kernel=total - 1_000, packets_per_second=rates.get(name))
        for name, total in instructions.items()
    }
    report.write(costs, calls=4)
    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert written["instructions_per_packet"] == instructions
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
