"""What comes with the application: units, dialplan, an example configuration, documentation, the modules' source."""

import sys
from pathlib import Path

from stasis_offload.errors import OffloadError

PATTERNS = (
    "stasis-offload.toml.example",
    "systemd/*",
    "dialplan/*.conf",
    "dialplan/examples/*.conf",
    "asterisk-module/[A-Z]*",
    "asterisk-module/*.[ch]",
    "asterisk-module/*.xml",
    "docs/*.md",
    "contrib/*/*",
    "*.md",
    "constraints.txt",
    "pyproject.toml",
)
"""The files as they lie in a clone; `pyproject.toml` (data-files) puts the same ones below share/ of an installation."""


def folder() -> Path:
    """Return the directory of the files: share/stasis-offload of the installation, or else the clone.

    Raises:
        OffloadError: there is neither.

    """
    clone = Path(__file__).parents[2]
    for found in (Path(sys.prefix, "share", "stasis-offload"), clone):
        if (found / PATTERNS[0]).is_file():
            return found
    raise OffloadError(f"the files of this installation are neither below {sys.prefix}/share nor in {clone}")


def names() -> tuple[str, ...]:
    """Return the names of the files: their paths below the directory."""
    top = folder()
    found = (file for pattern in PATTERNS for file in sorted(top.glob(pattern)) if file.is_file())
    return tuple(str(file.relative_to(top)) for file in found)


def contents(name: str) -> str:
    """Return the contents of a file, by its name or, if no other has it, the last part of its name.

    Raises:
        OffloadError: there is no such file, or there are several.

    """
    all_names = names()
    chosen = (
        [name] if name in all_names else [other for other in all_names if other.rpartition("/")[2] == name]
    )
    match chosen:
        case [one]:
            return (folder() / one).read_text(encoding="utf-8")
        case []:
            raise OffloadError(f"there is no {name!r}: `stasis-offload example` lists all names")
        case several:
            raise OffloadError(f"{name} is one of {', '.join(several)}: give the whole name")
