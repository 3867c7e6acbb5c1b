"""The application with other settings than the lab's: in the place of the lab's own, or beside it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab import control
from lab.control import LabError, wait_until

OTHER = "other"


@contextmanager
def application(*options: str, **settings: object) -> Iterator[None]:
    """Run the application with other settings, such as MEDIA__PERCENTAGE, as the service `offload`; `options` are of `docker run`."""
    ours = control.container("offload")
    kept = f"{ours}-kept"
    inspected = _inspect("offload")
    control.stop("offload")
    control.docker("rename", ours, kept)
    try:
        _run(ours, inspected, settings, *options)
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


def _inspect(service: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(control.docker("inspect", control.container(service)))[0]
    return found


def _run(name: str, like: dict[str, Any], settings: dict[str, object], *more: str) -> None:
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
    control.docker("run", "--detach", *options, *more, like["Config"]["Image"])


def _is_healthy(service: str) -> bool:
    try:
        return bool(control.health(service)["ok"])
    except LabError:
        return False  # it does not listen yet
