"""Whole calls run in several labs of one machine at a time, and the first is only one of them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The values of unit tests have the addresses of no lab in particular.
VALUES = {ROOT / "tests/support/leg_reports.py"}
SPEAK_TO_A_LAB = sorted(
    path
    for folder in ("lab", "tests/e2e", "tests/support", "tests/bench", "tests/chaos")
    for path in ROOT.glob(f"{folder}/**/*.py")
    if path not in VALUES
)


@pytest.mark.parametrize("path", SPEAK_TO_A_LAB, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_and_addresses_are_those_of_the_lab_that_is_spoken_to(path: Path) -> None:
    of_the_first = re.compile(r"198\.18\.50\.|fd00:198:18:50:|stasis-offload-(asterisk|ovs|offload|edge)")
    assert not of_the_first.findall(path.read_text(encoding="utf-8"))
