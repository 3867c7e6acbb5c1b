"""The command of the service: run it."""

import asyncio

import structlog
import typer

from stasis_offload import config as configuration
from stasis_offload.cli.statuses import EXIT_INTERRUPTED, leaves, status
from stasis_offload.cli.typed import ConfigFile, commands, log_to_stderr
from stasis_offload.errors import OffloadError


@commands.command()
def run(config: ConfigFile = None) -> None:
    """Run the application until SIGTERM or SIGINT."""
    # Imported here: os-ken and aioari are slow to import, and the other commands do not need them.
    from stasis_offload import service  # noqa: PLC0415

    settings = configuration.load(config)
    log_to_stderr(settings)
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
