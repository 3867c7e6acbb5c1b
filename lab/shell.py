"""A shell in a container that runs one command after another.

A `docker exec` of its own for each command costs the machine a tenth of a second of processor time, which is then
missing to the very parts that are watched.
"""

import os
import selectors
import shlex
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4


class ShellEndedError(Exception):
    """The shell is gone, as after a restart of its container; the text is what it printed last."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that has ended: its exit status, and what it printed."""

    status: int
    stdout: str
    stderr: str


class Shell:
    """One shell; commands of several threads run one at a time."""

    def __init__(self, container: str) -> None:
        self._process = subprocess.Popen(
            ["docker", "exec", "--interactive", container, "sh"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        self._lock = threading.Lock()

    def run(self, command: Sequence[str]) -> Finished:
        """Run a command without input, to its end.

        Raises:
            ShellEndedError: the shell is gone; the command may have been carried out.

        """
        mark = uuid4().hex
        script = f"{shlex.join(command)} </dev/null; printf '{mark}%d\\n' $?; printf '{mark}\\n' >&2\n"
        with self._lock:
            stdout, stderr = self._exchange(script.encode(), mark.encode())
        return Finished(status=int(stdout[1]), stdout=stdout[0].decode(), stderr=stderr[0].decode())

    def is_alive(self) -> bool:
        """Return whether the shell still answers."""
        try:
            return self.run(["true"]).status == 0
        except ShellEndedError:
            return False

    def close(self) -> None:
        """End the shell."""
        with self._process:
            self._process.kill()

    def _exchange(self, script: bytes, mark: bytes) -> list[tuple[bytes, bytes]]:
        """Send a script; return what stands before the mark, and after it, on both outputs."""
        process = self._process
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise AssertionError("the shell has no pipes")
        printed = {process.stdout.fileno(): b"", process.stderr.fileno(): b""}
        with selectors.DefaultSelector() as waiting:
            for descriptor in printed:
                waiting.register(descriptor, selectors.EVENT_READ)
            try:
                process.stdin.write(script)
            except BrokenPipeError:
                raise ShellEndedError(_last(printed)) from None
            while waiting.get_map():
                for key, _ in waiting.select():
                    data = os.read(key.fd, 1 << 16)
                    if not data:
                        raise ShellEndedError(_last(printed))
                    printed[key.fd] += data
                    if printed[key.fd].endswith(b"\n") and mark in printed[key.fd]:
                        waiting.unregister(key.fd)
        return [(before, after) for before, _, after in (text.partition(mark) for text in printed.values())]


def _last(printed: dict[int, bytes]) -> str:
    return b"".join(printed.values()).decode(errors="replace").strip()
