"""Why a socket is closed to us, and the line that opens it."""

import os
import stat
from pathlib import Path

from stasis_offload.checks.accounts import current, group_name, user_name

_SERVICE = "stasis-offload"


def is_open(path: Path) -> bool:
    """Whether we may connect to a socket."""
    return os.access(path, os.R_OK | os.W_OK, effective_ids=True)


def described(path: Path) -> str:
    """Return a file's rights as `ls -l` shows them; raise OSError if they cannot be seen."""
    status = path.stat()
    return f"{path} is {stat.filemode(status.st_mode)} {user_name(status.st_uid)}:{group_name(status.st_gid)}"


def closed_directory(path: Path) -> Path | None:
    """Return the first directory on the way to a file that lets us go no further."""
    return next(
        (each for each in reversed(path.parents) if not os.access(each, os.X_OK, effective_ids=True)), None
    )


def command_to_open(path: Path) -> str:
    """Return the command that lets our user use a socket or pass a directory; root's group is not one to be in.

    What a group may do is said by the file's mode, and who is in it by usermod: whichever of the two is missing.
    """
    status, us = path.stat(), current()
    needed, rights = (
        (stat.S_IXGRP, "x") if stat.S_ISDIR(status.st_mode) else (stat.S_IRGRP | stat.S_IWGRP, "rw")
    )
    if status.st_gid == 0:
        return f"chgrp {group_name(us.groups[0])} {path} && chmod g+{rights} {path}"
    steps = []
    if status.st_mode & needed != needed:
        steps.append(f"chmod g+{rights} {path}")
    if status.st_gid not in us.groups:
        steps.append(f"usermod -aG {group_name(status.st_gid)} {user_name(us.uid)}")
        steps.append(f"systemctl restart {_SERVICE}")
    return " && ".join(steps)
