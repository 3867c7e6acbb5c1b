"""The commands that show the calls and steer their media."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from stasis_offload.api_json import (
    BadAnswerError,
    calls_as_json,
    details_as_json,
    parse_calls,
    parse_details,
    parse_health,
)
from stasis_offload.calls.views import CallDetails, CallView
from stasis_offload.cli.client import request
from stasis_offload.cli.tables import (
    ReasonFilter,
    StateFilter,
    chosen,
    drained,
    fitting_table,
    held,
    mos,
    summary,
)
from stasis_offload.cli.typed import AsJson, ConfigFile, age, commands, console, reason_named
from stasis_offload.log import LEVELS
from stasis_offload.media.reasons import EXPLANATIONS, ReasonKind

_Call = Annotated[str | None, typer.Argument(metavar="[CALL]", help="An id that `calls` shows.")]
_All = Annotated[bool, typer.Option("--all", help="Every call, and those to come.")]


@commands.command()
def calls(
    *,
    state: StateFilter = None,
    reason: ReasonFilter = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show every call: its parties, what carries its media and why, and what the switch forwarded."""
    if reason is not None:
        reason_named(reason)
    every = parse_calls(request(config, "GET", "/calls"))
    views = chosen(every, state, reason)
    if as_json:
        typer.echo(json.dumps(calls_as_json(views), indent=2))
        return
    health = parse_health(request(config, "GET", "/healthz"))
    for line in filter(None, (held(health), drained(health))):
        typer.echo(line)
    screen = console()
    screen.print(fitting_table(views, screen))
    typer.echo(summary(views, every))


@commands.command()
def explain(
    call: Annotated[str, typer.Argument(metavar="CALL", help="An id that `calls` shows, or the log.")],
    *,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Explain one call, up or ended within the hour: why it is where it is, what was compared, its last 20 moves."""
    details = parse_details(request(config, "GET", f"/calls/{quote(call, safe='')}"))
    if as_json:
        typer.echo(json.dumps(details_as_json(details), indent=2))
    else:
        typer.echo("\n".join(_explanation(details)))


@commands.command()
def relay(call: _Call = None, *, everything: _All = False, config: ConfigFile = None) -> None:
    """Return the media of a call, or of all, to Asterisk and keep it there."""
    count = _post(config, "/relay", _target(call, everything=everything))
    typer.echo(f"relayed: {count} (until `stasis-offload offload {call or '--all'}`)")


@commands.command()
def offload(call: _Call = None, *, everything: _All = False, config: ConfigFile = None) -> None:
    """Undo `relay`: the media goes through the switch again wherever it can."""
    count = _post(config, "/offload", _target(call, everything=everything))
    typer.echo(f"no longer blocked by an operator: {count} (`stasis-offload calls` shows what carries each)")


@commands.command()
def drain(
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Take new calls again.")] = False,
    config: ConfigFile = None,
) -> None:
    """Have the dialplan refuse new calls, so that another node of the fleet takes them; those that are up go on.

    The dialplan has to have the lines of docs/topologies.md for it.
    """
    count = _post(config, "/drain", {"drained": not undo})
    if undo:
        typer.echo(f"in service: new calls are taken again; still up: {count}")
    else:
        by = "by the dialplan's lines of docs/topologies.md"
        typer.echo(
            f"drained: new calls are refused, {by}, until `stasis-offload drain --undo`; still up: {count}"
        )


@commands.command()
def log(level: Annotated[str, typer.Argument(metavar="LEVEL")], config: ConfigFile = None) -> None:
    """Have the running application log from this level up (debug, info, warning, error) until it reads its configuration again."""
    if level not in LEVELS:
        raise typer.BadParameter(f"{level!r} is not one of {', '.join(LEVELS)}")
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


def _explanation(details: CallDetails) -> Iterator[str]:
    view = details.view
    if details.ended_age is None:
        by = view.switch and f"by switch {view.switch}"
        what = " ".join(filter(None, (view.state, view.reason, by)))
        yield f"{view.call}: {what}, for {age(view.state_age)}; up for {age(view.age)}"
    else:
        yield f"{view.call}: ended {age(details.ended_age)} ago, after {age(view.age)}"
    yield f"  caller {view.caller}, callee {view.callee or '-'}"
    if details.ended_age is None:
        yield from (f"  {line}" for line in _why(view))
    packets = f"{view.from_caller.packets} packets of the caller and {view.from_callee.packets} of the callee"
    yield f"  the switch forwarded {packets}{', or more' if view.partial else ''}; MOS {mos(view)}"
    yield "  last moves:"
    for move in details.moves:
        detail = f"  ({move.detail})" if move.detail else ""
        yield f"    {age(move.age)} ago  {move.state:<9}  {move.reason or '-'}{detail}"


def _why(view: CallView) -> Iterator[str]:
    if view.reason_kind in set(ReasonKind):
        yield EXPLANATIONS[ReasonKind(view.reason_kind)]
    if view.detail:
        yield f"compared: {view.detail}"
