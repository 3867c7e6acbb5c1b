"""Whose rights are judged: root takes those of the service's user, for good; another user is told that its own are not."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from stasis_offload.checks.accounts import Account, become, service_account
from stasis_offload.errors import ConfigError

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
SOMEBODY = pwd.getpwuid(65534)


@pytest.fixture
def unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a `systemctl` first in the path that prints what the test writes into this file."""
    shown = tmp_path / "shown"
    command = tmp_path / "systemctl"
    command.write_text(f'#!/bin/sh\ncat "{shown}"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return shown


def test_the_service_runs_as_the_unit_says(unit: Path) -> None:
    unit.write_text(f"User={SOMEBODY.pw_name}\nGroup=daemon\nSupplementaryGroups=bin sys\n")
    account = service_account(None)
    assert account is not None
    assert account.uid == SOMEBODY.pw_uid
    assert account.groups[0] == 1
    assert {1, 2, 3} <= set(account.groups)


def test_a_name_that_is_given_is_stronger_than_the_unit(unit: Path) -> None:
    unit.write_text("User=daemon\nGroup=\nSupplementaryGroups=\n")
    account = service_account(SOMEBODY.pw_name)
    assert account is not None
    assert (account.uid, account.groups[0]) == (SOMEBODY.pw_uid, SOMEBODY.pw_gid)


def test_a_user_that_does_not_exist_is_named(unit: Path) -> None:
    unit.write_text("")
    with pytest.raises(ConfigError, match=r"'no-such-user'.* not found: 'no-such-user'$"):
        service_account("no-such-user")


def test_before_setup_the_units_user_is_missing(unit: Path) -> None:
    unit.write_text("User=no-such-user\n")
    with pytest.raises(ConfigError, match=r"no-such-user'; `stasis-offload setup` makes the user$"):
        service_account(None)


def test_another_user_than_the_services_is_told_so() -> None:
    user = os.geteuid()
    os.seteuid(SOMEBODY.pw_uid if user == 0 else user)
    try:
        item = become(Account(os.geteuid() + 1, (1,)))
        same = become(Account(os.geteuid(), (1,)))
    finally:
        os.seteuid(user)
    assert (item.mark, item.command) == ("hint", "stasis-offload check")
    assert same.mark == "ok"


@AS_ROOT
def test_root_without_a_service_user_is_a_hint_that_names_the_option() -> None:
    item = become(None)
    assert (item.mark, item.command) == ("hint", "stasis-offload check --user NAME")


@AS_ROOT
def test_root_becomes_the_services_user_with_all_its_groups_and_cannot_go_back() -> None:
    script = f"""
import os
from stasis_offload.checks.accounts import Account, become
print(become(Account({SOMEBODY.pw_uid}, (1, 2, 3))).text)
print(os.getresuid(), os.getresgid(), sorted(os.getgroups()))
try:
    os.setuid(0)
except PermissionError:
    print("never")
"""
    app = Path(__file__).parents[3] / "app"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(app)},
        capture_output=True,
        text=True,
        check=True,
    )
    first, ids, last = done.stdout.splitlines()
    assert first == f"{SOMEBODY.pw_name} (groups bin, daemon, sys), whom the service runs as; started by root"
    assert ids == f"({', '.join(['65534'] * 3)}) (1, 1, 1) [1, 2, 3]"
    assert last == "never"
