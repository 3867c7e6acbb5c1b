"""The manual page beside the program: what `--help` shows of each command, the files and the exit statuses that there are."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from stasis_offload import config
from stasis_offload.cli import statuses
from stasis_offload.setup_plan import CONTROL_SOCKET, PASSWORD
from tests.support.command_line import Command

PROJECT = Path(__file__).parents[3]
CONFIG = str(config.DEFAULT_FILE)  # before `configured` has another
# What `--help` has for every command, the page once.
EVERYWHERE = {"-h", "--help"}


@pytest.fixture(scope="module")
def page() -> str:
    """Return the page without the marks of roff in its words."""
    done = subprocess.run(
        [sys.executable, "scripts/man.py"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    return done.stdout.replace(r"\-", "-").replace(r"\&", "").replace(r"\e", "\\")


@pytest.fixture
def shown(command: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("COLUMNS", "1000")  # no text is wrapped
    return command


def sections(page: str, macro: str) -> dict[str, str]:
    """Return the sections that a macro begins, by the first word of their titles."""
    parts = re.split(rf"^\.{macro} (\w+)", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def of_commands(page: str) -> dict[str, str]:
    return sections(sections(page, "SH")["COMMANDS"], "SS")


def options_on(section: str) -> set[str]:
    terms = re.findall(r"^\.TP\n\\fB(.*)\\fR$", section, re.MULTILINE)
    return {word for term in terms for word in re.split(r"[ ,]+", term) if word.startswith("-")}


def options_in(text: str) -> set[str]:
    """Return the options that begin the rows of a help."""
    return {
        word for row in re.findall(r"^│ [ *]*((?:--?[\w-]+ +)+)", text, re.MULTILINE) for word in row.split()
    }


def texts_on(section: str) -> list[str]:
    """Return what a section says of a command and of each of its options, without the values that are allowed."""
    lines = [line for line in section.splitlines()[1:] if not line.startswith((".", r"\f"))]
    return [re.sub(r"\s*\[[^][]*\]$", "", line) for line in lines]


def test_every_command_and_every_option_of_help_is_on_the_page_and_no_other(
    page: str, shown: Command
) -> None:
    help_ = shown("--help").out
    assert {"run", "check"} < of_commands(page).keys()
    assert [*of_commands(page)] == re.findall(r"^│ (\w+) ", help_.partition("─ Commands ─")[2], re.MULTILINE)
    assert options_on(sections(page, "SH")["OPTIONS"]) == options_in(help_) > EVERYWHERE
    for name, section in of_commands(page).items():
        assert options_on(section) == options_in(shown(name, "--help").out) - EVERYWHERE, name


def test_help_shows_every_text_of_the_page_whole(page: str, shown: Command) -> None:
    for name, section in of_commands(page).items():
        words = " ".join(re.sub(r"[│\s]+", " ", shown(name, "--help").out).split())
        assert [text for text in texts_on(section) if text not in words] == [], name


def test_the_files_that_the_page_names_are_those_that_the_program_uses(page: str, shown: Command) -> None:
    named = set(re.findall(r"(?<!\w)/[\w./-]+\w", page.replace(r"\fB", "")))
    assert named == {CONFIG, PASSWORD, CONTROL_SOCKET, "/etc/asterisk"}
    assert set(re.findall(r"^\\fB(/.*)\\fR$", page, re.MULTILINE)) == {CONFIG, PASSWORD}
    for example in [
        *re.findall(r"`stasis-offload example (.*?)`", page),
        *re.findall(r"\bdocs/[\w.-]+\w", page),
    ]:
        assert shown("example", example).status == 0, example


def test_the_exit_statuses_that_the_page_names_are_those_that_the_program_has(page: str) -> None:
    named = {
        name: {
            int(status)
            for found in re.findall(r"\b(\d+) (?:if|for)\b|\((\d+)\)", section)
            for status in found
            if status
        }
        for name, section in of_commands(page).items()
    }
    assert {name: found for name, found in named.items() if found} == {
        "run": {statuses.EXIT_REPLACED},
        "config": {statuses.EXIT_CONFIG},
        "check": {0, statuses.EXIT_FAILED, statuses.EXIT_UNREADABLE, statuses.EXIT_CONFIG},
        "dialplan": {statuses.EXIT_FAILED, statuses.EXIT_UNREADABLE},
    }
