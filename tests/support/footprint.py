"""What the lab's processes hold on to."""

import os
from dataclasses import dataclass
from pathlib import Path

from lab.control import pid_of

_PROCESSES = {"application": ("offload", "stasis-offload"), "asterisk": ("asterisk2", "asterisk")}


@dataclass(frozen=True, slots=True)
class Footprint:
    """The resident memory and the open descriptors of a process."""

    memory_mib: float
    descriptors: int

    @classmethod
    def of(cls, process: str) -> "Footprint":
        """Look at the `application` or at node 2's `asterisk`."""
        proc = Path(f"/proc/{pid_of(*_PROCESSES[process])}")
        pages = int((proc / "statm").read_text(encoding="ascii").split()[1])
        return cls(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, len(list((proc / "fd").iterdir())))
