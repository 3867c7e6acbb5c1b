"""Lab `tor`, with the switch dialled by the application, over a way as long as one likes; it dials the application otherwise."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab import control
from lab.place import BRIDGE, control_address
from tests.support.applications import application
from tests.support.far_link import far_link

_LISTENING = 6654
_TOR, _HOST = control_address(2), control_address(1)


@contextmanager
def dialled() -> Iterator[None]:
    """Have the switch listen, too, and the application dial it; both show a certificate as ever."""
    with _listening(), application(OPENFLOW__CONNECTION=f"ssl:{_TOR}:{_LISTENING}"):
        yield


@contextmanager
def dialled_from_afar(delay: float) -> Iterator[None]:
    """Do the same with a control connection on which whatever is sent comes `delay` seconds later."""
    with (
        _listening(),
        far_link(_HOST, _TOR, _LISTENING, delay=delay) as port,
        application(OPENFLOW__CONNECTION=f"ssl:{_HOST}:{port}"),
    ):
        yield


@contextmanager
def _listening() -> Iterator[None]:
    dials = vsctl("get-controller", BRIDGE).strip()
    _set_controllers(dials, f"pssl:{_LISTENING}")
    try:
        yield
    finally:
        _set_controllers(dials)


def _set_controllers(*controllers: str) -> None:
    """Give the bridge other controllers; while it dials one before and after, its flows stay."""
    vsctl("set-controller", BRIDGE, *controllers)
    for row in vsctl("--bare", "--columns=_uuid", "list", "controller").split():
        vsctl("set", "controller", row, "connection_mode=out-of-band", "max_backoff=1000")


def vsctl(*words: str) -> str:
    return control.execute("ovs", "ovs-vsctl", *words)
