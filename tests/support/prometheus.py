"""Debian's Prometheus and its promtool, in a container of the lab's engine."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from lab import control
from tests.support.metrics import CHECKOUT, RULES

IMAGE = "stasis-offload-lab/prometheus"


def build() -> None:
    """Have the image, which is made once."""
    folder = CHECKOUT / "lab" / "prometheus"
    control.docker("build", "--quiet", "--network", "host", "--tag", IMAGE, str(folder))


def promtool(*arguments: str, given: str = "") -> str:
    """Run promtool in the folder of the rules; return what it prints, and fail by that if it does not succeed."""
    mount = f"--volume={RULES}:/rules:ro"
    command = ["docker", "run", "--rm", "--interactive", "--network=none", mount, "--workdir=/rules"]
    done = subprocess.run(
        [*command, "--entrypoint=promtool", IMAGE, *arguments],
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


class Prometheus:
    """A running Prometheus, which its HTTP API is asked of in its container."""

    def __init__(self, service: str) -> None:
        self._service = service

    def get(self, path: str) -> Any:
        """Return the data of an answer of its API."""
        request = f"GET /api/v1/{path} HTTP/1.0\r\nHost: localhost\r\n\r\n"
        script = 'exec 3<>/dev/tcp/127.0.0.1/9090 && printf %s "$1" >&3 && cat <&3'
        answer = control.execute(self._service, "bash", "-c", script, "bash", request, check=False)
        head, _, body = answer.partition("\r\n\r\n")
        if " 200 " not in head.partition("\r\n")[0]:
            raise control.LabError(f"{path}: {answer[:300]}")
        return json.loads(body)["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return what an expression is now: labels and values."""
        result = self.get(f"query?query={quote(expression)}")["result"]
        return [(each["metric"], float(each["value"][1])) for each in result]


@contextmanager
def prometheus(service: str, *, config: str = "prometheus.yml") -> Iterator[Prometheus]:
    """Run Prometheus in the network of a service of the lab; by its usual file it finds the application on loopback."""
    name = f"{control.container(service)}-prometheus"
    control.docker("rm", "--force", name, check=False)
    network = f"--network=container:{control.container(service)}"
    control.docker(
        *("run", "--detach", "--name", name, network),
        f"--volume={RULES}:/etc/prometheus/rules:ro",
        *(IMAGE, f"--config.file=/etc/prometheus/{config}"),
    )
    try:
        yield Prometheus(service)
    finally:
        control.docker("rm", "--force", name)
