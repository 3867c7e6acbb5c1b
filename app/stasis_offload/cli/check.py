"""The command that checks what the application needs."""

import asyncio
import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from stasis_offload import config as configuration
from stasis_offload.checks.accounts import become, service_account
from stasis_offload.checks.items import Item, items_as_json, items_from_json
from stasis_offload.checks.running import Running
from stasis_offload.cli.client import request
from stasis_offload.cli.statuses import EXIT_FAILED
from stasis_offload.cli.typed import AsJson, ConfigFile, commands, console, log_to_stderr
from stasis_offload.errors import OffloadError

_STYLES = {"ok": "green", "hint": "yellow", "FAILED": "bold red"}

_BeforeStart = Annotated[
    bool,
    typer.Option("--before-start", help="The application does not run yet: that is no failure."),
]
_User = Annotated[
    str | None,
    typer.Option(
        "--user", help="As root: by this user's rights, not those of the unit's User= or `offload`."
    ),
]


@commands.command()
def check(
    *,
    config: ConfigFile = None,
    as_json: AsJson = False,
    before_start: _BeforeStart = False,
    user: _User = None,
) -> None:
    """Check each thing the application needs, and print the command to type about a missing one.

    Run as root it takes the rights of the service's user first. What the running application reports of itself comes next;
    `hint` is what works and can be better.

    Exit status: 0 if nothing failed, 1 if something did, 2 for wrong arguments, 78 for a wrong configuration.
    """
    from stasis_offload.checks.run import run_checks  # noqa: PLC0415 - as in `run`; before the rights to read it go

    if user and os.geteuid():
        raise typer.BadParameter("only root can check by another user's rights", param_hint="--user")
    whose = become(service_account(user))
    if not as_json:
        _print(whose)
    settings = configuration.load(config)
    log_to_stderr(settings)
    items = (whose, *asyncio.run(run_checks(settings, _running(config, expected=not before_start))))
    if as_json:
        typer.echo(json.dumps(items_as_json(items), indent=2))
    else:
        _print(*items[1:])
    if not all(item.ok for item in items):
        raise typer.Exit(EXIT_FAILED)


def _print(*items: Item) -> None:
    screen = console()
    for item in items:
        mark = Text(f"{item.mark:6}", style=_STYLES[item.mark])
        screen.print(mark, item.line, markup=False, highlight=False, soft_wrap=True)


def _running(config: Path | None, *, expected: bool) -> Running:
    """Ask the running application for its problems."""
    try:
        answer = request(config, "GET", "/healthz")
    except OffloadError as error:
        return Running(silence=str(error), expected=expected)
    match answer:
        case {"problems": [*problems]}:
            found = tuple(map(str, problems))
            return Running(problems=found, expected=expected, switch=_switch_that_dials(config))
        case _:
            return Running(silence="what answers at its HTTP port is not stasis-offload", expected=expected)


def _switch_that_dials(config: Path | None) -> tuple[Item, ...]:
    """Ask the running application what it sees of its switch, if that dials it; nothing if none has."""
    if not any(settings.switch_dials for _, settings in configuration.load(config).switches):
        return ()
    try:
        return tuple(items_from_json(request(config, "GET", "/switch")))
    except OffloadError:
        return ()
