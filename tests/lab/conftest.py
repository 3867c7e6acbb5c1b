"""The lab that `make lab` has started: whole calls, judged by what asterisk1, the endpoint of all, sends and gets."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab import control
from lab.control import wait_until

NO_CALL_WITHIN = 15.0
CDRS = "/var/log/asterisk/cdr-custom/calls.json"


@pytest.fixture(autouse=True)
def quiet_lab() -> Iterator[None]:
    """Begin and end each test without a call, a flow of ours, or a call held by the operator."""
    _end_all_calls()
    yield
    control.offload("offload", "--all")
    _end_all_calls()
    assert control.flows() == []


def _end_all_calls() -> None:
    control.hang_up_all()
    for node in ("asterisk1", "asterisk2"):
        wait_until(
            lambda node=node: not control.channels(node),
            within=NO_CALL_WITHIN,
            what=f"{node} to have no channel",
        )
    wait_until(lambda: not control.calls(), within=NO_CALL_WITHIN, what="the application to have no call")


def media_moved(calls: int = 1) -> None:
    """Wait until the switch carries every call there is, and there are so many."""
    wait_until(
        lambda: [call["state"] for call in control.calls()] == ["offloaded"] * calls,
        within=15,
        what=f"the media of {calls} calls to be moved",
    )


class Cdrs:
    """The CDRs that node 2 writes from here on."""

    def __init__(self) -> None:
        self._seen = len(self._rows())

    @staticmethod
    def _rows() -> list[str]:
        return control.execute("asterisk2", "cat", CDRS, check=False).splitlines()

    def last(self, *, having: str = "dialstatus", within: float = 10.0) -> dict[str, Any]:
        """Wait for the first CDR with that field: a call that fails leaves one more, for the failed dial."""

        def found() -> dict[str, Any] | None:
            rows = (json.loads(row) for row in self._rows()[self._seen :])
            return next((row for row in rows if row[having]), None)

        return wait_until(found, within=within, what=f"a CDR with {having}")


@pytest.fixture
def cdrs() -> Cdrs:
    """Read what the dialplan of node 2 noted of the calls of this test."""
    return Cdrs()
