"""The application with other settings than the lab's: in the place of the lab's own, or beside it."""

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab import control
from lab.control import LabError, wait_until
from tests.support.observed import logged

OTHER = "other"
_FILE = Path(control.__file__).parent / "offload" / "stasis-offload.toml"


@contextmanager
def application(*options: str, more: str = "", **settings: object) -> Iterator[None]:
    """Run the application with other settings, such as MEDIA__RECHECK, as the service `offload`.

    `options` are of `docker create`, `more` ends its file.
    """
    ours = control.container("offload")
    kept = f"{ours}-kept"
    inspected = _inspect("offload")
    control.stop("offload")
    control.docker("rename", ours, kept)
    try:
        _run(ours, inspected, settings, *options, more=more)
        wait_until(lambda: _is_healthy("offload"), within=60, what="the application to be there")
        yield
    finally:
        control.stop("offload")
        control.docker("rm", ours)
        control.docker("rename", kept, ours)
        control.start("offload")


@contextmanager
def another_application(**settings: object) -> Iterator[str]:
    """Run a second application on the same bridge; yields its service."""
    _run(control.container(OTHER), _inspect("offload"), settings)
    try:
        yield OTHER
    finally:
        control.stop(OTHER)
        control.docker("rm", control.container(OTHER))


def reload(more: str) -> str:
    """Have the lab's configuration, with this at its end, read by what `application` runs; return the event that is logged."""
    since = time.time()
    _configure(control.container("offload"), more)
    control.docker("kill", "--signal=HUP", control.container("offload"))

    def read() -> str | None:
        events = (str(line["event"]) for line in logged(since))
        return next((event for event in events if event in ("config.reloaded", "config.rejected")), None)

    return wait_until(read, within=20, what="the configuration to be read again") or ""


def _configure(name: str, more: str) -> None:
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(f"{_FILE.read_text()}\n{more}\n")
        file.flush()
        Path(file.name).chmod(0o644)  # its user there is not the one here
        control.docker("cp", file.name, f"{name}:/etc/stasis-offload/{_FILE.name}")


def _inspect(service: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(control.docker("inspect", control.container(service)))[0]
    return found


def _run(name: str, like: dict[str, Any], settings: dict[str, object], *others: str, more: str = "") -> None:
    variables = [
        *like["Config"]["Env"],
        *(f"STASIS_OFFLOAD_{key}={value}" for key, value in settings.items()),
    ]
    options = [
        f"--name={name}",
        *(f"--add-host={host}" for host in like["HostConfig"]["ExtraHosts"] or ()),
        f"--network={next(iter(like['NetworkSettings']['Networks']))}",
        f"--volumes-from={like['Id']}",
        *(f"--env={variable}" for variable in variables),
        # By these Compose finds it, and removes it with the lab, should a test be killed.
        *(f"--label={key}={value}" for key, value in like["Config"]["Labels"].items()),
    ]
    control.docker("create", *options, *others, like["Config"]["Image"])
    if more:
        _configure(name, more)
    control.docker("start", name)


def _is_healthy(service: str) -> bool:
    try:
        return bool(control.health(service)["ok"])
    except LabError:
        return False  # it does not listen yet
