"""The command of the service: run it."""

import asyncio
from collections.abc import Awaitable, Callable
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
        help="Take the calls of the one that runs, which ends then (75); [http] has to be another.",
    ),
]


@commands.command()
def run(*, config: ConfigFile = None, take_over: _TakeOver = False) -> None:
    """Run the application until SIGTERM or SIGINT.

    A second one for the same Asterisk is refused, unless it is to take over.
    """
    # Imported here: aioari is slow to import, and the other commands do not need them.
    from stasis_offload import service  # noqa: PLC0415

    settings = configuration.load(config)
    log_to_stderr(settings)
    log = structlog.get_logger(__name__)
    try:
        asyncio.run(_run_alone(service.run, settings, take_over=take_over))
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


async def _run_alone(
    run_service: Callable[[Config], Awaitable[None]], settings: Config, *, take_over: bool
) -> None:
    async with sole_instance(settings, take_over=take_over):
        await run_service(settings)
