"""One version, written in pyproject.toml: the application, the Asterisk module and the changelog agree with it."""

import re
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

PROJECT = Path(__file__).parents[2]
VERSION = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def make(*arguments: str) -> str:
    command = ["make", "--no-print-directory", "-C", str(PROJECT / "asterisk-module"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_version_is_of_the_form_that_the_application_reads_from_the_module() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)


def test_the_installed_application_has_the_version() -> None:
    assert version("stasis-offload") == VERSION


def test_the_newest_entry_of_the_changelog_is_of_the_version() -> None:
    changelog = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[?(\d+\.\d+\.\d+)\b", changelog, re.MULTILINE)
    assert newest
    assert newest[1] == VERSION


def test_the_asterisk_module_is_compiled_with_the_version() -> None:
    assert make("print-version") == f"{VERSION}\n"
    compiled = make("--dry-run", "--always-make", "res_rtpstreams.so")
    assert f'-DRTPSTREAMS_VERSION=\\"{VERSION}\\"' in compiled


def test_the_asterisk_module_has_no_version_of_its_own() -> None:
    sources = [*(PROJECT / "asterisk-module").glob("*.[ch]"), PROJECT / "asterisk-module" / "README.md"]
    assert sources
    assert [file.name for file in sources if VERSION in file.read_text(encoding="utf-8")] == []
