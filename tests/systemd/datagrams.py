"""Send 20 datagrams each way between the host and who is beyond its card, and fail unless as many as expected arrive.

datagrams.py NUMBER: how many the host is to receive; beyond it each arrives once.
"""

import os
import socket
import sys
import time
from pathlib import Path

SENT = 20
DEADLINE_S = 10
SILENCE_S = 0.5  # after the last that is expected: what comes too often comes at once

expected = int(sys.argv[1])
host = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
host.bind(("192.0.2.10", 0))
with Path("/run/netns/beyond").open() as namespace:
    os.setns(namespace.fileno(), os.CLONE_NEWNET)  # type: ignore[attr-defined,unused-ignore]  # from Python 3.12 on
beyond = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
beyond.bind(("192.0.2.1", 0))


def received(receiver: socket.socket, expected: int) -> int:
    """Return how many datagrams arrive until as many as expected have, or too many, and none follows."""
    deadline = time.monotonic() + DEADLINE_S
    number = 0
    while True:
        missing = number < expected
        receiver.settimeout(max(deadline - time.monotonic(), SILENCE_S) if missing else SILENCE_S)
        try:
            receiver.recv(100)
        except TimeoutError:
            return number
        number += 1


for number in range(SENT):
    beyond.sendto(b"%d" % number, host.getsockname())
    host.sendto(b"%d" % number, beyond.getsockname())
arrived = (received(host, expected), received(beyond, SENT))
if arrived != (expected, SENT):
    sys.exit(
        f"of {SENT} datagrams the host received {arrived[0]}, not {expected}; beyond it {arrived[1]} arrived"
    )
