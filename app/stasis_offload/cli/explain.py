"""The commands that explain words of ours, and read a dialplan; they need no running application."""

import json
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from stasis_offload.cli.statuses import EXIT_FAILED
from stasis_offload.cli.typed import AsJson, commands, console, plain_table, reason_named
from stasis_offload.dialplan.config_file import DialplanError
from stasis_offload.dialplan.presentation import as_json as report_as_json
from stasis_offload.dialplan.presentation import as_lines as report_as_lines
from stasis_offload.dialplan.report import examine
from stasis_offload.dialplan_files import read_dialplan
from stasis_offload.errors import OffloadError
from stasis_offload.media.phases import MEANINGS, transitions_as_markdown
from stasis_offload.media.reasons import EXPLANATIONS, reasons_as_markdown
from stasis_offload.media.state import STATES
from stasis_offload.signalling.dial_options import OPTIONS, options_as_markdown


@commands.command()
def reasons(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="As `calls` shows them; all without one.")
    ] = None,
    *,
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="As docs/reasons.md.")] = False,
) -> None:
    """Explain reasons for which a call is relayed: those that are named, or every one."""
    kinds = [reason_named(name) for name in names or ()] or list(EXPLANATIONS)
    if markdown:
        typer.echo(reasons_as_markdown(), nl=False)
        return
    if as_json:
        typer.echo(json.dumps({str(kind): EXPLANATIONS[kind] for kind in kinds}, indent=2))
        return
    table = plain_table()
    table.add_column("REASON")
    table.add_column("MEANS", overflow="fold")
    for kind in kinds:
        table.add_row(kind, EXPLANATIONS[kind])
    console().print(table)


@commands.command()
def phases(
    *, markdown: Annotated[bool, typer.Option("--markdown", help="As docs/phases.md.")] = False
) -> None:
    """Explain every phase of a call's media; with --markdown, also what each event does in it."""
    if markdown:
        typer.echo(transitions_as_markdown(), nl=False)
        return
    table = plain_table()
    table.add_column("PHASE")
    table.add_column("STATE")
    table.add_column("MEANS", overflow="fold")
    for phase, meaning in MEANINGS.items():
        table.add_row(phase, STATES[phase], meaning)
    console().print(table)


@commands.command()
def options(
    *, markdown: Annotated[bool, typer.Option("--markdown", help="As docs/dial-options.md.")] = False
) -> None:
    """Explain what becomes of every option of Dial()."""
    if markdown:
        typer.echo(options_as_markdown(), nl=False)
        return
    table = plain_table()
    table.add_column("OPTION", no_wrap=True)
    table.add_column("TREATMENT")
    table.add_column("MEANS", overflow="fold")
    for option in OPTIONS.values():
        table.add_row(*map(Text, (str(option), option.treatment, option.text)))  # `:calling:` is an emoji
    console().print(table)


@commands.command()
def dialplan(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="An extensions.conf; what it includes is read.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Say of each Dial() whether it can move here, and what stands against it; 1 if one cannot, 2 for a bad file."""
    report = examine(read_dialplan(file))
    if as_json:
        typer.echo(json.dumps(report_as_json(report), indent=2))
    else:
        typer.echo("\n".join(report_as_lines(report)))
    if report.missing:
        raise DialplanError("; ".join(report.missing))
    if not report.all_move:
        raise typer.Exit(EXIT_FAILED)


def _show_version(asked: bool) -> None:  # noqa: FBT001 - as typer calls it
    if asked:
        version()
        raise typer.Exit


@commands.callback()
def _before_any(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None: ...


@commands.command()
def version() -> None:
    """Show the version."""
    try:
        typer.echo(f"stasis-offload {version_of('stasis-offload')}")
    except PackageNotFoundError as error:
        raise OffloadError("run from its source, not installed: there is no version") from error
