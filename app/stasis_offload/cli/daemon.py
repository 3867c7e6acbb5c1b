"""The commands of the service: run it, read its configuration."""

import asyncio
import faulthandler
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated

import structlog
import typer

from stasis_offload import config as configuration
from stasis_offload.cli.statuses import EXIT_INTERRUPTED, leaves, status
from stasis_offload.cli.typed import ConfigFile, commands, log_to_stderr
from stasis_offload.config import Config
from stasis_offload.errors import OffloadError
from stasis_offload.sole_instance import sole_instance

_TakeOver = Annotated[
    bool,
    typer.Option(
        "--take-over",
        help="Take the calls of the one that runs, which ends then (75); http.socket and http.port have to be others.",
    ),
]


@commands.command()
def run(*, config: ConfigFile = None, take_over: _TakeOver = False) -> None:
    """Run the application until SIGTERM or SIGINT; on SIGHUP it reads its configuration again.

    A second one for the same Asterisk is refused, unless it is to take over.
    """
    # Imported here: aioari is slow to import, and the other commands do not need them.
    from stasis_offload import service  # noqa: PLC0415

    settings = configuration.load(config)
    redactor = log_to_stderr(settings)
    # At the SIGABRT of systemd's watchdog it says in which line the loop stood still. Other threads may run meanwhile, whose lines
    # cannot be read without the risk of a crash.
    faulthandler.enable(all_threads=False)
    log = structlog.get_logger(__name__)
    try:
        running = partial(service.run, load=partial(configuration.load, config), hide=redactor.hide)
        asyncio.run(_run_alone(running, settings, take_over=take_over))
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


@commands.command("config")
def read_config(config: ConfigFile = None) -> None:
    """Read the configuration alone, as a reload does, and print each mistake; 78 if there is one."""
    configuration.load(config)
    typer.echo("the configuration is right")


async def _run_alone(
    run_service: Callable[[Config], Awaitable[None]], settings: Config, *, take_over: bool
) -> None:
    async with sole_instance(settings, take_over=take_over):
        await run_service(settings)
