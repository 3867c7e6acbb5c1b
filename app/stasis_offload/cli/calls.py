"""The commands that show the calls and steer their media."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from stasis_offload.api_json import BadAnswerError, calls_as_json, is_blocked, parse_calls
from stasis_offload.calls.views import CallView
from stasis_offload.cli.client import request
from stasis_offload.cli.typed import AsJson, ConfigFile, age, commands, console, plain_table
from stasis_offload.media.quality import LegQuality

_Call = Annotated[str | None, typer.Argument(metavar="CALL", help="An id that `calls` shows.")]
_All = Annotated[bool, typer.Option("--all", help="Every call, and those to come.")]


@commands.command()
def calls(*, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show every call: its parties, what carries its media and why, and what the switch forwarded."""
    views = parse_calls(request(config, "GET", "/calls"))
    if as_json:
        typer.echo(json.dumps(calls_as_json(views), indent=2))
        return
    if is_blocked(request(config, "GET", "/healthz")):
        typer.echo(
            "ALL CALLS ARE HELD with Asterisk, those to come too, until `stasis-offload offload --all`"
        )
    console().print(_table(views))


@commands.command()
def relay(call: _Call = None, *, everything: _All = False, config: ConfigFile = None) -> None:
    """Return the media of a call, or of all, to Asterisk and keep it there."""
    count = _post(config, "/relay", _target(call, everything=everything))
    typer.echo(f"relayed: {count} (until `stasis-offload offload {call or '--all'}`)")


@commands.command()
def offload(call: _Call = None, *, everything: _All = False, config: ConfigFile = None) -> None:
    """Undo `relay`: the media goes through the switch again wherever it can."""
    count = _post(config, "/offload", _target(call, everything=everything))
    typer.echo(f"no longer blocked: {count} (`stasis-offload calls` shows what carries each)")


@commands.command()
def log(level: Annotated[str, typer.Argument(metavar="LEVEL")], config: ConfigFile = None) -> None:
    """Have the running application log from this level up (debug, info, warning, error) until it reads its configuration again."""
    match request(config, "POST", "/log", {"level": level}):
        case {"level": str(level), "was": str(was)}:
            typer.echo(f"log level: {level}, was {was} (until `systemctl reload` or a restart)")
        case answer:
            raise BadAnswerError(f"the application answered something else than a level: {str(answer)[:60]}")


def _target(call: str | None, *, everything: bool) -> dict[str, object]:
    if (call is None) != everything:
        raise typer.BadParameter("give a CALL or --all")
    return {"all": True} if everything else {"call": call}


def _post(config: Path | None, path: str, target: dict[str, object]) -> str:
    match request(config, "POST", path, target):
        case {"calls": int(count)}:
            return "1 call" if count == 1 else f"{count} calls"
        case answer:
            raise BadAnswerError(f"the application answered something else than a number: {str(answer)[:60]}")


def _table(views: Sequence[CallView]) -> Table:
    table = plain_table()
    table.add_column("CALL", no_wrap=True)  # to be copied
    for name in ("CALLER", "CALLEE", "STATE", "REASON"):
        table.add_column(name, overflow="fold")
    for name in ("FROM CALLER", "FROM CALLEE", "MOS", "AGE"):
        table.add_column(name, justify="right")
    for view in views:
        cells = (view.call, view.caller, view.callee or "-", view.state, view.reason or "-")
        counts = (str(view.from_caller.packets), str(view.from_callee.packets))
        mos = "/".join(_mos(quality) for quality in (view.caller_quality, view.callee_quality))
        table.add_row(
            *map(Text, (*cells, *counts, mos, age(view.age) + ("+" if view.partial else "")))
        )  # Text, because a channel's name may look like markup
    return table


def _mos(quality: LegQuality) -> str:
    return "-" if quality.mos is None else f"{quality.mos:.1f}"
