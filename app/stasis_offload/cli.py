"""The command line. Prints a line or a table, or one sentence about what is wrong, with an exit status."""

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated

import aiohttp
import structlog
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stasis_offload import config as configuration
from stasis_offload import log as logs
from stasis_offload.api_json import BadAnswerError, calls_as_json, parse_calls
from stasis_offload.calls.views import CallView
from stasis_offload.config import Config
from stasis_offload.dialplan.config_file import DialplanError
from stasis_offload.dialplan.presentation import as_json as report_as_json
from stasis_offload.dialplan.presentation import as_lines as report_as_lines
from stasis_offload.dialplan.report import examine
from stasis_offload.dialplan_files import read_dialplan
from stasis_offload.errors import AriReplacedError, ConfigError, OffloadError
from stasis_offload.http_api import url_of
from stasis_offload.media.phases import MEANINGS, transitions_as_markdown
from stasis_offload.media.quality import LegQuality
from stasis_offload.media.reasons import EXPLANATIONS, reasons_as_markdown
from stasis_offload.media.state import STATES
from stasis_offload.signalling.dial_options import OPTIONS, options_as_markdown

# Exit statuses for systemd's RestartPreventExitStatus= (sysexits.h): after 75 and 78 a restart is useless.
EXIT_FAILED = 1
EXIT_UNREADABLE = 2
EXIT_DEFECT = 70
EXIT_REPLACED = 75
EXIT_CONFIG = 78
EXIT_INTERRUPTED = 130

# Seconds; a little longer than the server's own timeout (http_api.py), so that its error arrives first.
_ANSWERED_WITHIN = 25.0
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to reach a server that listens everywhere
# Columns without a terminal: enough for one line per call.
_WIDE = 250

commands = typer.Typer(
    help="Own two-party calls in Asterisk and let Open vSwitch carry their media.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help=f"TOML file; {configuration.DEFAULT_FILE} if there is one."),
]
_Call = Annotated[str | None, typer.Argument(metavar="CALL", help="An id that `calls` shows.")]
_All = Annotated[bool, typer.Option("--all", help="Every call, and those to come.")]


def main() -> None:
    """Run a command; report expected errors as a line on stderr, not a traceback."""
    try:
        commands()
    except OffloadError as error:
        sys.stderr.write(f"stasis-offload: {error}\n")
        sys.exit(_status(error))


@commands.command()
def run(config: _ConfigFile = None) -> None:
    """Run the application until SIGTERM or SIGINT."""
    # Imported here: os-ken and aioari are slow to import, and the other commands do not need them.
    from stasis_offload import service  # noqa: PLC0415

    settings = configuration.load(config)
    _log_to_stderr(settings)
    log = structlog.get_logger(__name__)
    try:
        asyncio.run(service.run(settings))
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except Exception as error:
        failures = list(_leaves(error))
        for failure in failures:
            if isinstance(failure, OffloadError):
                log.error("run.failed", error=str(failure))  # noqa: TRY400 - expected, so no traceback
            else:
                log.critical("run.defect", exc_info=failure)
        raise typer.Exit(max(map(_status, failures))) from None


@commands.command()
def check(config: _ConfigFile = None) -> None:
    """Check each thing the application needs, and print what to do about a missing one."""
    from stasis_offload.check import Item, run_checks  # noqa: PLC0415 - as in `run`

    settings = configuration.load(config)
    _log_to_stderr(settings)
    items = asyncio.run(run_checks(settings))
    # What no look from outside finds, such as another application on the bridge.
    items += tuple(Item("health", ok=False, text=problem) for problem in _problems(config))
    console = _console()
    for item in items:
        mark = Text("ok    ", style="green") if item.ok else Text("FAILED", style="bold red")
        console.print(mark, f"{item.name}: {item.text}", markup=False, highlight=False, soft_wrap=True)
    if not all(item.ok for item in items):
        raise typer.Exit(EXIT_FAILED)


@commands.command()
def calls(
    *, config: _ConfigFile = None, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False
) -> None:
    """Show every call: its parties, what carries its media and why, and what the switch forwarded."""
    views = parse_calls(_request(config, "GET", "/calls"))
    if as_json:
        typer.echo(json.dumps(calls_as_json(views), indent=2))
    else:
        _console().print(_table(views))


@commands.command()
def relay(call: _Call = None, *, everything: _All = False, config: _ConfigFile = None) -> None:
    """Return the media of a call, or of all, to Asterisk and keep it there."""
    count = _post(config, "/relay", _target(call, everything=everything))
    typer.echo(f"relayed: {count} (until `stasis-offload offload {call or '--all'}`)")


@commands.command()
def offload(call: _Call = None, *, everything: _All = False, config: _ConfigFile = None) -> None:
    """Undo `relay`: the media goes through the switch again wherever it can."""
    count = _post(config, "/offload", _target(call, everything=everything))
    typer.echo(f"no longer blocked: {count} (`stasis-offload calls` shows what carries each)")


@commands.command()
def reasons(
    *, markdown: Annotated[bool, typer.Option("--markdown", help="As docs/reasons.md.")] = False
) -> None:
    """Explain every reason for which a call is relayed."""
    if markdown:
        typer.echo(reasons_as_markdown(), nl=False)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("REASON")
    table.add_column("MEANS", overflow="fold")
    for kind, sentence in EXPLANATIONS.items():
        table.add_row(kind, sentence)
    _console().print(table)


@commands.command()
def phases(
    *, markdown: Annotated[bool, typer.Option("--markdown", help="As docs/phases.md.")] = False
) -> None:
    """Explain every phase of a call's media; with --markdown, also what each event does in it."""
    if markdown:
        typer.echo(transitions_as_markdown(), nl=False)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("PHASE")
    table.add_column("STATE")
    table.add_column("MEANS", overflow="fold")
    for phase, meaning in MEANINGS.items():
        table.add_row(phase, STATES[phase], meaning)
    _console().print(table)


@commands.command()
def options(
    *, markdown: Annotated[bool, typer.Option("--markdown", help="As docs/dial-options.md.")] = False
) -> None:
    """Explain what becomes of every option of Dial()."""
    if markdown:
        typer.echo(options_as_markdown(), nl=False)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("OPTION", no_wrap=True)
    table.add_column("TREATMENT")
    table.add_column("MEANS", overflow="fold")
    for option in OPTIONS.values():
        table.add_row(*map(Text, (str(option), option.treatment, option.text)))  # `:calling:` is an emoji
    _console().print(table)


@commands.command()
def dialplan(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="An extensions.conf; what it includes is read.")
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
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


@commands.command()
def version() -> None:
    """Show the version."""
    try:
        typer.echo(f"stasis-offload {version_of('stasis-offload')}")
    except PackageNotFoundError as error:
        raise OffloadError("run from its source, not installed: there is no version") from error


def _problems(config: Path | None) -> tuple[str, ...]:
    """Return what the running application reports of itself; nothing if it is not running."""
    try:
        answer = _request(config, "GET", "/healthz")
    except OffloadError:
        return ()
    match answer:
        case {"problems": [*problems]}:
            return tuple(map(str, problems))
        case _:
            return ()


def _target(call: str | None, *, everything: bool) -> dict[str, object]:
    if (call is None) != everything:
        raise typer.BadParameter("give a CALL or --all")
    return {"all": True} if everything else {"call": call}


def _post(config: Path | None, path: str, target: dict[str, object]) -> str:
    match _request(config, "POST", path, target):
        case {"calls": int(count)}:
            return "1 call" if count == 1 else f"{count} calls"
        case answer:
            raise BadAnswerError(f"the application answered something else than a number: {str(answer)[:60]}")


def _request(config: Path | None, method: str, path: str, body: object = None) -> object:
    """Send a request to the running application; raise OffloadError for an error status, but not that of /healthz."""
    http = configuration.load(config).http
    url = url_of(_LOOPBACK.get(http.host, http.host), http.port)
    try:
        ok, answer = asyncio.run(_send(method, url + path, body))
    except TimeoutError as error:
        raise OffloadError(
            f"the application did not answer at {url} within {_ANSWERED_WITHIN:.0f} s"
        ) from error
    except aiohttp.ClientConnectionError as error:
        raise OffloadError(f"the application is not running: nothing answers at {url}") from error
    except (aiohttp.ClientError, ValueError) as error:
        raise BadAnswerError(f"what answers at {url} is not stasis-offload") from error
    match answer:
        case {"error": str(text)} if not ok:
            raise OffloadError(text)
        case {"problems": [*_]}:
            return answer
        case _ if not ok:
            raise BadAnswerError(f"what answers at {url} is not stasis-offload")
        case _:
            return answer


async def _send(method: str, url: str, body: object) -> tuple[bool, object]:
    timeout = aiohttp.ClientTimeout(total=_ANSWERED_WITHIN)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.request(method, url, json=body) as response,
    ):
        return response.ok, await response.json(content_type=None)


def _table(views: Sequence[CallView]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
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
            *map(Text, (*cells, *counts, mos, _age(view.age) + ("+" if view.partial else "")))
        )  # Text, because a channel's name may look like markup
    return table


def _mos(quality: LegQuality) -> str:
    return "-" if quality.mos is None else f"{quality.mos:.1f}"


def _age(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _WIDE)


def _log_to_stderr(settings: Config) -> None:
    secret = settings.ari.password.get_secret_value()
    logs.configure(level=settings.log.level, secrets=[secret], stream=sys.stderr)
    if len(secret) < logs.SHORTEST:
        structlog.get_logger(__name__).warning("config.short_password", shortest=logs.SHORTEST)


def _leaves(error: Exception) -> Iterator[Exception]:
    """Yield the exceptions of a group, at any depth."""
    if isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _status(error: Exception) -> int:
    """Return the exit status: of several, the largest."""
    match error:
        case ConfigError():
            return EXIT_CONFIG
        case AriReplacedError():
            return EXIT_REPLACED
        case DialplanError():
            return EXIT_UNREADABLE
        case OffloadError():
            return EXIT_FAILED
        case _:
            return EXIT_DEFECT


if __name__ == "__main__":
    main()
