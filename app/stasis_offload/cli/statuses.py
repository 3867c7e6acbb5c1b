"""Exit statuses: for systemd's RestartPreventExitStatus= (sysexits.h) after 75 and 78 a restart is useless."""

from collections.abc import Iterator

from stasis_offload.dialplan.config_file import DialplanError
from stasis_offload.errors import AriReplacedError, ConfigError, OffloadError

EXIT_FAILED = 1
EXIT_UNREADABLE = 2
EXIT_DEFECT = 70
EXIT_REPLACED = 75
EXIT_CONFIG = 78
EXIT_INTERRUPTED = 130


def leaves(error: Exception) -> Iterator[Exception]:
    """Yield the exceptions of a group, at any depth."""
    if isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def status(error: Exception) -> int:
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
