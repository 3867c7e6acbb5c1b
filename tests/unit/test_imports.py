"""The import rules of the rooms (docs/architecture.md), read from the source of every module."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest

from tests.support.source import FRONT, MODULES, PAGE, ROOMS, SOURCE, others, ours, room_of, with_picture

# Of the front, what rooms stand on.
GROUND = {"errors", "measures"}
# Room: what it may import of ours, a room or a single module. A room may always import itself and GROUND.
MAY_IMPORT = {
    "packets": set[str](),
    "asterisk": {"packets"},
    "openflow": {"packets"},
    "signalling": {"asterisk.ari_events", "asterisk.leg_report"},
    "media": {"packets", "asterisk.leg_report", "openflow.flow"},
    "calls": {"packets", "asterisk", "openflow", "signalling", "media"},
    "dialplan": {"signalling.dial_args", "signalling.dial_options", "signalling.option_arguments"},
    "checks": {"packets", "asterisk", "openflow", "media", FRONT},
    "cli": {"signalling", "media", "calls", "dialplan", "checks", FRONT},
    FRONT: {"packets", "asterisk", "openflow", "signalling", "media", "calls", "dialplan", "checks", "cli"},
}
# Values and decisions: no I/O, no clock, no asyncio, no library. Of the other rooms, these modules.
PURE_ROOMS = {"packets", "signalling", "media", "dialplan"}
PURE_MODULES = {
    *("asterisk.ari_events", "asterisk.ari_fields", "asterisk.ari_messages", "asterisk.leg_report"),
    *("openflow.flow", "openflow.instance", "openflow.plan", "openflow.events", "openflow.endpoint"),
    *("openflow.abilities", "openflow.actions", "openflow.ofp", "openflow.oxm"),
    *("checks.items", "checks.modules", "checks.endpoints", "checks.running"),
    *("calls.views", "api_json", *GROUND),
    *("setup_plan", "setup_snippets", "comparison"),
}
PURE_LIBRARY = {
    *(
        "bisect",
        "collections",
        "collections.abc",
        "dataclasses",
        "datetime",
        "enum",
        "fnmatch",
        "functools",
        "hashlib",
        "json",
    ),
    *("ipaddress", "itertools", "math", "re", "statistics", "struct", "types", "typing"),
}
# Library: the rooms and modules that may import it.
OWNERS = {
    "aioari": {"asterisk.ari_connection"},
    "aioswagger11": {"asterisk.ari_connection"},
    "aiohttp": {"asterisk", "http_api", "command_bodies", "listening", "live_page", "cli.client"},
    "os_ken": {"openflow.decode"},
    "prometheus_client": {"metrics"},
    "pydantic": {"config", "config_sections"},
    "pydantic_settings": {"config"},
    "rich": {"cli"},
    "structlog": {"asterisk", "openflow", "calls", "checks", "cli", FRONT},
    "typer": {"cli"},
}


# What an operator touches, and what the rooms stand on.
FRONT_FILES = {
    *("", "__main__", "api_json", "config", "config_mistakes", "config_sections", "dialplan_files", *GROUND),
    *(
        "examples",
        "http_api",
        "command_bodies",
        "identity",
        "listening",
        "live_page",
        "log",
        "log_writer",
        "metrics",
        "reloading",
        "service",
        "service_manager",
        "sole_instance",
        "surveying",
    ),
    *("comparison", "setup_host", "setup_plan", "setup_snippets"),
}
_TIME_OF_DAY = {
    *(("time", name) for name in ("time", "time_ns", "localtime", "gmtime")),
    *(("datetime", name) for name in ("now", "utcnow", "today")),
}
FORBIDDEN_IN_PURE = {"open", "print", "input", "eval", "exec", "breakpoint", "__builtins__"}
# What imports a module by a name that no rule sees.
BY_NAME = {"__import__", "importlib", "pkgutil", "runpy"}


def is_pure(name: str) -> bool:
    """Whether a module must be pure."""
    return room_of(name) in PURE_ROOMS or name in PURE_MODULES


PURE = sorted(name for name in MODULES if is_pure(name))


def test_the_rooms_are_the_nine_of_the_architecture() -> None:
    assert {file.parent.name for file in SOURCE.rglob("*.py")} - {SOURCE.name} == set(ROOMS)
    assert set(MAY_IMPORT) == {*ROOMS, FRONT}
    assert set(MODULES) >= PURE_MODULES
    assert {name for name in MODULES if room_of(name) == FRONT} == FRONT_FILES
    assert {name for name in MODULES if name.count(".") > 1} == set()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_imports_only_what_its_room_may(name: str) -> None:
    room = room_of(name)
    allowed = MAY_IMPORT[room] | {room}
    beyond = {
        found for found in ours(name) - GROUND if found not in allowed and room_of(found) not in allowed
    }
    assert beyond == set()


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_imports_pure_modules_alone(name: str) -> None:
    assert others(name) <= PURE_LIBRARY
    assert {found for found in ours(name) if not is_pure(found)} == set()


@pytest.mark.parametrize("name", sorted({"", *ROOMS}))
def test_a_room_itself_imports_nothing(name: str) -> None:
    """Else whoever imports one of its modules imports that as well."""
    assert ours(name) | others(name) == set()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_is_imported_in_plain_sight(name: str) -> None:
    used = {node.id for node in ast.walk(MODULES[name]) if isinstance(node, ast.Name)}
    imported = {found.partition(".")[0] for found in others(name) if found != "importlib.metadata"}
    assert (used | imported) & BY_NAME == set()


def test_a_pure_module_loads_no_library_and_no_io() -> None:
    """Whatever the rules above have missed."""
    modules = ", ".join(f"stasis_offload.{name}" for name in PURE)
    loaded = subprocess.run(
        [sys.executable, "-c", f"import sys, {modules}\nprint(*sys.modules)"],
        env={"PYTHONPATH": str(SOURCE.parent)},
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split()
    assert {found.partition(".")[0] for found in loaded} & (set(OWNERS) | {"asyncio", "socket"}) == set()


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_reads_and_writes_nothing(name: str) -> None:
    used = {node.id for node in ast.walk(MODULES[name]) if isinstance(node, ast.Name)}
    of_modules = {node.attr for node in ast.walk(MODULES[name]) if isinstance(node, ast.Attribute)} & {
        "sys",
        "os",
    }
    assert (used | of_modules) & (FORBIDDEN_IN_PURE | {"sys", "os"}) == set()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_library_is_imported_by_its_owner_alone(name: str) -> None:
    libraries = {found.partition(".")[0] for found in others(name)} - sys.stdlib_module_names
    assert {
        library for library in libraries if not {name, room_of(name)} & OWNERS.get(library, set())
    } == set()


def test_only_the_command_line_imports_the_service_and_nothing_imports_the_command_line() -> None:
    assert {name for name in MODULES if "service" in ours(name)} == {"cli.daemon"}
    assert {
        name
        for name in MODULES
        if room_of(name) != "cli" and any(room_of(found) == "cli" for found in ours(name))
    } == {"__main__"}


def test_no_module_imports_itself_by_a_detour() -> None:
    list(TopologicalSorter({name: ours(name) for name in MODULES}).static_order())


@pytest.mark.parametrize("name", sorted({"", *ROOMS}))
def test_a_room_states_its_rule(name: str) -> None:
    assert ast.get_docstring(MODULES[name])


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_constructor_takes_more_than_six_parameters(name: str) -> None:
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            assert len(parameters) - 1 <= 6, f"{name}:{node.lineno}"
            assert node.args.vararg is node.args.kwarg is None, f"{name}:{node.lineno}"


def test_the_picture_in_the_documentation_is_that_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_picture(page), "draw it again: python -m tests.support.source"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_the_name_of_a_log_event_is_found_by_grep(name: str) -> None:
    levels = {"debug", "info", "warning", "error", "critical", "exception"}
    built = [
        ast.unparse(node)
        for node in ast.walk(MODULES[name])
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (node.func.attr in levels or ast.unparse(node.func).endswith("log.log"))
        and (node.args or any(keyword.arg == "event" for keyword in node.keywords))
        and not (node.args and _is_constant(node.args[0]))
    ]
    assert built == []


def _is_constant(name: ast.expr) -> bool:
    match name:
        case ast.Constant(value=str()):
            return True
        case ast.IfExp(body=one, orelse=other):
            return _is_constant(one) and _is_constant(other)
        case ast.Subscript(value=ast.Name(id=table)):
            return table.endswith("_LOGS")
        case _:
            return False


@pytest.mark.parametrize("name", sorted(MODULES))
def test_nothing_reads_the_clock_that_may_be_stepped(name: str) -> None:
    """Only the log has the time of day, and what Homer is sent: every deadline, age and interval is monotonic."""
    if name == "calls.homer_reports":
        return
    attributes = {
        (node.value.id, node.attr)
        for node in ast.walk(MODULES[name])
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    assert not attributes & _TIME_OF_DAY
