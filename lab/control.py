"""The lab from outside: its containers, the Asterisk CLIs in them, and the application's own command."""

import atexit
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lab.place import BRIDGE, PROJECT
from lab.shell import Shell, ShellEndedError

T = TypeVar("T")
_TOKEN = Path(__file__).parent / "offload" / "http-token"

# So many times slower than a machine that has nothing else to do may one be that runs tests.
BUSY = 3

_shells: dict[str, Shell] = {}


class LabError(Exception):
    """The lab is not as it should be; the text is one sentence."""


def docker(*args: str, check: bool = True, stderr: bool = False) -> str:
    """Run one docker command and return what it printed, on standard error too if asked for."""
    done = subprocess.run(["docker", *args], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise LabError(f"docker {' '.join(args)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout + done.stderr if stderr else done.stdout


def lab(*args: str, **environment: str) -> None:
    """Run lab/lab.sh, with more in its environment.

    Raises:
        LabError: with what it said.

    """
    done = subprocess.run(
        ["lab/lab.sh", *args],
        env={**os.environ, "PYTHON": sys.executable, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LabError((done.stderr or done.stdout).strip())


def container(service: str) -> str:
    """Name the container of a service of docker-compose.yml."""
    return f"{PROJECT}-{service}"


def stop(service: str, *, kill: bool = False) -> None:
    """Stop a service as its supervisor would, or kill it."""
    _close_shell(service)
    docker("kill" if kill else "stop", container(service))


def start(service: str) -> None:
    """Start a stopped service again and wait until it is healthy, by its own check: the engine's is one of every 2 s."""
    docker("start", container(service))
    test = json.loads(docker("inspect", "-f", "{{json .Config.Healthcheck.Test}}", container(service)))
    check = test[1:] if test[0] == "CMD" else ["sh", "-c", test[1]]

    def healthy() -> bool:
        try:
            execute(service, *check)
        except LabError:
            return False
        return True

    wait_until(healthy, within=60, what=f"{service} to be healthy")


def execute(service: str, *command: str, check: bool = True) -> str:
    """Run a command in a service's container and return what it printed."""
    try:
        done = _shell(service).run(command)
    except ShellEndedError as error:
        raise LabError(f"{service} ended during {shlex.join(command)}: {error}") from None
    if check and done.status:
        raise LabError(f"{service}: {shlex.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def _shell(service: str) -> Shell:
    """Return a shell in a service's container: the last one, unless the container has ended since."""
    if service in _shells and not _shells[service].is_alive():
        _close_shell(service)
    if service not in _shells:
        _shells[service] = Shell(container(service))
        atexit.register(_close_shell, service)
    return _shells[service]


def _close_shell(service: str) -> None:
    shell = _shells.pop(service, None)
    if shell:
        shell.close()


@contextmanager
def running(service: str, *command: str, within: float = 15.0) -> Iterator[Callable[[], str]]:
    """Run a command that ends by itself beside the block, whose end waits for it; yields its output so far."""
    with tempfile.TemporaryFile() as file:
        process = subprocess.Popen(["docker", "exec", container(service), *command], stdout=file)

        def output() -> str:
            return os.pread(file.fileno(), 1 << 20, 0).decode()

        try:
            yield output
            process.wait(timeout=within)
        finally:
            process.kill()
            process.wait()


def asterisk(service: str, command: str) -> str:
    """Run one Asterisk CLI command.

    Raises:
        LabError: when Asterisk answers by the command's usage, as to a value with a space that has no quotation marks.

    """
    answer = execute(service, "asterisk", "-rx", command)
    if answer.startswith("Usage: "):
        raise LabError(f"{service}: {command}: {answer.partition(chr(10))[0]}")
    return answer


def pid_of(service: str, name: str) -> int:
    """Return the host's process id of the one process of that name in a service's container."""
    rows = docker("top", container(service), "-eo", "pid,comm").splitlines()[1:]
    pids = [int(pid) for pid, comm in (row.split(None, 1) for row in rows) if comm.strip() == name]
    if len(pids) != 1:
        raise LabError(f"expected one {name} in {service}, found {len(pids)}")
    return pids[0]


def originate(endpoint: str, *, count: int = 1, application: str = "Milliwatt") -> None:
    """Start calls from asterisk1; each plays a tone once it is answered."""
    command = f"channel originate PJSIP/{endpoint} application {application}"
    loop = 'for i in $(seq "$1"); do asterisk -rx "$2" || exit 1; done'
    execute("asterisk1", "sh", "-c", loop, "sh", str(count), command)


def join_bridge(datapath: str | None = None) -> None:
    """Put the interfaces into the switch's bridge as its start does, or by another datapath that its container may have."""
    ports = () if BRIDGE == "breth0" else (BRIDGE, phones_port(), "node2")
    environment = () if datapath is None else ("env", f"LAB_DATAPATH={datapath}")
    pid = execute("ovs", "cat", "/run/openvswitch/ovs-vswitchd.pid").strip()
    execute("ovs", *environment, "bridge.sh", pid, *ports)


def phones_port() -> str:
    """Name the interface by which the switch reaches the phones: in front of node 2 Docker has named it (lab/ovs/tor.sh)."""
    return "eth0" if BRIDGE == "breth0" else execute("ovs", "cat", "/run/phones").strip()


def hang_up_all() -> None:
    """End every call of the lab from the endpoints' side."""
    asterisk("asterisk1", "channel request hangup all")


def channels(service: str) -> list[str]:
    """List the names of an Asterisk's channels."""
    rows = asterisk(service, "core show channels concise").splitlines()
    return [row.partition("!")[0] for row in rows if "!" in row]


def offload(*args: str) -> str:
    """Run the application's command line beside the running application."""
    return execute("offload", "stasis-offload", *args)


def calls(service: str = "offload") -> list[dict[str, Any]]:
    """List an application's calls, as `GET /calls` answers."""
    found: list[dict[str, Any]] = _http("GET", "/calls", service=service)["calls"]
    return found


def lift_blocks() -> None:
    """Lift what `relay` blocks from every call, as `POST /offload` does; the command line takes a second to start."""
    _http("POST", "/offload", {"all": True})


def health(service: str = "offload") -> dict[str, Any]:
    """Return what `GET /healthz` of an application answers, well or not."""
    return _http("GET", "/healthz", service=service, statuses=(200, 503))


def metrics() -> str:
    """Return what `GET /metrics` answers."""
    return _answer("GET", "/metrics")


def _http(
    method: str,
    path: str,
    body: object = None,
    *,
    service: str = "offload",
    statuses: Collection[int] = (200,),
) -> dict[str, Any]:
    """Send one request to an application's HTTP side, and return the JSON that it answers."""
    found: dict[str, Any] = json.loads(_answer(method, path, body, service=service, statuses=statuses))
    return found


def _answer(
    method: str,
    path: str,
    body: object = None,
    *,
    service: str = "offload",
    statuses: Collection[int] = (200,),
) -> str:
    """Send one request to an application's HTTP side, which is on its container's loopback, and return the answer."""
    content = "" if body is None else json.dumps(body)
    fields = "".join(
        f"{name}: {value}\r\n"
        for name, value in (
            ("Host", "127.0.0.1:8086"),
            ("Authorization", f"Bearer {_TOKEN.read_text(encoding='utf-8').strip()}"),
            ("Content-Type", "application/json"),
            ("Content-Length", len(content)),
        )
    )
    request = f"{method} {path} HTTP/1.0\r\n{fields}\r\n{content}"
    script = 'exec 3<>/dev/tcp/127.0.0.1/8086 && printf %s "$1" >&3 && cat <&3'
    head, _, answer = execute(service, "bash", "-c", script, "bash", request).partition("\r\n\r\n")
    if not any(f" {status} " in head.partition("\r\n")[0] for status in statuses):
        raise LabError(f"{method} {path}: {head} {answer}")
    return answer


def flows(switch: str = "ovs") -> list[str]:
    """List the flows of calls that are in a switch, as the switch's own tool prints them.

    Without the gate, and without those that withhold what Asterisk reports after a return, and end by themselves.
    """
    return [row for row in _flows(switch) if "hard_timeout=" not in row]


def withholding() -> list[str]:
    """List the flows that withhold what Asterisk reports after a return."""
    return [row for row in _flows("ovs") if "hard_timeout=" in row]


def _flows(switch: str) -> list[str]:
    rows = execute(
        switch,
        "ovs-ofctl",
        "-O",
        "OpenFlow13",
        "dump-flows",
        BRIDGE,
        "cookie=0xff1000000000000/0x0fff000000000000",
    )
    return [
        row.strip()
        for row in rows.splitlines()
        if re.match(" cookie=0x[1-7]?ff1[0-9a-f]{10}(?!ff)[0-9a-f]{2},", row)
    ]


def wait_until(check: Callable[[], T | None], *, within: float, what: str, every: float = 0.05) -> T:
    """Ask until the answer is true, at most `within` seconds of a machine that is not busy, BUSY times that on any.

    `what` completes "waited in vain for …".
    """
    within *= BUSY
    deadline = time.monotonic() + within
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise LabError(f"waited {within:.0f} s in vain for {what}")
        time.sleep(every)


@dataclass(frozen=True)
class Cpu:
    """Processor time of a few processes between two moments."""

    pids: dict[str, int]

    def measure(self, seconds: float) -> dict[str, float]:
        """Return each process's share of one core, in percent, over the next seconds."""
        before = {name: cpu_seconds(pid) for name, pid in self.pids.items()}
        start = time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - start
        return {name: 100 * (cpu_seconds(pid) - before[name]) / took for name, pid in self.pids.items()}


def cpu_seconds(pid: int) -> float:
    """Return user and system time of a process and its threads, past ones too (proc(5), stat, 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
