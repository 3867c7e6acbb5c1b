"""The commands of the service: run it, and check what it needs."""

import asyncio
import sys
from pathlib import Path

import structlog
import typer
from rich.text import Text

from stasis_offload import config as configuration
from stasis_offload import log as logs
from stasis_offload.cli.client import request
from stasis_offload.cli.statuses import EXIT_FAILED, EXIT_INTERRUPTED, leaves, status
from stasis_offload.cli.typed import ConfigFile, commands, console
from stasis_offload.config import Config
from stasis_offload.errors import OffloadError


@commands.command()
def run(config: ConfigFile = None) -> None:
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
        failures = list(leaves(error))
        for failure in failures:
            if isinstance(failure, OffloadError):
                log.error("run.failed", error=str(failure))  # noqa: TRY400 - expected, so no traceback
            else:
                log.critical("run.defect", exc_info=failure)
        raise typer.Exit(max(map(status, failures))) from None


@commands.command()
def check(config: ConfigFile = None) -> None:
    """Check each thing the application needs, and print what to do about a missing one."""
    from stasis_offload.check import Item, run_checks  # noqa: PLC0415 - as in `run`

    settings = configuration.load(config)
    _log_to_stderr(settings)
    items = asyncio.run(run_checks(settings))
    # What no look from outside finds, such as another application on the bridge.
    items += tuple(Item("health", ok=False, text=problem) for problem in _problems(config))
    screen = console()
    for item in items:
        mark = Text("ok    ", style="green") if item.ok else Text("FAILED", style="bold red")
        screen.print(mark, f"{item.name}: {item.text}", markup=False, highlight=False, soft_wrap=True)
    if not all(item.ok for item in items):
        raise typer.Exit(EXIT_FAILED)


def _problems(config: Path | None) -> tuple[str, ...]:
    """Return what the running application reports of itself; nothing if it is not running."""
    try:
        answer = request(config, "GET", "/healthz")
    except OffloadError:
        return ()
    match answer:
        case {"problems": [*problems]}:
            return tuple(map(str, problems))
        case _:
            return ()


def _log_to_stderr(settings: Config) -> None:
    secret = settings.ari.password.get_secret_value()
    token = [settings.http.token.get_secret_value()] if settings.http.token else []
    logs.configure(level=settings.log.level, secrets=[secret, *token], stream=sys.stderr)
    if len(secret) < logs.SHORTEST:
        structlog.get_logger(__name__).warning("config.short_password", shortest=logs.SHORTEST)
