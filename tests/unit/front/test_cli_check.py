"""`stasis-offload check`, as a command: its lines, its exit status, by whose rights it looks."""

import json
import os
from pathlib import Path

import pytest

from tests.support.command_line import Outcome, in_another_process
from tests.support.fake_operations import FakeOperations

pytestmark = pytest.mark.usefixtures("configured")


def failures(outcome: Outcome) -> list[str]:
    return [line for line in outcome.out.splitlines() if line.startswith("FAILED ")]


def test_check_says_of_each_thing_that_is_missing_what_to_type_in_one_line(tmp_path: Path) -> None:
    outcome = in_another_process("check")
    health, ari, socket, switch = failures(outcome)
    assert outcome.status == 1
    assert outcome.out.splitlines()[0].split()[1] == "user:"
    assert health.startswith(
        f"FAILED health: the application is not running: nothing answers at {tmp_path}/http.sock"
    )
    assert health.endswith(": `systemctl start stasis-offload`")
    assert "http.conf" in ari
    assert f"{tmp_path}" in socket
    assert f"{tmp_path}" in switch
    assert "s3cret" not in outcome.out + outcome.err


def test_check_before_the_start_misses_no_running_application() -> None:
    outcome = in_another_process("check", "--before-start")
    assert [line.split()[1] for line in failures(outcome)] == ["ari:", "control", "switch:"]
    (health,) = [line for line in outcome.out.splitlines() if "health: " in line]
    assert health.startswith("ok     health: not yet: the application is not running")


def test_check_says_first_what_the_running_application_reports_of_itself(operations: FakeOperations) -> None:
    operations.problems = ("switch: another application is instance 0 of bridge breth0", "module: away")
    outcome = in_another_process("check")
    _, *lines = outcome.out.splitlines()
    assert lines[:2] == [f"FAILED health: {problem}" for problem in operations.problems]


@pytest.mark.usefixtures("operations")
def test_check_as_json_has_the_same_items(tmp_path: Path) -> None:
    outcome = in_another_process("check", "--json")
    answer = json.loads(outcome.out)
    assert (outcome.status, answer["ok"]) == (1, False)
    names = [item["name"] for item in answer["items"]]
    assert names == ["user", "health", "ari", "control socket", "switch"]
    assert [item["ok"] for item in answer["items"]] == [True, True, False, False, False]
    assert all(set(item) == {"name", "ok", "text", "command"} for item in answer["items"])
    assert str(tmp_path) in answer["items"][3]["text"]


def test_check_by_the_rights_of_a_user_that_does_not_exist_is_one_sentence() -> None:
    outcome = in_another_process("check", "--user", "no-such-user")
    assert outcome.out == ""
    if os.geteuid() == 0:
        assert (outcome.status, len(outcome.err.splitlines())) == (78, 1)
        assert "no-such-user" in outcome.err
    else:
        assert outcome.status == 2
        assert "only root" in outcome.err
