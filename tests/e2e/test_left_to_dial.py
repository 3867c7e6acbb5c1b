"""Calls that OffloadDial() leaves to Dial() at once: their DTMF features need its bridge."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab import control
from lab.control import wait_until
from tests.support.observed import Cdrs


@contextmanager
def dynamic_features(names: str) -> Iterator[None]:
    """Have all channels follow these codes of [applicationmap] in features.conf."""
    control.asterisk("asterisk2", f'dialplan set global DYNAMIC_FEATURES "{names}"')
    try:
        yield
    finally:
        control.asterisk("asterisk2", 'dialplan set global DYNAMIC_FEATURES ""')


@pytest.mark.parametrize(
    ("options", "names", "left"),
    [
        ("TS(100)", "", True),
        ("L(100000)t", "", True),
        ("tF(from-asterisk1^room^1)", "", True),
        ("TtgrU(lab-before)", "", False),
        ("S(100)rf(tT)", "", False),
        ("", "lab-dynamic", True),
        ("", "unknown", False),
    ],
)
def test_a_call_whose_features_need_the_bridge_of_dial_is_left_to_it_and_says_so(
    cdrs: Cdrs, options: str, names: str, *, left: bool
) -> None:
    control.asterisk("asterisk2", f"dialplan set global LAB_ARGS PJSIP/555@asterisk1,,{options}")
    with dynamic_features(names):
        control.originate("ours@asterisk2")
        wait_until(lambda: len(control.channels("asterisk1")) == 2, within=10, what="the call to be answered")
        assert bool(control.calls()) is not left
        control.hang_up_all()
        row = cdrs.last()
    assert (row["dialstatus"], row["lastapp"]) == ("ANSWER", "Dial")
    assert ((row["offload_status"], row["offload_reason"]) == ("relayed", "features")) is left
