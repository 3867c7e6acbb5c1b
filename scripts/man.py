"""Prints the manual page, stasis-offload(8), from the commands: `python scripts/man.py`."""

import re
from collections.abc import Iterator
from typing import Any

import typer

from stasis_offload.cli import main
from stasis_offload.cli.typed import commands
from stasis_offload.config import DEFAULT_FILE
from stasis_offload.setup_plan import PASSWORD

_FILES = {
    str(
        DEFAULT_FILE
    ): "the configuration; `stasis-offload example stasis-offload.toml.example` has every key",
    PASSWORD: "the password of Asterisk's REST interface, alone",
}
_HELP = "Show this message and exit."


def page() -> str:
    """Return the page, in the macros of man(7)."""
    group: Any = typer.main.get_command(commands)  # of click, whether typer has it within or as a dependency
    lines = [
        '.TH STASIS-OFFLOAD 8 "" "stasis-offload" "System administration"',
        ".SH NAME",
        r"stasis-offload \- media of two-party calls from Asterisk into Open vSwitch",
        ".SH SYNOPSIS",
        r".B stasis-offload",
        r"\fICOMMAND\fR [\fIOPTION\fR]... [\fIARGUMENT\fR]...",
        ".SH DESCRIPTION",
        _escaped(group.help or ""),
        ".SH OPTIONS",
    ]
    context = group.context_class(group, info_name="stasis-offload", **group.context_settings)
    for term, text in _parameters(group, context):
        lines += _item(term, text)
    lines.append(".SH COMMANDS")
    for name in group.list_commands(context):
        lines += _command(name, group.get_command(context, name), context)
    lines += [".SH FILES", *(line for item in _FILES.items() for line in _item(*item))]
    return "\n".join(lines) + "\n"


def _command(name: str, command: Any, context: Any) -> list[str]:  # noqa: ANN401 - of click
    inner = command.context_class(command, info_name=name, parent=context)
    lines = [f".SS {_escaped(' '.join((name, *command.collect_usage_pieces(inner))))}"]
    lines.append(_escaped(command.help or ""))
    for term, text in _parameters(command, inner):
        if text != _HELP:
            lines += _item(term, text)
    return lines


def _parameters(command: Any, context: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - of click
    for parameter in command.get_params(context):
        if record := parameter.get_help_record(context):
            term, text = record
            yield term, text.replace(r"\[", "[")  # as typer keeps it from being markup of rich


def _item(term: str, text: str) -> list[str]:
    return [".TP", rf"\fB{_escaped(term)}\fR", _escaped(text)]


def _escaped(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip().replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    del main  # imported for the commands that it names
    print(page(), end="")  # noqa: T201 - what it is for
