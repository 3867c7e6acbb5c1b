"""The lab that `make lab` has started: whole calls, judged by what asterisk1, the endpoint of all, sends and gets."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab import control
from lab.control import wait_until
from lab.place import LAB
from tests.support.observed import Cdrs

# The switch of these is in front of node 2: LAB=tor lab/lab.sh up; LAB=tor pytest tests/e2e/tor
collect_ignore = [] if LAB == "tor" else ["tor"]

NO_CALL_WITHIN = 15.0


@dataclass
class Lab:
    """Whether the last test left the lab clear."""

    clear: bool = False


@pytest.fixture(scope="session")
def lab() -> Lab:
    """Nobody knows what was done in the lab before the first test."""
    return Lab()


@pytest.fixture(autouse=True)
def quiet_lab(lab: Lab) -> Iterator[None]:
    """Begin and end each test without a call, a bridge, a flow of ours, or a call blocked by the operator."""
    if not lab.clear:
        _clear()
    lab.clear = False
    yield
    _clear()
    # What is shown of a call at an audit goes within 0.2 s, its last change of the switch.
    wait_until(lambda: not control.flows() + control.withholding(), within=1.0, what="every flow to go")
    wait_until(
        lambda: "offload-" not in control.asterisk("asterisk2", "bridge show all"),
        within=1.0,
        what="every bridge to go",
    )
    lab.clear = True


def _clear() -> None:
    control.lift_blocks()
    control.hang_up_all()
    control.asterisk("asterisk2", "channel request hangup all")  # a phone that died leaves its channel behind
    for node in ("asterisk1", "asterisk2"):
        wait_until(
            lambda node=node: not control.channels(node),  # type: ignore[misc] # mypy infers no type of a default
            within=NO_CALL_WITHIN,
            what=f"{node} to have no channel",
        )
    wait_until(lambda: not control.calls(), within=NO_CALL_WITHIN, what="the application to have no call")


@pytest.fixture
def cdrs() -> Cdrs:
    """Read what the dialplan of node 2 noted of the calls of this test."""
    return Cdrs()
