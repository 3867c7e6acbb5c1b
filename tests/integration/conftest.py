"""What integration tests stand on: a real Open vSwitch, one for all of them, and a bridge of its own for each."""

from collections.abc import Iterator

import pytest

from tests.support.ovs_container import Bridge, Ovs, bridge_of, running_ovs


@pytest.fixture(scope="session")
def ovs() -> Iterator[Ovs]:
    """Run one Open vSwitch for all tests."""
    with running_ovs() as ovs:
        yield ovs


@pytest.fixture
def bridge(ovs: Ovs) -> Iterator[Bridge]:
    """Add a bridge for one test."""
    with bridge_of(ovs) as bridge:
        yield bridge
