"""What a user installs: sdist and wheel have every file that an installation needs, and the wheel runs."""

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree, ignore_patterns
from tempfile import TemporaryDirectory
from typing import NamedTuple
from venv import EnvBuilder

import pytest

from stasis_offload import examples

CHECKOUT = Path(__file__).parents[2]
VERSION = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

# What the README's installation names beside the application, and what a distribution asks for.
NEEDED = {
    *("CHANGELOG.md", "README.md", "constraints.txt", "pyproject.toml", "stasis-offload.toml.example"),
    *("asterisk-module/LICENSE", "asterisk-module/Makefile", "asterisk-module/README.md"),
    *("dialplan/extensions.conf", "dialplan/examples/before.conf", "dialplan/examples/after.conf"),
    *("docs/migration.md", "systemd/stasis-offload.service"),
}
# Each file of these folders belongs to the sdist.
WHOLE = ("app/stasis_offload", "asterisk-module", "contrib", "dialplan", "docs", "systemd")
BUILT = ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "*.so")


class Built(NamedTuple):
    """The three archives, and the copy of the checkout that they were built from."""

    source: Path
    sdist: Path
    wheel_of_sdist: Path
    wheel_of_checkout: Path


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command in a folder that has no project in it, unless it is the copy, and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr or done.stdout}"
    return done.stdout


def one(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


@pytest.fixture(scope="module")
def built() -> Iterator[Built]:
    """Build from a copy: setuptools leaves files behind, and packs what an earlier build left in `build/`."""
    with TemporaryDirectory() as folder:
        source = copytree(CHECKOUT, Path(folder, "source"), ignore=BUILT)
        build = (sys.executable, "-m", "build", "--no-isolation")
        # Without --wheel or --sdist the wheel is built from the sdist, and not from the folder.
        run(*build, "--outdir", Path(folder, "released"), source, cwd=Path(folder))
        run(*build, "--wheel", "--outdir", Path(folder, "direct"), source, cwd=Path(folder))
        yield Built(
            source,
            one(Path(folder, "released"), "*.tar.gz"),
            one(Path(folder, "released"), "*.whl"),
            one(Path(folder, "direct"), "*.whl"),
        )


def files_of(folder: Path, *, below: str = ".") -> set[str]:
    return {str(file.relative_to(folder)) for file in (folder / below).rglob("*") if file.is_file()}


def contents_of(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_sdist_has_every_file_that_an_installation_needs(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        top = f"stasis_offload-{VERSION}/"
        packed = {member.name.removeprefix(top) for member in archive if member.isfile()}
    # The copy was made of sources alone; what setuptools has written into it since lies in an .egg-info.
    wanted = set().union(*(files_of(built.source, below=folder) for folder in WHOLE)) | NEEDED | {"LICENSE"}
    assert wanted - packed == set()
    assert not {name for name in packed if name.endswith((".so", ".pyc"))}


def test_the_wheel_has_every_module_what_the_installation_needs_and_nothing_else(built: Built) -> None:
    modules = files_of(built.source / "app", below="stasis_offload")
    packed = {name for name in contents_of(built.wheel_of_sdist) if ".dist-info/" not in name}
    share = f"stasis_offload-{VERSION}.data/data/share/stasis-offload/"
    assert packed == modules | {share + name for name in examples.names()}
    assert set(examples.names()) >= NEEDED


def test_the_sdist_builds_the_same_wheel_as_the_checkout(built: Built) -> None:
    assert contents_of(built.wheel_of_sdist) == contents_of(built.wheel_of_checkout)


def test_the_wheel_runs_in_an_empty_environment(built: Built, tmp_path: Path) -> None:
    EnvBuilder(with_pip=True).create(tmp_path / "empty")
    programs = tmp_path / "empty" / "bin"
    # As README has it. The dependencies come from the package index: only so does the test notice one that is missing.
    install = (programs / "pip", "install", "--quiet")
    run(
        *install,
        "--use-pep517",
        "--require-hashes",
        "--requirement",
        CHECKOUT / "constraints.txt",
        cwd=tmp_path,
    )
    run(*install, "--no-deps", built.wheel_of_sdist, cwd=tmp_path)
    run(programs / "pip", "check", cwd=tmp_path)
    assert run(programs / "stasis-offload", "version", cwd=tmp_path) == f"stasis-offload {VERSION}\n"
    documented = (CHECKOUT / "docs" / "reasons.md").read_text(encoding="utf-8")
    assert run(programs / "stasis-offload", "reasons", "--markdown", cwd=tmp_path) == documented
    named = [line.split("`")[1] for line in documented.splitlines() if line.startswith("| `")]
    table = run(programs / "stasis-offload", "reasons", cwd=tmp_path)
    assert named
    assert {name for name in named if name not in table} == set()
    listed = run(programs / "stasis-offload", "example", cwd=tmp_path).splitlines()
    share = tmp_path / "empty" / "share" / "stasis-offload"
    assert listed == [f"{share}:", *(f"  {name}" for name in examples.names())]
    unit = (CHECKOUT / "systemd" / "stasis-offload.service").read_text(encoding="utf-8")
    assert run(programs / "stasis-offload", "example", "stasis-offload.service", cwd=tmp_path) == unit
    module = ("make", "--no-print-directory", "-C", share / "asterisk-module", "print-version")
    assert run(*module, cwd=tmp_path) == f"{VERSION}\n"
