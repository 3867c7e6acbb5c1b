"""The guest: node 2 and its switch under a kernel of their own, in an emulated processor or as a process (user-mode Linux)."""

import base64
import platform
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, Queue
from typing import IO

from lab.control import LabError, container, docker, execute
from lab.place import ipv4, ipv6

# What the machine that runs the guest is called among the lab's containers.
MACHINE = "kernel"
NODE2, EDGE = ipv4(12), ipv4(14)
NODE2_V6, EDGE_V6 = ipv6(12), ipv6(14)

_DISK_MIB = 3000
_COUNTERS = "/dev/shm/instructions"
_CONSOLE = "/console"
_BOOTED, _BOOTED_WITHIN = "0 ", 120.0
# The machine's end of the guest's cable has the name that an interface has in a container of the lab.
_TAP = (
    f"ip tuntap add eth0 mode tap vnet_hdr && ip addr add {EDGE}/24 dev eth0 && ip addr add {EDGE_V6}/64 dev eth0 nodad"
    " && ip link set eth0 up"
)
# No enhanced `rep movsb`: emulated, it would count as one instruction a byte. An address of the kernel stays where it was
# linked, and nothing is spent on a real processor's faults.
_PROCESSOR = (
    "-accel tcg,thread=single -M pc -cpu max,-erms,-fsrm -smp 1 -m 1024 -nodefaults -no-reboot -display none"
)
_KERNEL = "root=/dev/nvme0n1 rw init=/sbin/guest-init mitigations=off nokaslr net.ifnames=0 quiet panic=-1 console=ttyS0"
_DEVICES = (
    "-device nvme,drive=disk,serial=disk -netdev tap,id=net,ifname=eth0,script=no,downscript=no "
    "-device virtio-net-pci,netdev=net,romfile= -device virtio-serial-pci -chardev stdio,id=commands "
    f"-device virtserialport,chardev=commands -serial file:{_CONSOLE}"
)


@dataclass(frozen=True, slots=True)
class Way:
    """A way to run a guest: the targets of the Dockerfile that are its image and its machine's, and the machine's command.

    In the command {disk} is the guest's disk, which it leaves as it was; /memory may be executed from. `begins` is what the
    console shows first of all of the guest's kernel, and not when this machine does not let it run.
    """

    guest: str
    machine: str
    command: str
    begins: str = ""


EMULATED = Way(
    "guest",
    "machine",
    f'qemu-system-x86_64 {_PROCESSOR} -kernel /boot/vmlinuz-* -append "{_KERNEL}" '
    f"-drive file={{disk}},format=raw,if=none,id=disk,snapshot=on {_DEVICES} "
    f"-plugin /usr/local/lib/instructions.so,counters={_COUNTERS}",
)
# Its memory is a file from which it executes, which /dev/shm forbids.
USER_MODE = Way(
    "node",
    "user-mode",
    "TMPDIR=/memory linux.uml mem=1024M ubd0=/memory/written,{disk} root=/dev/ubda rw init=/sbin/guest-init panic=-1 "
    "vec0:transport=tap,ifname=eth0,depth=64,gro=0 con=null con0=null,fd:2 con1=fd:0,fd:3 "
    f"3>&1 >{_CONSOLE} 2>&1",
    begins="Linux version",
)


@dataclass(frozen=True, slots=True)
class Instructions:
    """Instructions that the guest's processor has executed, by whose they were."""

    user: int
    kernel: int


class NoGuestError(LabError):
    """This machine does not let the guest's kernel run; the text says why."""


class Guest:
    """A guest that has booted; commands go over a port of its own, so that they do not disturb its network."""

    def __init__(self, process: "subprocess.Popen[str]", begins: str) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a guest without pipes")
        self._commands: IO[str] = process.stdin
        self._answers: Queue[str] = Queue()
        threading.Thread(target=self._read, args=(process.stdout,), daemon=True).start()
        if self._answer("to boot", _BOOTED_WITHIN) != _BOOTED:
            console = execute(MACHINE, "cat", _CONSOLE, check=False)
            error = LabError if begins in console else NoGuestError
            lines = console.strip().splitlines() or ["nothing on its console"]
            reason = next((line for line in lines if "Kernel panic" in line), lines[-1])
            raise error(f"the guest does not boot here: {reason}")

    def run(self, script: str, *, within: float = 60.0) -> str:
        """Run a bash script in the guest; what it leaves behind must not hold its output.

        Raises:
            LabError: with the last line that was printed, or because there was no end to it.

        """
        self._commands.write(base64.b64encode(script.encode()).decode() + "\n")
        self._commands.flush()
        status, _, printed = self._answer(script, within).partition(" ")
        text = base64.b64decode(printed).decode().strip()
        if status != "0":
            raise LabError(f"guest: {script}: {text.rpartition(chr(10))[2]}")
        return text

    def instructions(self) -> Instructions:
        """Read how many instructions have been executed so far."""
        counters = execute(MACHINE, "od", "-An", "-tu8", _COUNTERS).split()
        return Instructions(*(int(counter) for counter in counters))

    def _answer(self, what: str, within: float) -> str:
        try:
            return self._answers.get(timeout=within)
        except Empty:
            raise LabError(f"guest: no end after {within:g} s: {what}") from None

    def _read(self, answers: IO[str]) -> None:
        for line in answers:
            self._answers.put(line.rstrip("\n"))
        self._answers.put("1 " + base64.b64encode(b"the guest has ended, see /console").decode())


def build(way: Way) -> None:
    """Build the images of the guest and of its machine, on those of the lab.

    Raises:
        NoGuestError: this machine's processor is another than the guest's.

    """
    if platform.machine() != "x86_64":
        raise NoGuestError(f"the guest's kernel is one for x86-64, and this machine is {platform.machine()}")
    for target in (way.guest, way.machine):
        file = "tests/bench/kernel/Dockerfile"
        docker(
            "build", "--network=host", f"--file={file}", f"--target={target}", f"--tag={_image(target)}", "."
        )


def is_in_own_kernel() -> bool:
    """Whether the kernel of this machine itself has Open vSwitch's datapath, as the lab finds out (lab/lab.sh)."""
    tried = subprocess.run(["lab/lab.sh", "works", "system"], capture_output=True, check=False)
    return tried.returncode == 0


@contextmanager
def booted(way: Way) -> Iterator[Guest]:
    """Run the guest beside the block, and the machine that it is in; one that was left behind goes first.

    Raises:
        LabError: it does not boot; NoGuestError where it cannot.

    """
    name = container(MACHINE)
    options = ["--cap-add=NET_ADMIN", "--device=/dev/net/tun", "--network=none", f"--volume={name}:/disks"]
    options += ["--sysctl=net.ipv6.conf.all.disable_ipv6=0", "--tmpfs=/memory:exec"]
    docker("rm", "--force", name, check=False)
    docker("run", "--detach", "--init", f"--name={name}", *options, _image(way.machine))
    try:
        disk = _disk(way.guest)
        execute(MACHINE, "sh", "-c", _TAP)
        command = way.command.format(disk=disk)
        with subprocess.Popen(
            ["docker", "exec", "--interactive", name, "sh", "-c", f"exec env {command}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield Guest(process, way.begins)
            finally:
                docker("rm", "--force", name)
    finally:
        docker("rm", "--force", name, check=False)


def _image(target: str) -> str:
    return f"stasis-offload-lab/kernel-{target}"


def _disk(target: str) -> str:
    """Make the guest's disk of its image, unless an earlier run has; return its path in the machine."""
    image = docker("image", "inspect", "--format={{.Id}}", _image(target)).strip().partition(":")[2]
    disk = f"/disks/{target}-{image}"
    if not execute(MACHINE, "sh", "-c", f"ls {disk}", check=False):
        made = docker("create", _image(target)).strip()
        make = (
            f"rm -f /disks/{target}-*; mke2fs -q -t ext4 -O ^has_journal -d - {disk}.part {_DISK_MIB}M"
            f" && mv {disk}.part {disk}"
        )
        try:
            # mke2fs reads names of files as the locale says.
            with subprocess.Popen(["docker", "export", made], stdout=subprocess.PIPE) as exported:
                subprocess.run(
                    [
                        "docker",
                        "exec",
                        "--interactive",
                        "--env=LC_ALL=C.UTF-8",
                        container(MACHINE),
                        "sh",
                        "-c",
                        make,
                    ],
                    stdin=exported.stdout,
                    check=True,
                )
        finally:
            docker("rm", made)
    return disk
