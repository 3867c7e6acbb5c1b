"""What the lab's processes hold on to."""

import os
from dataclasses import dataclass
from pathlib import Path

from lab.control import LabError, pid_of, wait_until

_PROCESSES = {"application": ("offload", "stasis-offload"), "asterisk": ("asterisk2", "asterisk")}


@dataclass(frozen=True, slots=True)
class Footprint:
    """The resident memory and the open descriptors of a process."""

    memory_mib: float
    descriptors: int

    @classmethod
    def of(cls, process: str) -> "Footprint":
        """Look at the `application` or at node 2's `asterisk`."""
        proc = Path(f"/proc/{wait_until(lambda: _pid(process), within=30, what=f'the {process} alone')}")
        pages = int((proc / "statm").read_text(encoding="ascii").split()[1])
        return cls(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, len(list((proc / "fd").iterdir())))


def _pid(process: str) -> int | None:
    """Return its id; None while a CLI of Asterisk, whose name is the same, runs beside it."""
    try:
        return pid_of(*_PROCESSES[process])
    except LabError:
        return None
