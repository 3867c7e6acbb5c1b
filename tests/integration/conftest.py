"""What integration tests stand on: a real Open vSwitch, one for all of them, a bridge of its own for each, a real Asterisk."""

from collections.abc import Iterator

import pytest

from tests.support.ari_asterisk import FILES
from tests.support.asterisk_container import Asterisk
from tests.support.asterisk_container import started as started_asterisk
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


@pytest.fixture(scope="module")
def second_ovs() -> Iterator[Ovs]:
    """Run another Open vSwitch for the tests of a module."""
    with running_ovs() as ovs:
        yield ovs


@pytest.fixture
def other(second_ovs: Ovs) -> Iterator[Bridge]:
    """Add a bridge to the other Open vSwitch for one test."""
    with bridge_of(second_ovs) as bridge:
        yield bridge


@pytest.fixture(scope="module")
def asterisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asterisk]:
    """Run one Asterisk for the tests of a module."""
    with started_asterisk(tmp_path_factory.mktemp("ari"), FILES) as asterisk:
        yield asterisk
