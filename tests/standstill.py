"""Have this machine stand still for moments while a command runs, as a busy host does with its guests. `make soak` runs it.

Usage: python -m tests.standstill SEED COMMAND...   (as root; ends with the command, and with its status)

Processes of real-time priority keep the processors from everybody else: each at times of its own, and all at once. What a
machine with nothing else to do never shows is seen in minutes.
"""

import os
import random
import subprocess
import sys
import time
from multiprocessing import Process

# Seconds: from one moment to the next, and how long each is. Of real time the kernel leaves 50 ms a second to the others.
BETWEEN, LONG = (0.05, 0.6), (0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.25)
BETWEEN_ALL, LONG_ALL = (0.5, 6.0), (0.05, 0.1, 0.15, 0.2, 0.3, 0.45)


def take(processor: int, between: tuple[float, float], lengths: tuple[float, ...], seed: int) -> None:
    """Take a processor from everybody else for moments, until the parent is gone."""
    schedule, parent, at = random.Random(seed), os.getppid(), time.monotonic()
    os.sched_setaffinity(0, {processor})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    while os.getppid() == parent:
        at += schedule.uniform(*between)
        time.sleep(max(0.0, at - time.monotonic()))
        at += schedule.choice(lengths)
        while time.monotonic() < at:
            pass


def main(seed: int, command: list[str]) -> int:
    """Run a command meanwhile; return its status."""
    processors = sorted(os.sched_getaffinity(0))
    takers = [
        Process(target=take, args=(each, BETWEEN, LONG, seed + each), daemon=True) for each in processors
    ]
    # With one seed they take theirs at the same moments.
    takers += [
        Process(target=take, args=(each, BETWEEN_ALL, LONG_ALL, seed), daemon=True) for each in processors
    ]
    for taker in takers:
        taker.start()
    try:
        return subprocess.run(command, check=False).returncode
    finally:
        for taker in takers:
            taker.terminate()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
