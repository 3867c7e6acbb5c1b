"""A Homer collector at the edge: Debian's Kamailio, which says what each HEP3 datagram has in it; and Asterisk's own modules for HEP."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import control
from lab.control import wait_until
from lab.place import ipv6
from tests.support.phone import EDGE

IMAGE = "stasis-offload-lab/homer"
_PORT = 9060
COLLECTOR = f"{EDGE}:{_PORT}"
COLLECTOR_V6 = f"[{ipv6(14)}]:{_PORT}"
SIP = 1
ASTERISKS_ID = 1234
_FOLDER = Path(control.__file__).parent / "homer"
_NAME = "edge"
_MODULES = ("res_hep", "res_hep_pjsip", "res_hep_rtcp")


@dataclass(frozen=True)
class Told:
    """What the collector was told: the type of a payload, from whom to whom it is, who sent it, and of which call."""

    kind: int
    source: str
    destination: str
    agent: int
    password: str
    correlation_id: str
    payload: str

    @property
    def json(self) -> dict[str, Any]:
        """The payload of anything but SIP."""
        parsed: dict[str, Any] = json.loads(self.payload)
        return parsed


class Homer:
    """The running collector."""

    def __init__(self, container: str) -> None:
        self._container = container

    def told(self, *, kind: int | None = None, agent: int | None = None) -> list[Told]:
        """Return what has come in so far, in order: all of it, or of one kind, or by one agent."""
        found = []
        for line in self.log().splitlines():
            _, marked, rest = line.partition("ALERT: HEP ")
            fields = rest.split(" ", 6)
            if marked and len(fields) == 7:
                told = Told(int(fields[0]), fields[1], fields[2], int(fields[3]), *fields[4:])
                if kind in (None, told.kind) and agent in (None, told.agent):
                    found.append(told)
        return found

    def log(self) -> str:
        """Return all that Kamailio has written."""
        return control.docker("exec", self._container, "cat", "/var/lib/captures/log")


@contextmanager
def homer() -> Iterator[Homer]:
    """Run a collector at COLLECTOR and at COLLECTOR_V6."""
    control.docker("build", "--quiet", "--network", "host", "--tag", IMAGE, str(_FOLDER))
    name = f"{control.container(_NAME)}-homer"
    control.docker("rm", "--force", name, check=False)
    control.docker(
        "run", "--detach", "--name", name, f"--network=container:{control.container(_NAME)}", IMAGE
    )
    found = Homer(name)
    try:
        wait_until(_listens, within=30, what="Kamailio to listen")
        yield found
    finally:
        control.docker("rm", "--force", name)


def _listens() -> bool:
    """Whether the port has a socket of each family (proc_net_udp(5))."""
    tables = control.execute(
        _NAME, "grep", "-H", f":{_PORT:04X} ", "/proc/net/udp", "/proc/net/udp6", check=False
    )
    return "/udp:" in tables and "/udp6:" in tables


@contextmanager
def asterisk_reports() -> Iterator[None]:
    """Have node 2's Asterisk send the collector its SIP, and the RTCP that it receives and sends."""
    lines = (
        "[general]",
        f"capture_address = {COLLECTOR}",
        f"capture_id = {ASTERISKS_ID}",
        "capture_password = of-asterisk",
    )
    write = f"printf '%s\\n' {' '.join(map(repr, lines))} >/etc/asterisk/hep.conf"
    control.execute("asterisk2", "sh", "-c", write)
    try:
        for module in _MODULES:
            control.asterisk("asterisk2", f"module load {module}.so")
        yield
    finally:
        for module in reversed(_MODULES):
            control.asterisk("asterisk2", f"module unload {module}.so")
        control.execute("asterisk2", "rm", "/etc/asterisk/hep.conf")
