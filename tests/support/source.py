"""The source of the package: its modules, what each imports, and the picture of its rooms in docs/architecture.md.

`python -m tests.support.source` draws the picture again.
"""

import ast
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "app" / "stasis_offload"
PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"
PACKAGE = "stasis_offload"
ROOMS = ("packets", "asterisk", "openflow", "signalling", "media", "calls", "dialplan", "checks", "cli")
FRONT = "front"  # the files beside the rooms: what an operator touches

_BEGIN, _END = "<!-- rooms:begin -->\n", "<!-- rooms:end -->"


def modules() -> dict[str, ast.Module]:
    """Return the syntax tree of every module by its name within the package, "" for the package itself."""
    found = {}
    for file in sorted(SOURCE.rglob("*.py")):
        name = ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix("__init__").strip(".")
        found[name] = ast.parse(file.read_text(encoding="utf-8"))
    return found


MODULES = modules()


def room_of(name: str) -> str:
    """Return the room of a module of ours."""
    room = name.partition(".")[0]
    return room if room in ROOMS else FRONT


def imports(name: str) -> set[str]:
    """Return the full name of every module that a module of ours imports, wherever in it."""
    found = set()
    for node in ast.walk(MODULES[name]):
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(module), names=names, level=0):
                for alias in names:
                    full = f"{module}.{alias.name}"
                    found.add(full if full.removeprefix(f"{PACKAGE}.") in MODULES else module)
            case ast.ImportFrom():
                raise AssertionError(f"{name} imports relatively, which is not followed here")
    if found & {PACKAGE, "importlib"}:
        raise AssertionError(f"{name} imports the package as a whole or by name, which is not followed here")
    return found


def ours(name: str) -> set[str]:
    """Return the modules of ours that a module imports."""
    return {found.removeprefix(f"{PACKAGE}.") for found in imports(name) if found.startswith(f"{PACKAGE}.")}


def others(name: str) -> set[str]:
    """Return the modules of the standard library and of other libraries that a module imports."""
    return {found for found in imports(name) if found.partition(".")[0] != PACKAGE}


def picture() -> str:
    """Draw which room imports which; where it is not a whole room, the modules stand at the arrow."""
    arrows: dict[tuple[str, str], set[str]] = {}
    for name in MODULES:
        for found in ours(name) - {"errors", "measures"}:
            if room_of(found) != room_of(name):
                arrows.setdefault((room_of(name), room_of(found)), set()).add(found.rpartition(".")[2])
    lines = ["```mermaid", "flowchart TD"]
    for (importer, imported), names in sorted(arrows.items()):
        label = f"|{', '.join(sorted(names))}| " if importer in ("signalling", "media") else ""
        lines.append(f"    {importer} --> {label}{imported}")
    return "\n".join([*lines, "```", ""])


def with_picture(page: str) -> str:
    """Return the page with the picture as it should be."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return before + _BEGIN + picture() + _END + after


if __name__ == "__main__":
    PAGE.write_text(with_picture(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
