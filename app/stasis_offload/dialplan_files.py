"""The files of a dialplan, read from the disk for the room `dialplan`."""

import glob
from collections.abc import Iterator
from pathlib import Path

from stasis_offload.dialplan.config_file import DialplanError, parse_config
from stasis_offload.dialplan.extensions import Dialplan, parse_dialplan

_LARGEST = 32 * 1024 * 1024  # bytes; no dialplan is larger, a wrong file may be


def read_dialplan(file: Path) -> Dialplan:
    """Read an extensions.conf and all that it includes; names are relative to its folder, as to /etc/asterisk.

    Raises:
        DialplanError: it cannot be read, or Asterisk would refuse it.

    """

    def included(name: str) -> Iterator[tuple[str, bytes]]:
        for found in sorted(glob.glob(str(file.parent / name))):  # noqa: PTH207 - a name may be absolute
            path = Path(found)
            if path.is_file():
                yield str(path), _contents(path)

    return parse_dialplan(parse_config(str(file), _contents(file), included=included))


def _contents(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            contents = stream.read(_LARGEST + 1)
    except OSError as error:
        raise DialplanError(f"{file}: {error.strerror}") from error
    if len(contents) > _LARGEST:
        raise DialplanError(f"{file}: larger than {_LARGEST // 1024 // 1024} MiB")
    return contents
