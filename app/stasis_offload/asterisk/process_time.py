"""The processor time of Asterisk, where it runs on this host and in this process's namespace of pids."""

import os
import socket
import struct
from pathlib import Path
from time import monotonic

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid
# Of /proc/PID/stat, behind the name: utime and stime are the fields 14 and 15 (proc(5)).
_UTIME, _STIME = 11, 12
_TICKS = os.sysconf("SC_CLK_TCK")
# Seconds between two attempts to find the process.
_RETRY = 10.0


class ProcessTime:
    """What the process uses that listens at Asterisk's CLI socket."""

    def __init__(self, control_socket: Path) -> None:
        self._socket = control_socket
        self._pid: int | None = None
        self._retry_at = 0.0
        self._last: tuple[float, float] | None = None

    def used(self) -> float | None:
        """Return the seconds of processor time it has used since it began; None of a process that is not seen here."""
        now = monotonic()
        if self._pid is None and now >= self._retry_at:
            self._pid, self._retry_at = _listener(self._socket), now + _RETRY
        used = None if self._pid is None else _used(self._pid)
        if used is None:
            self._pid = None
        return used

    def share(self) -> float | None:
        """Return the cores it has used since the last look; None at the first one, and of a process that is not seen here."""
        now, used = monotonic(), self.used()
        before, self._last = self._last, None if used is None else (now, used)
        if used is None or before is None or now <= before[0]:
            return None
        return max(0.0, used - before[1]) / (now - before[0])


def _listener(path: Path) -> int | None:
    """Return the pid of who listens there (SO_PEERCRED, unix(7)): 0, so None here, in another namespace of pids."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)  # noqa: FBT003 - positional only
        try:
            connection.connect(str(path))
        except OSError:
            return None
        packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return _CREDENTIALS.unpack(packed)[0] or None


def _used(pid: int) -> float | None:
    """Return the seconds of processor time that a process has used; None if it is gone."""
    try:
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        )
        return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS
    except (OSError, ValueError, IndexError):
        return None
