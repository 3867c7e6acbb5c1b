"""The calls of the benchmark: the generator's, at the edge, up while a block runs."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count as count_from
from pathlib import Path
from typing import IO

from lab import control
from lab.control import LabError, container, execute
from tests.bench.generator.phones import ssrc_of

EDGE = "edge"
PACKETS_PER_SECOND = 50
# All calls of one run end, or the run fails, within its length and this (s).
ENDED_WITHIN = 40.0

_PROGRAM = Path(__file__).parent / "generator"
_FOLDER = "/opt/tests/bench"
_first_numbers = count_from(100_000, 10_000)


@dataclass(frozen=True, slots=True)
class Server:
    """Where the generator calls: an Asterisk by SIP, or rtpengine by its ng protocol."""

    way: str
    host: str
    port: int


def bring_generator() -> None:
    """Put the generator where it runs."""
    execute(EDGE, "mkdir", "-p", _FOLDER)
    control.docker("cp", str(_PROGRAM), f"{container(EDGE)}:{_FOLDER}")


class Rates:
    """What says how many packets a second each stream of a generator sends from now on."""

    def __init__(self, commands: IO[str]) -> None:
        self._commands = commands

    def send(self, packets: float, reports: float | None = None) -> None:
        """Send so many of RTP and, if the generator sends RTCP, so many of that; None is as many as before."""
        self._commands.write(f"{packets}\n" if reports is None else f"{packets} {reports}\n")
        self._commands.flush()


@contextmanager
def calls_up(
    server: Server,
    count: int,
    *,
    rate: float = 10.0,
    at: str = EDGE,
    rtcp: bool = False,
    prefix: str = "load-",
) -> Iterator[Rates]:
    """Keep so many calls up while the block runs, which begins when all are; `rate` of them begin a second.

    `rtcp` says whether the legs send RTCP, `prefix` how Asterisk makes the calls.

    Raises:
        LabError: with what the generator said of a call that did not come about.

    """
    options = [f"--count={count}", f"--rate={rate}", f"--prefix={prefix}", *(["--rtcp"] if rtcp else [])]
    with _generator(server, *options, at=at) as process:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a generator without pipes")
        if process.stdout.readline():
            yield Rates(process.stdin)


def set_up(server: Server, *, count: int, rate: float, first: int, hold: float) -> None:
    """Make calls at so many a second, each `hold` seconds long and with a number from `first` on; wait for the end.

    Raises:
        LabError: as `calls_up`.

    """
    options = {"count": count, "rate": rate, "first": first, "hold": hold}
    with _generator(server, *(f"--{name}={value}" for name, value in options.items())) as process:
        assert process.stdout
        process.stdout.read()


@dataclass(frozen=True, slots=True)
class Answers:
    """How long the caller of each call waited for its answer (ms), and what became of the others."""

    answered_ms: list[float]
    failed: list[str]


def rush(
    server: Server, prefix: str, *, count: int, rate: float, hold: float, when_up: Callable[[], object]
) -> Answers:
    """Make calls as `set_up` does, whatever becomes of them; those of the last `hold` seconds stay until `when_up` has returned."""
    stay = min(count, int(rate * hold))
    options = {"prefix": prefix, "count": count, "rate": rate, "hold": hold, "stay": stay}
    options["first"] = next(_first_numbers)
    with _generator(server, "--rush", *(f"--{name}={value}" for name, value in options.items())) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        when_up()
        process.stdin.close()
        answers = process.stdout.readline()
        process.stdin = None  # closed: there is nothing to flush
    return Answers(**json.loads(answers))


def ssrcs_of(number: int) -> tuple[int, int]:
    """Return the SSRCs of caller and callee of the generator's call of that number."""
    return ssrc_of(number, 0), ssrc_of(number, 1)


@contextmanager
def _generator(server: Server, *options: str, at: str = EDGE) -> Iterator["subprocess.Popen[str]"]:
    """Run the generator beside the block, at whose end its calls end too."""
    program = ["python3", "-m", "tests.bench.generator", server.way, server.host, str(server.port), *options]
    command = ["docker", "exec", "--interactive", "--workdir", "/opt", container(at), *program]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
            _, said = process.communicate(timeout=ENDED_WITHIN)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise LabError(said.strip() or f"the generator ended with status {process.returncode}")
