"""The relays that the lab does not have: an Asterisk on the plain network, and rtpengine."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab import control
from lab.control import container, docker, wait_until
from lab.place import ipv4
from tests.bench.load import Server

SIP, NG = 5060, 2223
BEHIND_OVS = Server("sip", ipv4(12), SIP)

_ALONE = ipv4(16)
_RTPENGINE = ipv4(17)
_READY_WITHIN = 60.0
_REGISTRY = "stasis-offload-lab/"


def build_rtpengine() -> None:
    """Build the image of rtpengine, which the lab itself does not need."""
    file, tag = "--file=lab/rtpengine/Dockerfile", f"--tag={_REGISTRY}rtpengine"
    docker("build", "--quiet", "--network=host", file, tag, ".")


@contextmanager
def asterisk_alone() -> Iterator[Server]:
    """Run node 2's Asterisk without a switch and without the application: Dial() makes its calls."""
    with _run("asterisk-alone", image=f"{_REGISTRY}asterisk2", address=_ALONE) as name:
        wait_until(
            lambda: (
                "fully booted"
                in control.execute(name, "asterisk", "-rx", "core waitfullybooted", check=False)
            ),
            within=_READY_WITHIN,
            what="the Asterisk without a switch to be up",
        )
        yield Server("sip", _ALONE, SIP)


@contextmanager
def rtpengine() -> Iterator[Server]:
    """Run rtpengine, relaying in user space."""
    image = f"{_REGISTRY}rtpengine"
    with _run("rtpengine", image=image, address=_RTPENGINE, environment=f"ADDRESS={_RTPENGINE}"):
        yield Server("ng", _RTPENGINE, NG)


@contextmanager
def _run(service: str, *, image: str, address: str, environment: str = "NOTHING=") -> Iterator[str]:
    """Run a container in the lab's network; one that an interrupted run left behind goes first."""
    name = container(service)
    where = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}"
    network = docker("inspect", "--format", where, container("asterisk1")).strip()
    options = ["--cap-add=NET_ADMIN", f"--network={network}", f"--ip={address}", f"--env={environment}"]
    docker("rm", "--force", name, check=False)
    try:
        docker("run", "--detach", "--init", f"--name={name}", f"--hostname={service}", *options, image)
        yield service
    finally:
        docker("rm", "--force", name, check=False)
