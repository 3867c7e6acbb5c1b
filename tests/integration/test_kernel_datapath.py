"""The application's own flows in a kernel's Open vSwitch datapath, in user-mode Linux: the short form of `make demo KERNEL=1`."""

import pytest

from tests.bench.kernel import demo, guest

CALLS = 2
STREAMS = 2 * CALLS


def test_a_kernels_datapath_forwards_what_is_offloaded_and_asterisk_what_is_not() -> None:
    try:
        guest.build(guest.USER_MODE)
        phases, streams, left = demo.play(CALLS, measured=2.0)
    except guest.NoGuestError as error:
        pytest.skip(str(error))
    assert [phase.name for phase in phases] == list(demo.PHASES)
    assert len(streams) == STREAMS
    for phase in phases:
        arrived = phase.arrived(streams)
        assert all(arrived), phase.name
        if phase.name.startswith("relayed"):
            assert phase.asterisk >= sum(arrived) / 2
            assert (phase.flows, phase.by_switch(streams)) == ([], 0)
        else:
            assert len(phase.flows) == STREAMS
            assert sum(phase.flows) >= sum(arrived) / 2
            assert phase.by_switch(streams) >= demo.NEARLY_ALL * sum(arrived)
    assert left == 0
