"""Calls that come and go leave nothing behind: no flow, no channel, no descriptor, no memory."""

import os
from collections import Counter
from pathlib import Path

from lab import control
from lab.control import pid_of, wait_until
from tests.support.observed import Cdrs

# So many calls at a time, each of a second, after a first round that fills caches and pools.
CALLS = 25
ROUNDS = 3
# What an allocator may keep of three rounds (MiB): 75 calls that were kept would be a multiple.
KEPT_MIB = 6.0


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def memory_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def come_and_go() -> None:
    control.originate("5501@asterisk2", count=CALLS)
    wait_until(lambda: not control.channels("asterisk1"), within=20, what="the endpoints' calls to end")
    wait_until(lambda: not control.calls(), within=10, what="every call to end")


def test_calls_that_come_and_go_all_succeed_and_leave_nothing(cdrs: Cdrs) -> None:
    application, asterisk = pid_of("offload", "stasis-offload"), pid_of("asterisk2", "asterisk")
    idle = descriptors(application)
    come_and_go()
    before, of_asterisk = memory_mib(application), descriptors(asterisk)
    for _ in range(ROUNDS):
        come_and_go()
    calls = (ROUNDS + 1) * CALLS
    wait_until(lambda: len(cdrs.all()) == calls, within=10, what="the CDR of every call")
    assert Counter(row["disposition"] for row in cdrs.all()) == {"ANSWERED": calls}
    wait_until(lambda: not control.flows() + control.withholding(), within=2, what="every flow to go")
    assert control.channels("asterisk2") == []
    wait_until(lambda: descriptors(application) <= idle, within=15, what="idle connections to be closed")
    assert descriptors(asterisk) <= of_asterisk
    assert memory_mib(application) - before < KEPT_MIB
