"""What every command has: its place on the command line, its options, and where it prints."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from types import FrameType
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.table import Table

from stasis_offload import config as configuration
from stasis_offload import log as logs
from stasis_offload.config import Config
from stasis_offload.errors import OffloadError
from stasis_offload.media.reasons import ReasonKind

# Columns without a terminal: enough for one line per call.
_WIDE = 250
# What a shell makes of it when a signal has ended a program.
_BY_SIGNAL = 128

commands = typer.Typer(
    help="Own two-party calls in Asterisk and let Open vSwitch carry their media.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help=f"TOML file; {configuration.DEFAULT_FILE} if there is one."),
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@contextmanager
def unwound() -> Iterator[None]:
    """Have SIGTERM and SIGHUP leave the block as an exception does, so that it is undone what was begun."""

    def end(number: int, _frame: FrameType | None) -> None:
        sys.exit(_BY_SIGNAL + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ask(question: str, *, yes: bool) -> None:
    """Return if it may be done.

    Raises:
        OffloadError: it may not.

    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise OffloadError("nothing is done without --yes where nobody can be asked")
    if not typer.confirm(question):
        raise OffloadError("nothing is done")


def console() -> Console:
    """Return where tables are printed: as wide as the terminal."""
    return Console(width=None if sys.stdout.isatty() else _WIDE)


def plain_table() -> Table:
    """Return a table without lines, as `ps` prints."""
    return Table(box=None, pad_edge=False, header_style="bold")


def age(seconds: float) -> str:
    """Return a time as `H:MM:SS`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def log_to_stderr(settings: Config) -> logs.Redactor:
    """Log as the configuration says, without its secrets; return what keeps them out."""
    secret = settings.ari.password.get_secret_value()
    token = [settings.http.token] if settings.http.token else []
    secrets = [secret, settings.hep.capture_password.get_secret_value(), *token]
    redactor = logs.configure(level=settings.log.level, secrets=secrets, stream=sys.stderr)
    if len(secret) < logs.SHORTEST:
        structlog.get_logger(__name__).warning("config.short_password", shortest=logs.SHORTEST)
    return redactor


def reason_named(name: str) -> ReasonKind:
    """Return the reason of that name, which may be followed by a leg's."""
    kind = name.partition(":")[0]
    if kind in set(ReasonKind):
        return ReasonKind(kind)
    near = get_close_matches(kind, list(ReasonKind), n=1)
    hint = f"did you mean {near[0]}?" if near else "`stasis-offload reasons` lists all"
    raise typer.BadParameter(f"there is no reason {kind!r}; {hint}")
