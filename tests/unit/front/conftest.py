"""What the tests of the front share."""

import socket

import pytest


@pytest.fixture
def free_port() -> int:
    """Return a TCP port of loopback at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
