"""The lab's switch forwards by the datapath that LAB_DATAPATH names, as the switch itself says, or does not start."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.ovs_container import IMAGE

ROOT = Path(__file__).parents[2]
WITHIN = 300
RIGHTS = {"netdev": (), "afxdp": ("SYS_ADMIN", "IPC_LOCK")}
# Node 2's switch on one end of a pair of interfaces, and what it says of itself once its bridge is up, and when its port
# has been taken out and put back.
ASK = """
ip link add eth0 up type veth peer name other && ip link set other up
supervise.sh >&2 &
until ip -o link show up dev breth0 2>/dev/null | grep -q . || ! kill -0 $!; do sleep 0.1; done
ovs-appctl dpif/show | head -n 1
ovs-vsctl get Interface eth0 type status error
ovs-vsctl del-port breth0 eth0
bridge.sh "$(cat /run/openvswitch/ovs-vswitchd.pid)"
ovs-vsctl get Interface eth0 type status error
"""


def _works(datapath: str) -> str:
    """Return what speaks against a datapath on this machine."""
    command = [str(ROOT / "lab/lab.sh"), "works", datapath]
    # A lab's number for its log alone, which those of the whole calls beside this write, too.
    environment = {**os.environ, "LAB": "9"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=WITHIN, env=environment
    )
    assert bool(done.returncode) == bool(done.stdout), done.stderr
    return done.stdout


@pytest.mark.parametrize(("datapath", "kind"), [("netdev", '""'), ("afxdp", "afxdp")])
def test_a_datapath_is_what_it_says(datapath: str, kind: str) -> None:
    if datapath == "afxdp" and (said := _works(datapath)):
        assert "afxdp does not work here: " in said
        pytest.skip(said)
    options = ["--rm", "--init", "--network=none", "--device=/dev/net/tun", "--tmpfs=/run/openvswitch"]
    options += [f"--cap-add={right}" for right in ("NET_ADMIN", *RIGHTS[datapath])]
    command = ["docker", "run", *options, f"--env=LAB_DATAPATH={datapath}", IMAGE, "bash", "-c", ASK]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WITHIN)
    used, *interfaces = done.stdout.splitlines()
    assert used.startswith("netdev@"), done.stderr
    for port, status, error in (interfaces[:3], interfaces[3:]):
        assert (port, error) == (kind, "[]")
        assert ("xdp-mode=native" in status) == (datapath == "afxdp")


def test_a_datapath_that_is_none_is_refused_in_a_sentence() -> None:
    assert _works("vhost").endswith("vhost does not work here: bridge: vhost: no such datapath\n")
