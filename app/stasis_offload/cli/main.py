"""Where the command line begins."""

import os
import sys

# The order of these is that of the commands in `--help`.
from stasis_offload.cli import daemon, check, calls, watch, stats, survey, explain, install, setup  # isort: skip
from stasis_offload.cli.statuses import status
from stasis_offload.cli.typed import commands
from stasis_offload.errors import OffloadError
from stasis_offload.log import is_journal, priority

__all__ = ["calls", "check", "daemon", "explain", "install", "main", "setup", "stats", "survey", "watch"]


def main() -> None:
    """Run a command; report expected errors as a line on stderr, not a traceback."""
    try:
        commands()
    except OffloadError as error:
        before = priority("error") if is_journal(sys.stderr, os.environ) else ""
        for line in f"stasis-offload: {error}".split("\n"):
            sys.stderr.write(f"{before}{line}\n")
        sys.exit(status(error))
