"""What `watch` shows, with a terminal and without one."""

import os
import pty
import re
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from threading import Timer

import pytest

from stasis_offload.calls.views import Block
from stasis_offload.cli.watch import Look, forwarded_per_second
from stasis_offload.openflow.flow import FlowCount
from tests.support.command_line import Command
from tests.support.fake_operations import DIALING, OFFLOADED, REFUSED, FakeOperations

pytestmark = pytest.mark.usefixtures("interruptible")
WITHIN = 30.0
WATCH = (sys.executable, "-m", "stasis_offload", "watch", "--interval", "0.5")
# Of xterm: the alternate screen, and the cursor (DECSET 1049 and 25).
ENTERED, LEFT = b"\x1b[?1049h", b"\x1b[?1049l"
HIDDEN, SHOWN = b"\x1b[?25l", b"\x1b[?25h"


class Watching:
    """A running `watch`, and what it has printed so far."""

    def __init__(self, process: subprocess.Popen[bytes], output: int) -> None:
        self.process = process
        self.printed = b""
        self._output = output

    def until(self, text: bytes, *, since: int = 0) -> None:
        """Read until it has printed a text."""
        with self._in_time():
            while text not in self.printed[since:]:
                self._read()

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal, read the rest, and return the exit status."""
        self.process.send_signal(number)
        with self._in_time(), suppress(EOFError):
            while True:
                self._read()
        return self.process.wait(WITHIN)

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        late = Timer(WITHIN, self.process.kill)
        late.start()
        try:
            yield
        finally:
            late.cancel()

    def _read(self) -> None:
        try:
            read = os.read(self._output, 4096)
        except OSError:  # EIO, of a terminal that nobody has any more (pty(7))
            read = b""
        if not read:
            raise EOFError(self.printed.decode(errors="replace"))
        self.printed += read


@contextmanager
def watching(*words: str, columns: int = 0, rows: int = 20) -> Iterator[Watching]:
    """Run `watch` on a terminal so wide, or without one."""
    ours, its = pty.openpty() if columns else os.pipe()
    if columns:
        termios.tcsetwinsize(its, (rows, columns))
    # COLUMNS and LINES, which a parallel run of tests sets, would count for more than the terminal.
    inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    environment = {**inherited, "TERM": "xterm"}
    process = subprocess.Popen(
        [*WATCH, *words], stdin=subprocess.DEVNULL, stdout=its, stderr=its, env=environment
    )
    os.close(its)
    try:
        yield Watching(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def lines(printed: bytes) -> list[str]:
    return [line.rstrip() for line in printed.decode().splitlines()]


@pytest.mark.usefixtures("configured")
def test_without_a_terminal_each_look_is_printed(operations: FakeOperations) -> None:
    operations.problems = ("switch: away",)
    operations.blocked = Block(59.0, "alice")
    operations.drained = True
    with watching() as watch:
        watch.until(b"\n\n")
        operations.views = [replace(OFFLOADED, from_caller=FlowCount(2**40, 0))]
        watch.until(b"1 call: 1 offloaded")
        watch.until(b"\n\n", since=len(watch.printed))
        assert watch.end() == 0
    first = lines(watch.printed)
    assert first[0][8:] == "  2 calls: 1 offloaded, 1 dialing (1 nobody answered yet)"
    assert first[1] == "- packets a second do not wake Asterisk; passed by: 3 (2 arguments, 1 features)"
    assert first[2].startswith("ALL HELD for 0:00:59, by alice: ")
    assert first[3] == "DRAINED: the dialplan refuses new calls, until `stasis-offload drain --undo`"
    assert first[4] == "problem: switch: away"
    # What the switch does not carry comes first.
    assert [line.split("  ")[0] for line in first[5:8]] == ["CALL", DIALING.call, OFFLOADED.call]
    changed = next(number for number, line in enumerate(first) if line.endswith("1 call: 1 offloaded"))
    assert int(first[changed + 1].split()[0]) > 1_000_000
    assert b"\x1b" not in watch.printed


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_terminal_is_as_before_in_the_end(
    operations: FakeOperations, number: signal.Signals, status: int
) -> None:
    operations.views = [replace(OFFLOADED, call=f"1700000000.{n}", age=float(n)) for n in range(50)]
    with watching(columns=60, rows=12) as watch:
        watch.until(b"more")
        assert watch.end(number) == status
    assert ENTERED in watch.printed
    assert watch.printed.rindex(LEFT) > watch.printed.rindex(ENTERED)
    assert watch.printed.rindex(SHOWN) > watch.printed.rindex(HIDDEN)
    assert b"Traceback" not in watch.printed


@pytest.mark.usefixtures("configured")
def test_a_narrow_terminal_has_a_line_for_each_call_that_fits_and_says_how_many_do_not(
    operations: FakeOperations,
) -> None:
    operations.views = [replace(OFFLOADED, call=f"1700000000.{n}", age=float(n)) for n in range(50)]
    with watching(columns=60, rows=12) as watch:
        watch.until(b"more")
        watch.end()
    # The signal may have come in the middle of the next look.
    first_look = b"".join(watch.printed.partition(b" more")[:2])
    shown = lines(re.sub(rb"\x1b\[[?0-9;]*[a-zA-Z]", b"", first_look))
    assert max(map(len, shown)) <= 60
    head = next(line for line in shown if line.startswith("CALL"))
    assert head.split() == ["CALL", "STATE", "REASON", "FROM", "CALLER", "MOS", "AGE"]
    calls = [line for line in shown if line.startswith("1700000000.")]
    assert [line.split()[0] for line in calls[:3]] == ["1700000000.0", "1700000000.1", "1700000000.2"]
    assert all(line.split()[-1].startswith("0:00:") for line in calls)
    [more] = [line for line in shown if "and " in line and " more" in line][:1]
    first = shown.index(calls[0])
    assert f"and {50 - (shown.index(more) - first)} more" in more


@pytest.mark.usefixtures("configured")
def test_what_the_application_does_not_answer_is_said_and_asked_again(operations: FakeOperations) -> None:
    with watching() as watch:
        watch.until(b"2 calls")
        operations.failure = REFUSED
        watch.until(b"the switch is away; trying again")
        operations.failure = None
        watch.until(b"2 calls", since=len(watch.printed))
        assert watch.end() == 0


@pytest.mark.usefixtures("configured", "operations")
def test_only_calls_that_are_asked_for_are_shown() -> None:
    with watching("--state", "offloaded") as watch:
        watch.until(b"\n\n")
        watch.end()
    assert "1 of 2 calls: 1 offloaded" in lines(watch.printed)[0]
    assert DIALING.call.encode() not in watch.printed


def test_what_is_wrong_from_the_beginning_is_said_and_a_reason_that_there_is_not_is_refused(
    command: Command,
) -> None:
    outcome = command("watch")
    assert (outcome.status, outcome.out) == (1, "")
    assert "the application is not running" in outcome.err
    assert command("watch", "--reason", "no-medai").status == 2


def test_the_rate_is_that_of_the_calls_in_both_looks() -> None:
    def look(at: float, *calls: tuple[str, int]) -> Look:
        return Look(at, tuple(replace(OFFLOADED, call=c, from_caller=FlowCount(n, 0)) for c, n in calls))

    first = look(10.0, ("1", 100), ("2", 500), ("3", 50))
    # One has ended, one is new, and one whose switch died begins anew.
    assert forwarded_per_second(first, look(12.0, ("1", 300), ("3", 7), ("4", 90))) == 100.0
    assert forwarded_per_second(None, first) is None
