"""A few of the faults of `make chaos`, those that are quickly played."""

from random import Random

import pytest

from tests.chaos.faults import FAULTS
from tests.chaos.playing import play

CALLS = 4
QUICK = (
    "application killed",
    "ARI's connections cut",
    "flows deleted by another program",
    "ovs-vswitchd killed",
    "clock stepped",
)


@pytest.mark.parametrize("name", QUICK)
def test_calls_go_on_and_all_is_right_again_after(name: str) -> None:
    fault = next(fault for fault in FAULTS if fault.name == name)
    row = play(fault, CALLS, Random(name))
    assert row.complaints == (), row
