"""What `stasis-offload survey` says of calls that plain Dial() made: whether the switch could carry them."""

import json
from typing import Any

from lab import control
from lab.control import wait_until


def test_calls_of_dial_are_surveyed_with_what_stands_against_a_move() -> None:
    for _ in range(2):
        control.originate("dial-555@asterisk2")
    wait_until(
        lambda: (_survey()["calls"], _survey()["eligible"]) == (2, 2), within=15, what="two plain calls"
    )
    recorded = _channels()[0]
    control.asterisk("asterisk2", f"mixmonitor start {recorded} surveyed.wav")
    wait_until(lambda: _survey()["eligible"] == 1, within=10, what="the recorded call to be told apart")
    [reason] = _survey()["reasons"]
    assert (reason["reason"], reason["calls"]) == ("audio-hook", 1)
    assert recorded in reason["example"]
    assert len(reason["example"]) == 2
    lines = control.offload("survey").splitlines()
    assert lines[0] == "1 of 2 calls could be carried by the switch (50%)"
    assert lines[2].split()[:2] == ["audio-hook", "1"]


def test_a_survey_over_some_time_counts_the_seconds_of_each_call() -> None:
    control.originate("dial-555@asterisk2")
    wait_until(lambda: _survey()["eligible"] == 1, within=15, what="a plain call")
    found = _survey("--for", "3", "--every", "2")  # the last look is at the end, not at a multiple
    assert found["seconds"] == found["eligible_seconds"] >= 3


def _survey(*options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(control.offload("survey", "--json", *options))
    return found


def _channels() -> list[str]:
    return [
        line.partition("!")[0]
        for line in control.asterisk("asterisk2", "core show channels concise").splitlines()
    ]
