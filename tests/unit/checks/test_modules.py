"""Modules that are missing or old: each is one line, with what is lost and the command that loads it."""

import re
from pathlib import Path

import pytest

from stasis_offload.checks.modules import FUNCTIONS, MAYBE, NEEDED, judge_functions, judge_modules

PROJECT = Path(__file__).parents[3]
FUNCTION = re.compile(r"OFFLOAD_[A-Z]+(?:_[A-Z]+)*(?=\()")


def description_of(module: str) -> str:
    """Read what a module of ours says of itself."""
    source = (PROJECT / "asterisk-module" / f"{module}.c").read_text(encoding="utf-8")
    found = re.search(r'AST_MODULE_INFO\([^"]*"([^"]*)"', source)
    assert found
    return found[1]


def everything() -> dict[str, str]:
    described = {module: description_of(module) for module in FUNCTIONS}
    return {**dict.fromkeys((*NEEDED, *MAYBE), "what it is"), **described}


def test_when_all_are_loaded_one_line_says_so() -> None:
    (item,) = judge_modules(everything())
    assert (item.mark, item.text) == ("ok", f"all {len(NEEDED)} are loaded")


@pytest.mark.parametrize("module", NEEDED)
def test_one_that_is_missing_is_one_line_with_the_command_that_loads_it(module: str) -> None:
    running = everything()
    del running[module]
    (item,) = judge_modules(running)
    assert (item.name, item.ok) == (module, False)
    assert item.text.startswith(f"not loaded: {NEEDED[module]}; ")
    assert item.command == f"asterisk -rx 'module load {module}.so'"


@pytest.mark.parametrize("module", MAYBE)
def test_what_only_some_use_is_a_hint(module: str) -> None:
    running = everything()
    del running[module]
    modules, item = judge_modules(running)
    assert (modules.mark, item.mark, item.name) == ("ok", "hint", module)


@pytest.mark.parametrize("module", FUNCTIONS)
def test_a_module_of_an_old_build_is_known_by_the_function_it_has_not(module: str) -> None:
    described = description_of(module)
    assert judge_functions(module, described) == ()
    *_, newest = FUNCTIONS[module]
    (item,) = judge_functions(module, described.replace(newest, ""))
    assert not item.ok
    assert f"an old build, without {newest};" in item.text
    (same,) = judge_modules({**everything(), module: described.replace(newest, "")})
    assert same == item


def test_every_function_that_the_application_uses_is_checked() -> None:
    sources = (PROJECT / "app").rglob("*.py")
    used = {name for source in sources for name in FUNCTION.findall(source.read_text(encoding="utf-8"))}
    assert {f"{name}()" for name in used} <= {name for names in FUNCTIONS.values() for name in names}
