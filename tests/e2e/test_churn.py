"""Calls that come and go leave nothing behind: no flow, no channel, no descriptor, no memory."""

from collections import Counter

from lab import control
from lab.control import wait_until
from tests.support.footprint import Footprint
from tests.support.observed import Cdrs

# So many calls at a time, each of a second, after a first round that fills caches and pools.
CALLS = 25
ROUNDS = 3
# What an allocator may keep of three rounds (MiB): 75 calls that were kept would be a multiple.
KEPT_MIB = 6.0


def come_and_go() -> None:
    control.originate("5501@asterisk2", count=CALLS)
    wait_until(lambda: not control.channels("asterisk1"), within=20, what="the endpoints' calls to end")
    wait_until(lambda: not control.calls(), within=10, what="every call to end")


def test_calls_that_come_and_go_all_succeed_and_leave_nothing(cdrs: Cdrs) -> None:
    idle = Footprint.of("application").descriptors
    come_and_go()
    before, of_asterisk = Footprint.of("application").memory_mib, Footprint.of("asterisk").descriptors
    for _ in range(ROUNDS):
        come_and_go()
    calls = (ROUNDS + 1) * CALLS
    wait_until(lambda: len(cdrs.all()) == calls, within=10, what="the CDR of every call")
    assert Counter(row["disposition"] for row in cdrs.all()) == {"ANSWERED": calls}
    wait_until(lambda: not control.flows() + control.withholding(), within=2, what="every flow to go")
    assert control.channels("asterisk2") == []
    wait_until(
        lambda: Footprint.of("application").descriptors <= idle,
        within=15,
        what="idle connections to be closed",
    )
    # The connection of a CLI that has ended counts for a moment longer.
    wait_until(
        lambda: Footprint.of("asterisk").descriptors <= of_asterisk, within=5, what="Asterisk's descriptors"
    )
    assert Footprint.of("application").memory_mib - before < KEPT_MIB
