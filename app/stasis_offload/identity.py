"""Which application this is, to others at the same bridge: the same number after a restart."""

import socket
from hashlib import blake2b
from pathlib import Path

from stasis_offload.config import Config
from stasis_offload.openflow.gate import APPLICATIONS

# Of the host, for as long as it is installed (machine-id(5)); a container has none, usually, but a host name of its own.
_MACHINE_ID = Path("/etc/machine-id")


def application_number(config: Config, *, switch: str = "", machine_id: Path = _MACHINE_ID) -> int:
    """Return a number (0 to APPLICATIONS - 1) of this application on this host, for this Asterisk.

    At each of several switches it is another, by its name: so that who connects to one bridge as two switches is told.
    """
    try:
        host = machine_id.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        host = ""
    parts = (
        host,
        socket.gethostname(),
        config.app,
        config.ari.url,
        str(config.asterisk.control_socket),
        *([switch] if switch else []),
    )
    digest = blake2b("\0".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % APPLICATIONS
