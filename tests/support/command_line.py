"""A run of the command line: in this process, beside a server in a thread of its own, or in another."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

WITHIN = 10.0
_PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str


Command = Callable[..., Outcome]


@contextmanager
def in_another_thread(main: Callable[[Future[str], asyncio.Event], object]) -> Iterator[str]:
    """Run a server, `main(up, down)`, beside the command, which has an event loop of its own."""
    up: Future[str] = Future()
    loop_and_down: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        down = asyncio.Event()
        loop_and_down.set_result((asyncio.get_running_loop(), down))
        await main(up, down)  # type: ignore[misc]

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        yield up.result(WITHIN)
    finally:
        loop, down = loop_and_down.result(WITHIN)
        loop.call_soon_threadsafe(down.set)
        thread.join(WITHIN)
        assert not thread.is_alive()


def in_another_process(*words: str) -> Outcome:
    """Run a command that, as root, becomes another user for good."""
    done = subprocess.run(
        [sys.executable, "-m", "stasis_offload", *words],
        env={**os.environ, "PYTHONPATH": str(_PROJECT / "app")},
        capture_output=True,
        text=True,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
