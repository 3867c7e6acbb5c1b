"""What the faults do to the lab's containers, and how each is undone, whatever happens."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lab import control
from lab.capture import NODE2
from lab.control import wait_until

# What the actions of the flows have that forward RTP, and of no others.
FORWARD = "dec_ttl"
_CLOCK = "/run/asterisk/clock"
_SERVICES = ("asterisk1", "asterisk2", "ovs", "offload", "edge")


@contextmanager
def application_started() -> Iterator[None]:
    """Start the application at the end of the block."""
    try:
        yield
    finally:
        control.docker("start", control.container("offload"))


@contextmanager
def paused(service: str) -> Iterator[None]:
    """Freeze all of a container while the block runs."""
    control.docker("pause", control.container(service))
    try:
        yield
    finally:
        control.docker("unpause", control.container(service))


@contextmanager
def stopped_process(service: str, name: str) -> Iterator[None]:
    """Freeze one process of a container while the block runs."""
    control.execute(service, "pkill", "-STOP", "-x", name)
    try:
        yield
    finally:
        control.execute(service, "pkill", "-CONT", "-x", name)


@contextmanager
def switch_restarted() -> Iterator[None]:
    """Wait at the end of the block, which ends the switch, until its supervisor has started another one."""
    before = _switch_process()
    yield
    wait_until(lambda: _switch_process() not in ("", before), within=20, what="ovs-vswitchd to be restarted")
    configured = ("ovs-vsctl", "--if-exists", "get", "Open_vSwitch", ".", "external_ids:switch_pid")
    wait_until(
        lambda: control.execute("ovs", *configured).strip().strip('"') == _switch_process(),
        within=20,
        what="the bridge to be laid anew",
    )


def _switch_process() -> str:
    return control.execute("ovs", "pgrep", "-x", "ovs-vswitchd", check=False).strip()


def unload_module(name: str) -> None:
    """Unload a module of node 2's Asterisk, once nobody is asking it something."""
    wait_until(
        lambda: "Unloaded" in control.asterisk("asterisk2", f"module unload {name}"),
        within=5,
        what=f"{name} to be unloaded",
    )


@contextmanager
def asterisk_module(name: str) -> Iterator[None]:
    """Have a module of Asterisk unloaded while the block runs."""
    unload_module(name)
    try:
        yield
    finally:
        control.asterisk("asterisk2", f"module load {name}")


def restart_gracefully() -> None:
    """Have node 2's Asterisk restart as soon as it has no call; the command that says so waits for that, for up to a minute."""
    control.execute("asterisk2", "sh", "-c", "asterisk -rx 'core restart gracefully' >/dev/null 2>&1 &")


@contextmanager
def steppable_clock() -> Iterator[None]:
    """Have node 2's programs made anew with a clock that can be stepped, and as they were at the end of the block."""
    control.lab("up", COMPOSE_FILE="docker-compose.yml:lab/stepped-clock.yml")
    try:
        control.execute("ovs", "sh", "-c", 'grep -q libfaketime "/proc/$(pgrep -x ovs-vswitchd)/maps"')
        control.execute("offload", "grep", "-q", "libfaketime", "/proc/1/maps")
        yield
    finally:
        control.lab("up")


def step_clock(hours: int) -> None:
    """Set node 2's clock so many hours from the true one, and wait until Asterisk has it."""
    control.execute("asterisk2", "sh", "-c", f"echo {hours:+d}h >{_CLOCK}")

    def stepped() -> bool:
        printed = control.asterisk("asterisk2", "dialplan eval function STRFTIME(,UTC,%s)")
        return round((int(printed.split()[-1]) - time.time()) / 3600) == hours

    wait_until(stepped, within=5, what=f"Asterisk's clock to be stepped by {hours} h")


def flow_where(flow: str) -> str:
    """Return how ovs-ofctl is told of a flow that it has printed: by its table and its cookie."""
    found = re.search(r"cookie=(0x[0-9a-f]+),.*?(table=\d+)", flow)
    assert found, flow
    return f"{found[2]},cookie={found[1]}/-1"


def rtp_ports() -> list[int]:
    """List Asterisk's RTP ports of the calls that the switch carries."""
    flows = [flow for flow in control.flows() if FORWARD in flow]
    found = (re.search(rf"nw_dst={re.escape(NODE2)},.*tp_dst=(\d+)", flow) for flow in flows)
    return sorted({int(match[1]) for match in found if match})


def restore() -> None:
    """Undo what an interrupted run has left: frozen or stopped containers."""
    for service in _SERVICES:
        control.docker("unpause", control.container(service), check=False)
        control.docker("start", control.container(service), check=False)
