"""What the application depends on: with its hashes in constraints.txt, and in the Debian package as Debian's, or within it."""

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[2]
DEPENDENCIES = {
    re.split(r"[<>=]", dependency)[0]
    for dependency in tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "dependencies"
    ]
}
# Debian does not have them: scripts/deb.Dockerfile puts them into the package.
BUNDLED = {"aioari", "aioswagger11"}


def test_each_has_its_hashes() -> None:
    constraints = (PROJECT / "constraints.txt").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([\w-]+)==\S+(?: ;.*)? \\\n +--hash=sha256:", constraints, re.MULTILINE))
    assert DEPENDENCIES - pinned == set()


def test_the_debian_package_depends_on_each_that_is_not_within_it() -> None:
    control = (PROJECT / "debian" / "control").read_text(encoding="utf-8")
    (package,) = (text for text in control.split("\n\n") if text.startswith("Package: stasis-offload\n"))
    assert {name for name in DEPENDENCIES - BUNDLED if f"python3-{name}" not in package} == set()


def test_the_container_that_tests_the_package_has_each() -> None:
    image = (PROJECT / "tests" / "deb" / "host.Dockerfile").read_text(encoding="utf-8")
    assert {name for name in DEPENDENCIES - BUNDLED if f"python3-{name}" not in image} == set()
