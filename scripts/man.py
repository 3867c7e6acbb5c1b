"""Prints the manual page, stasis-offload(8), from the commands: `python scripts/man.py`."""

import re
from typing import Any

import typer

from stasis_offload.cli import main
from stasis_offload.cli.typed import commands

_FILES = {
    "/etc/stasis-offload/stasis-offload.toml": "the configuration; `stasis-offload example stasis-offload.toml.example` has every key",
    "/etc/stasis-offload/ari-password": "the password of Asterisk's REST interface, alone",
}


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
        ".SH COMMANDS",
    ]
    context = group.context_class(group, info_name="stasis-offload")
    for name in group.list_commands(context):
        lines += _command(name, group.get_command(context, name), context)
    lines += [".SH FILES", *(line for item in _FILES.items() for line in _item(*item))]
    return "\n".join(lines) + "\n"


def _command(name: str, command: Any, context: Any) -> list[str]:  # noqa: ANN401 - of click
    inner = command.context_class(command, info_name=name, parent=context)
    lines = [f".SS {_escaped(' '.join((name, *command.collect_usage_pieces(inner))))}"]
    lines.append(_escaped(command.help or ""))
    for parameter in command.get_params(inner):
        record = parameter.get_help_record(inner)
        if record is not None and record[1] != "Show this message and exit.":
            term, text = record
            lines += _item(term, text.replace(r"\[", "["))  # as typer keeps it from being markup of rich
    return lines


def _item(term: str, text: str) -> list[str]:
    return [".TP", rf"\fB{_escaped(term)}\fR", _escaped(text)]


def _escaped(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip().replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    del main  # imported for the commands that it names
    print(page(), end="")  # noqa: T201 - what it is for
