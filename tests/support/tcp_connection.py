"""A connection to breth0 by TCP, which can be cut as that to its management socket cannot."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab import control
from lab.capture import NODE2
from lab.control import wait_until

_PORT = "6653"
CONNECTION = f"tcp:{NODE2}:{_PORT}"
_NORMAL = "ovs-ofctl add-flow breth0 priority=0,actions=NORMAL"
_REJECT = ("INPUT", "-p", "tcp", "--dport", _PORT, "-j", "REJECT", "--reject-with", "tcp-reset")


@contextmanager
def listening() -> Iterator[None]:
    """Have the bridge listen there while the block runs."""
    control.execute("ovs", "sh", "-c", f"ovs-vsctl set-controller breth0 ptcp:{_PORT} && {_NORMAL}")
    try:
        yield
    finally:
        control.execute("ovs", "sh", "-c", f"ovs-vsctl del-controller breth0 && {_NORMAL}")


@contextmanager
def cut() -> Iterator[None]:
    """End the connection, and refuse another one while the block runs; yields once the application knows."""
    control.execute("ovs", "iptables", "-I", *_REJECT)
    try:
        control.execute("ovs", "ss", "-KHtn", "state", "established", "sport", "=", f":{_PORT}")
        wait_until(lambda: not control.health()["ok"], within=3, what="the end of the connection", every=0.05)
        yield
    finally:
        control.execute("ovs", "iptables", "-D", *_REJECT)
