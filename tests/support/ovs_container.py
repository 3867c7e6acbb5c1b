"""A real Open vSwitch in a container without any privilege; its ports are sockets that take and give frames."""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from lab.shell import Shell
from stasis_offload.openflow.endpoint import Unix

IMAGE = os.environ.get("STASIS_OFFLOAD_OVS_IMAGE", "stasis-offload-lab/ovs")
PORTS = (1, 2, 3)
MACS = ("02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:01")
VLANS = (0, 7, 8, 9, 12)
SECONDS = 60.0  # until what has to happen counts as missing

_NAMES = (f"br{number}" for number in count(1))

# The container lives until its standard input ends: with the tests, however they end. Its database server stays;
# ovs-vswitchd comes and goes as the tests want it.
_DATABASE = """
ovsdb-tool create "$OVS_RUNDIR/conf.db" /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server "$OVS_RUNDIR/conf.db" --remote="punix:$OVS_RUNDIR/db.sock" --unixctl="$OVS_RUNDIR/db.ctl" &
exec cat
"""


def wait_until(holds: Callable[[], bool], *, what: str) -> None:
    """Poll until a condition holds; one that does not in time fails the test."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"waited {SECONDS:g} s for {what}"
        time.sleep(0.02)


@dataclass(frozen=True)
class Ovs:
    """One running Open vSwitch. `directory` holds its sockets, inside the container under the same name."""

    directory: Path
    shell: Shell

    def execute(self, *command: str) -> str:
        """Run a command in the container and return what it prints.

        In a shell that is there already: no test's event loop waits for long meanwhile, in which nothing renews a lease.
        """
        done = self.shell.run(["timeout", f"{SECONDS:g}", *command])
        text = f"{shlex.join(command)}: status {done.status}: {done.stderr or done.stdout}"
        assert done.status == 0, text
        return done.stdout

    def vsctl(self, *arguments: str) -> str:
        """Change the configuration, and wait until ovs-vswitchd has done so too."""
        return self.execute("ovs-vsctl", f"--timeout={SECONDS:g}", *arguments)

    def start(self) -> None:
        """Start ovs-vswitchd with dummies for every datapath and device, and wait until it answers."""
        log = f"--log-file={self.directory / 'ovs-vswitchd.log'}"
        unixctl = f"--unixctl={self.directory / 'vswitchd.ctl'}"
        database = f"unix:{self.directory / 'db.sock'}"
        daemon = ["ovs-vswitchd", "--enable-dummy=override", "--disable-system", "--detach", "--no-chdir"]
        self.execute(*daemon, "--pidfile", log, unixctl, database)

    def stop(self) -> None:
        """End ovs-vswitchd, and wait until it is gone."""
        pid = self.pid
        self.execute("ovs-appctl", "--target", str(self.directory / "vswitchd.ctl"), "exit")
        wait_until(lambda: pid not in self.execute("ls", "/proc").split(), what="ovs-vswitchd to end")

    @property
    def pid(self) -> str:
        """The process id of ovs-vswitchd in the container."""
        return (self.directory / "ovs-vswitchd.pid").read_text().strip()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Keep ovs-vswitchd from running, as a host that hangs would."""
        pid = self.pid
        self.execute("sh", "-c", f"kill -STOP {pid}")
        try:
            yield
        finally:
            self.execute("sh", "-c", f"kill -CONT {pid}")


@contextmanager
def running_ovs() -> Iterator[Ovs]:
    """Run a container until the block ends."""
    directory = Path(tempfile.mkdtemp(prefix="ovs-test-", dir="/tmp"))
    name = f"stasis-offload-test-{directory.name}"
    command = [
        *("docker", "run", "--interactive", "--rm", "--init", f"--name={name}"),
        # The host's network for the one test in which the switch dials us; its devices are dummies.
        *("--network=host", "--cap-drop=ALL", f"--user={os.getuid()}:{os.getgid()}"),
        *(f"--env=OVS_{kind}DIR={directory}" for kind in ("RUN", "DB", "LOG")),
        *(f"--volume={directory}:{directory}", "--entrypoint=sh", IMAGE, "-euc", _DATABASE),
    ]
    log = directory / "container.log"
    try:
        with (
            log.open("w") as output,
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output) as container,
        ):
            try:
                wait_until(
                    lambda: (directory / "db.sock").exists() or container.poll() is not None,
                    what="the database of Open vSwitch",
                )
                assert container.poll() is None, f"the container of Open vSwitch ended: {log.read_text()}"
                with closing(Shell(name)) as shell:
                    ovs = Ovs(directory, shell)
                    ovs.start()
                    yield ovs
            finally:
                container.communicate(timeout=60)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@dataclass(frozen=True)
class Bridge:
    """A bridge with a port for each of PORTS, forwarding as every bridge does at first (NORMAL)."""

    ovs: Ovs
    name: str

    @property
    def management(self) -> Unix:
        """Its management socket."""
        return Unix(str(self.ovs.directory / f"{self.name}.mgmt"))

    def ofctl(self, command: str, *arguments: str) -> str:
        """Do as an operator would, by ovs-ofctl."""
        return self.ovs.execute(
            "ovs-ofctl", "--protocols=OpenFlow13", "--no-stats", command, self.name, *arguments
        )

    def replace_flows(self, *flows: str) -> None:
        """Give the bridge these flows in place of all it has, in the words of ovs-ofctl; the datapath has them at once."""
        file = self.ovs.directory / f"{self.name}.flows"
        file.write_text("\n".join(flows))
        self.ofctl("replace-flows", str(file))
        self.forget_datapath()

    def saved_flows(self) -> list[str]:
        """Return every flow of the bridge as ovs-save keeps them while ovs-vswitchd is restarted (ovs-ctl)."""
        dump = self.ofctl("dump-flows", "--no-names")
        return [line.strip() for line in dump.splitlines() if "actions=" in line]

    def forget_datapath(self) -> None:
        """Remove the datapath's flows, so that the next packets find the bridge's flows as they are now."""
        self.appctl("revalidator/purge")

    def appctl(self, command: str, *arguments: str) -> str:
        """Have ovs-vswitchd do something by ovs-appctl."""
        target = str(self.ovs.directory / "vswitchd.ctl")
        return self.ovs.execute("ovs-appctl", "--target", target, command, *arguments)

    def flows(self) -> list[str]:
        """Return the flows of the bridge without counters, sorted, and without the gate (openflow/gate.py)."""
        lines = (line.strip() for line in self.ofctl("dump-flows").splitlines() if "actions=" in line)
        return sorted(line for line in lines if not re.match("cookie=0x[1-7]?ff1[0-9a-f]{10}ff,", line))

    def cookies(self) -> set[int]:
        """Return the cookies of its flows but 0, which are not printed."""
        return {
            int(found[1], 16) for line in self.flows() if (found := re.match("cookie=(0x[0-9a-f]+),", line))
        }

    @property
    def sockets(self) -> list[Path]:
        """The sockets of its ports (dummy_ports.py), in the order of PORTS."""
        return [self.ovs.directory / f"{self.name}p{port}.sock" for port in PORTS]


@contextmanager
def bridge_of(ovs: Ovs) -> Iterator[Bridge]:
    """Add a bridge to the switch for as long as the block runs."""
    bridge = Bridge(ovs, next(_NAMES))
    command = ["add-br", bridge.name, "--", "set", "bridge", bridge.name, "datapath_type=dummy"]
    for port, socket in zip(PORTS, bridge.sockets, strict=True):
        command += [
            "--",
            "add-port",
            bridge.name,
            socket.stem,
            "--",
            "set",
            "interface",
            socket.stem,
            "type=dummy",
        ]
        command += [f"ofport_request={port}", f"options:pstream=punix:{socket}"]
    ovs.vsctl(*command)
    # Who is where, as it would have learned: the phones of packets.py at ports 1 and 2, Asterisk at port 3.
    for vlan in VLANS:
        for at, mac in zip(bridge.sockets, MACS, strict=True):
            bridge.appctl("fdb/add", bridge.name, at.stem, str(vlan), mac)
    try:
        yield bridge
    finally:
        ovs.vsctl("del-br", bridge.name)
