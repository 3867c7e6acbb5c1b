"""Calls that OffloadDial() leaves to Dial() at once: their DTMF features need its bridge."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab import control
from lab.control import wait_until
from tests.support.metrics import Samples
from tests.support.observed import Cdrs, bridged, left_to_dial

DYNAMIC = "DYNAMIC_FEATURES"


@contextmanager
def global_variable(name: str, value: str) -> Iterator[None]:
    """Have every channel of node 2 find a variable: codes of [applicationmap] in features.conf, or letters of features."""
    control.asterisk("asterisk2", f'dialplan set global {name} "{value}"')
    try:
        yield
    finally:
        control.asterisk("asterisk2", f'dialplan set global {name} ""')


def counted_by_the_application() -> float:
    return Samples(control.metrics()).of("calls_passed_by_total", reason="features")


@pytest.mark.parametrize(
    ("options", "variable", "value", "left"),
    [
        ("TS(100)", DYNAMIC, "", True),
        ("L(100000)t", DYNAMIC, "", True),
        ("tF(from-asterisk1^room^1)", DYNAMIC, "", True),
        ("TtrU(lab-before)", DYNAMIC, "", False),
        ("S(100)rf(tT)", DYNAMIC, "", False),
        ("", DYNAMIC, "lab-dynamic", True),
        ("", DYNAMIC, "unknown", False),
        ("", "BRIDGE_FEATURES", "T", True),
    ],
)
def test_a_call_whose_features_need_the_bridge_of_dial_is_left_to_it_and_says_so(
    cdrs: Cdrs, options: str, variable: str, value: str, *, left: bool
) -> None:
    control.asterisk("asterisk2", f"dialplan set global LAB_ARGS PJSIP/555@asterisk1,,{options}")
    before = left_to_dial("features")
    with global_variable(variable, value):
        control.originate("ours@asterisk2")
        bridged(2)
        assert bool(control.calls()) is not left
        control.hang_up_all()
        row = cdrs.last()
    assert left_to_dial("features") - before == int(left)
    if left:
        wait_until(
            lambda: counted_by_the_application() == before + 1, within=10, what="the call to be counted"
        )
        assert control.health()["passed_by"]["features"] == before + 1
    assert (row["dialstatus"], row["lastapp"]) == ("ANSWER", "Dial")
    assert ((row["offload_status"], row["offload_reason"]) == ("relayed", "features")) is left
