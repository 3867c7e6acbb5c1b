"""Calls that OffloadDial() leaves to Dial(), and says why, in the caller's variables and in the application's figures."""

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


def counted_by_the_application(reason: str = "features") -> float:
    return Samples(control.metrics()).of("calls_passed_by_total", reason=reason)


def told(row: dict[str, str]) -> tuple[str, str, str, str]:
    """Return what a CDR has of how the call was made, and why."""
    return row["dialstatus"], row["lastapp"], row["offload_status"], row["offload_reason"]


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
    assert told(row)[:2] == ("ANSWER", "Dial")
    assert (told(row)[2:] == ("relayed", "features")) is left


def test_a_call_that_begins_while_the_application_is_not_there_says_so_and_is_counted(cdrs: Cdrs) -> None:
    control.asterisk("asterisk2", "dialplan set global LAB_ARGS PJSIP/555@asterisk1")
    before = left_to_dial("away")
    control.stop("offload")
    try:
        control.originate("ours@asterisk2")
        bridged(2)
        control.hang_up_all()
        row = cdrs.last()
    finally:
        control.start("offload")
    assert told(row) == ("ANSWER", "Dial", "relayed", "away")
    assert left_to_dial("away") == before + 1
    wait_until(
        lambda: counted_by_the_application("away") == before + 1, within=10, what="the call to be counted"
    )


def test_a_call_with_an_option_that_the_application_does_not_know_says_so_and_is_counted(cdrs: Cdrs) -> None:
    control.asterisk("asterisk2", 'dialplan set global LAB_ARGS "PJSIP/555@asterisk1,30,Y"')
    before = counted_by_the_application("arguments")
    control.originate("ours@asterisk2")
    bridged(2)
    control.hang_up_all()
    assert told(cdrs.last()) == ("ANSWER", "Dial", "relayed", "arguments")
    assert counted_by_the_application("arguments") == before + 1


def test_a_caller_that_is_in_no_dialplan_is_dialled_for_by_dial_and_is_counted() -> None:
    before = left_to_dial("no-pbx")
    dialled = "application OffloadDial PJSIP/555@asterisk1"
    control.asterisk("asterisk2", f"channel originate PJSIP/556@asterisk1 {dialled}")
    bridged(2)
    caller = next(
        row.split("!")[0]
        for row in control.asterisk("asterisk2", "core show channels concise").splitlines()
        if "!OffloadDial!" in row or "!Dial!" in row
    )
    shown = control.asterisk("asterisk2", f"core show channel {caller}").split()
    assert {"OFFLOAD_STATUS=relayed", "OFFLOAD_REASON=no-pbx"} <= set(shown)
    assert left_to_dial("no-pbx") == before + 1
    wait_until(
        lambda: counted_by_the_application("no-pbx") == before + 1, within=10, what="the call to be counted"
    )
