"""Where the command line begins."""

import sys

# The order of these is that of the commands in `--help`.
from stasis_offload.cli import daemon, check, calls, survey, explain, install  # isort: skip
from stasis_offload.cli.statuses import status
from stasis_offload.cli.typed import commands
from stasis_offload.errors import OffloadError

__all__ = ["calls", "check", "daemon", "explain", "install", "main", "survey"]


def main() -> None:
    """Run a command; report expected errors as a line on stderr, not a traceback."""
    try:
        commands()
    except OffloadError as error:
        sys.stderr.write(f"stasis-offload: {error}\n")
        sys.exit(status(error))
