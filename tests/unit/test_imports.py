"""The house rules of design and style that an import can break, read from the source of every module."""

import ast
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "app" / "stasis_offload"

# Values and decisions: no I/O, no clock, no asyncio, no library.
CORE = {
    *("damping", "dialing", "dialstring", "eligibility", "emodel", "errors", "events", "flows", "frame"),
    *("giveback", "learning"),
    *("hearing", "legs", "media", "mediastate", "moves", "placement", "plan", "quality", "rtcp", "rtp"),
    *("signals", "splice", "view", "openflow.endpoint", "openflow.events"),
}
# One outside system each.
SHELLS = {
    *("ari", "arihttp", "config", "controlsocket", "http", "log", "rtpstreams"),
    *("openflow", "openflow.channel", "openflow.connection", "openflow.decode", "openflow.describe"),
    *("openflow.encode", "openflow.flowmod", "openflow.meters", "openflow.switch", "openflow.table"),
}
# What carries out decisions on shells, and what starts it all.
CONDUCTORS = {
    "call",
    "calls",
    "check",
    "listener",
    "machine",
    "mover",
    "newcomers",
    "operations",
    "recovery",
    "service",
    "variables",
}
TOP = {"", "cli"}

PURE = {
    *(
        "collections",
        "collections.abc",
        "dataclasses",
        "enum",
        "functools",
        "hashlib",
        "ipaddress",
        "itertools",
    ),
    *("math", "re", "struct", "typing"),
}
OWNERS = {
    "aioari": {"ari"},
    "aioswagger11": {"ari"},
    "aiohttp": {"ari", "arihttp", "cli", "http"},
    "os_ken": {"openflow.decode", "openflow.encode", "openflow.flowmod"},
    "pydantic": {"config"},
    "pydantic_settings": {"config"},
    "rich": {"cli"},
    "structlog": (SHELLS | CONDUCTORS | TOP),
    "typer": {"cli"},
}
# A shell that stands on another; within openflow/ they may stand on each other.
SHELL_ON_SHELL = {("ari", "arihttp"), ("http", "config"), ("rtpstreams", "controlsocket")}


def modules() -> dict[str, ast.Module]:
    found = {}
    for file in sorted(SOURCE.rglob("*.py")):
        name = ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix("__init__").strip(".")
        found[name] = ast.parse(file.read_text())
    return found


MODULES = modules()


def imports(name: str) -> set[str]:
    """Return every module that a module of ours imports, wherever in it, by its full name."""
    found = set()
    for node in ast.walk(MODULES[name]):
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=str(module), names=names, level=0):
                inner = {f"{module}.{alias.name}".removeprefix("stasis_offload.") for alias in names} & set(
                    MODULES
                )
                found |= {f"stasis_offload.{part}" for part in inner} if inner else {module}
            case ast.ImportFrom():
                pytest.fail(f"{name} imports relatively, which this test does not follow")
    return found


def ours(name: str) -> set[str]:
    prefix = "stasis_offload."
    return {found.removeprefix(prefix) for found in imports(name) if found.startswith(prefix)}


def others(name: str) -> set[str]:
    return {found for found in imports(name) if found.partition(".")[0] != "stasis_offload"}


def test_every_module_is_of_exactly_one_kind() -> None:
    kinds = [CORE, SHELLS, CONDUCTORS, TOP]
    assert sum(map(len, kinds)) == len(set.union(*kinds))
    assert set(MODULES) == set.union(*kinds)


@pytest.mark.parametrize("name", sorted(CORE))
def test_a_core_module_stands_on_pure_standard_modules_and_core(name: str) -> None:
    assert others(name) <= PURE
    assert ours(name) <= CORE


@pytest.mark.parametrize("name", sorted(CORE))
def test_a_core_module_reads_and_writes_nothing(name: str) -> None:
    called = {
        node.func.id
        for node in ast.walk(MODULES[name])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"open", "print", "input", "eval", "exec", "__import__"}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_library_is_imported_by_its_owner_alone(name: str) -> None:
    libraries = {
        top for found in others(name) if (top := found.partition(".")[0]) not in sys.stdlib_module_names
    }
    assert {library for library in libraries if name not in OWNERS.get(library, set())} == set()


@pytest.mark.parametrize("name", sorted(SHELLS))
def test_a_shell_stands_on_core_and_on_no_other_shell(name: str) -> None:
    package = name.partition(".")[0]
    beyond = {
        found
        for found in ours(name) - CORE
        if (name, found) not in SHELL_ON_SHELL
        and not (package == "openflow" and found.startswith("openflow"))
    }
    assert beyond == set()


def test_only_the_command_line_stands_on_the_service_and_nothing_on_the_command_line() -> None:
    assert {name for name in MODULES if "service" in ours(name)} <= {"cli"}
    assert {name for name in MODULES if "cli" in ours(name)} == set()


def test_no_module_imports_itself_by_a_detour() -> None:
    list(TopologicalSorter({name: ours(name) for name in MODULES}).static_order())


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_module_holds_two_ideas(name: str) -> None:
    path = SOURCE / name.replace(".", "/") if name else SOURCE
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    assert len(file.read_text().splitlines()) <= 350
