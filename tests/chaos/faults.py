"""The faults: each is played and lifted again by one function, which returns when the fault is over."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from random import Random

from lab import control
from lab.capture import NODE2
from lab.control import LabError
from tests.support.hosts import (
    FORWARD,
    application_started,
    asterisk_module,
    flow_where,
    paused,
    restart_gracefully,
    rtp_ports,
    step_clock,
    steppable_clock,
    stopped_process,
    switch_restarted,
)
from tests.support.strangers import reports_to, scan

BRIDGE = "breth0"
OFCTL = ("ovs-ofctl", "-O", "OpenFlow13")
_CONTROL_SOCKET = "/run/asterisk/asterisk.ctl"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    `hits_media` is why packets of calls that the switch carries may be lost: what was hit carries them; empty for never.
    `stays`: nothing but the switch may carry a packet. `ends_calls`: the right state afterwards is that a new call is
    carried, as the old ones have to end for it. `leaves_with_asterisk` is the reason for which a call may stay relayed
    afterwards. `lab` is what the lab is meanwhile, calls and all.
    """

    name: str
    play: Callable[[Random], None]
    hits_media: str = ""
    stays: bool = False
    ends_calls: bool = False
    leaves_with_asterisk: str | None = None
    lab: Callable[[], AbstractContextManager[None]] = nullcontext


_USERSPACE = "the lab's switch forwards packets in the process that was hit"


def _application_killed(random: Random) -> None:
    control.stop("offload", kill=True)
    with application_started():
        time.sleep(random.uniform(0.5, 3.0))


def _application_away(_: Random) -> None:
    """Longer than the lease of the gate: Asterisk relays again before the next process is there."""
    control.stop("offload", kill=True)
    with application_started():
        time.sleep(8.0)


def _application_stopped(random: Random) -> None:
    with application_started():
        control.stop("offload")
        time.sleep(random.uniform(0.5, 3.0))


def _application_restarted(_: Random) -> None:
    with application_started():
        control.stop("offload")


def _application_frozen(_: Random) -> None:
    """Longer than the lease of the gate."""
    with paused("offload"):
        time.sleep(8.0)


def _switch_killed(_: Random) -> None:
    with switch_restarted():
        control.execute("ovs", "pkill", "-KILL", "-x", "ovs-vswitchd")


def _switch_frozen(_: Random) -> None:
    with stopped_process("ovs", "ovs-vswitchd"):
        time.sleep(2.5)


def _switch_reloaded(_: Random) -> None:
    """Do as `ovs-ctl restart`: flows are saved, and written back into the new process (ovs-lib, ovs-save)."""
    save = "/usr/share/openvswitch/scripts/ovs-save save-flows breth0 >/tmp/restore-flows"
    wait = ("ovs-vsctl", "--no-wait", "set", "Open_vSwitch", ".", "other_config:flow-restore-wait=true")
    control.execute("ovs", "sh", "-c", save)
    control.execute("ovs", *wait)
    try:
        with switch_restarted():
            control.execute("ovs", "pkill", "-TERM", "-x", "ovs-vswitchd")
        control.execute("ovs", "sh", "/tmp/restore-flows")
    finally:
        control.execute(
            "ovs",
            "ovs-vsctl",
            "--no-wait",
            "remove",
            "Open_vSwitch",
            ".",
            "other_config",
            "flow-restore-wait",
        )


def _asterisk_frozen(_: Random) -> None:
    with paused("asterisk2"):
        time.sleep(20.0)


def _asterisk_restarted(_: Random) -> None:
    """Asterisk takes no new call, refuses most CLI commands for longer than to the next audit, and starts again after the calls."""
    restart_gracefully()
    time.sleep(12.0)


def _websocket_cut(_: Random) -> None:
    """Reset ARI's connections, the websocket among them."""
    connections = ("state", "established", "sport", "=", ":8088")
    before = set(control.execute("ovs", "ss", "-Htn", *connections).splitlines())
    control.execute("ovs", "ss", "-KHtn", *connections)
    kept = before & set(control.execute("ovs", "ss", "-Htn", *connections).splitlines())
    if not before or kept:
        raise LabError("this kernel does not let `ss -K` cut a connection")


def _control_socket_gone(_: Random) -> None:
    control.execute("asterisk2", "mv", _CONTROL_SOCKET, f"{_CONTROL_SOCKET}.gone")
    try:
        time.sleep(12.0)
    finally:
        control.execute("asterisk2", "mv", f"{_CONTROL_SOCKET}.gone", _CONTROL_SOCKET)


def _module_unloaded(_: Random) -> None:
    with asterisk_module("res_rtpstreams.so"):
        time.sleep(12.0)


def _flows_deleted(_: Random) -> None:
    control.execute("ovs", *OFCTL, "del-flows", BRIDGE, "udp")


def _flows_altered(random: Random) -> None:
    flow = random.choice([flow for flow in control.flows() if FORWARD in flow])
    control.execute("ovs", *OFCTL, "mod-flows", BRIDGE, f"{flow_where(flow)},actions=drop")


def _port_scan(_: Random) -> None:
    scan(rate=1000)


def _rtcp_flood(random: Random) -> None:
    port = random.choice(rtp_ports()) + 1
    control.execute("edge", *reports_to(NODE2, port, rate=2000, seconds=2))


def _link_down(random: Random) -> None:
    control.execute("ovs", "ip", "link", "set", "eth0", "down")
    try:
        time.sleep(random.uniform(0.5, 2.0))
    finally:
        control.execute("ovs", "ip", "link", "set", "eth0", "up")


def _clock_stepped(random: Random) -> None:
    """Step the clock of Asterisk, the switch and the application forward, back by twice as much, and to the true time."""
    hours = random.randint(1, 12)
    for step in (hours, -hours, 0):
        step_clock(step)
        time.sleep(3.0)


FAULTS = (
    Fault("application killed", _application_killed),
    Fault("application killed and away for 8 s", _application_away),
    Fault("application stopped", _application_stopped),
    Fault("application restarted", _application_restarted),
    Fault("application frozen for 8 s", _application_frozen),
    Fault("ovs-vswitchd killed", _switch_killed, hits_media=_USERSPACE),
    Fault("ovs-vswitchd frozen for 2.5 s", _switch_frozen, hits_media=_USERSPACE, stays=True),
    Fault("ovs-vswitchd reloaded with saved flows", _switch_reloaded, hits_media=_USERSPACE),
    Fault("Asterisk frozen for 20 s", _asterisk_frozen, stays=True),
    Fault("Asterisk gracefully restarted", _asterisk_restarted, stays=True, ends_calls=True),
    Fault("ARI's connections cut", _websocket_cut),
    Fault("Asterisk's CLI socket gone for 12 s", _control_socket_gone),
    Fault("res_rtpstreams unloaded for 12 s", _module_unloaded),
    Fault("flows deleted by another program", _flows_deleted),
    Fault(
        "a flow altered by another program",
        _flows_altered,
        hits_media="the altered flow drops packets",
        leaves_with_asterisk="deaf",  # told by the RTCP of the party that hears nothing, as of one that is deaf
    ),
    Fault("port scan, 1,000 packets/s", _port_scan, stays=True),
    Fault("RTCP flood, 4,000 packets", _rtcp_flood),
    Fault("link down and up", _link_down, hits_media="there is no other link"),
    Fault("clock stepped", _clock_stepped, stays=True, lab=steppable_clock),
)
