"""The relays of the guest, one after the other; each has the same address and serves the same calls."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from lab.control import LabError, execute, wait_until
from tests.bench.kernel.guest import MACHINE, NODE2, Guest
from tests.bench.load import Server

SIP, NG, OPENFLOW, CONTROL = 5060, 2223, 6653, 9999
ASTERISK = Server("sip", NODE2, SIP)
RTPENGINE = Server("ng", NODE2, NG)

_PASSWORD = "kernel-only"
_UP_WITHIN = 120.0

_ADDRESS = f"ip addr replace {NODE2}/24 dev eth0 && ip link set eth0 up"
_ASTERISK = f"""
install -d -o asterisk -g offload -m 2750 /run/asterisk
ARI_PASSWORD={_PASSWORD} setsid start.sh >/tmp/asterisk.log 2>&1 &
until asterisk -rx 'core waitfullybooted' 2>/dev/null | grep -q fully; do sleep 1; done
"""
# The application is in a container beside the guest: the management socket and asterisk.ctl reach it over the network.
_SWITCH = f"""
set -e
mkdir -p /run/openvswitch
ovsdb-tool create /tmp/conf.db /usr/share/openvswitch/vswitch.ovsschema
setsid ovsdb-server --pidfile --detach --no-chdir -vsyslog:off --log-file=/tmp/ovsdb.log \
    --remote=punix:/run/openvswitch/db.sock /tmp/conf.db
ovs-vsctl --no-wait init
setsid ovs-vswitchd --pidfile --detach --no-chdir -vsyslog:off --log-file=/tmp/switch.log
ovs-vsctl add-br breth0 -- add-port breth0 eth0 \
    -- set Bridge breth0 "other_config:hwaddr=\\"$(cat /sys/class/net/eth0/address)\\"" \
        other_config:disable-in-band=true \
    -- set-controller breth0 ptcp:{OPENFLOW}
ip addr flush dev eth0
ip addr replace {NODE2}/24 dev breth0
ip link set breth0 up
setsid socat TCP-LISTEN:{CONTROL},fork,reuseaddr UNIX-CONNECT:/run/asterisk/asterisk.ctl >/tmp/socat.log 2>&1 &
"""
# `exit --cleanup` takes the datapath along.
_PLAIN = f"""
pkill asterisk
ovs-appctl -t ovs-vswitchd exit --cleanup
while pgrep 'asterisk|ovs-vswitchd' >/dev/null; do sleep 0.2; done
{_ADDRESS}
"""


def asterisk(guest: Guest) -> Server:
    """Bring up Asterisk on the guest's own network."""
    guest.run(_ADDRESS)
    guest.run(_ASTERISK, within=_UP_WITHIN)
    return ASTERISK


def switch(guest: Guest) -> None:
    """Put the running Asterisk behind a bridge of the kernel's datapath."""
    guest.run(_SWITCH)


@contextmanager
def application() -> Iterator["Application"]:
    """Run the application, outside the guest, beside the block."""
    control = f"socat UNIX-LISTEN:/run/asterisk/asterisk.ctl,fork,unlink-early TCP:{NODE2}:{CONTROL}"
    script = f"""
mkdir -p /run/asterisk
setsid {control} >/socat.log 2>&1 & echo $! >/socat.pid
export STASIS_OFFLOAD_ARI__URL=http://{NODE2}:8088/ STASIS_OFFLOAD_ARI__PASSWORD={_PASSWORD}
export STASIS_OFFLOAD_OPENFLOW__CONNECTION=tcp:{NODE2}:{OPENFLOW}
stasis-offload run >/app.log 2>&1 & echo $! >/app.pid
"""
    execute(MACHINE, "sh", "-c", script)
    application = Application()
    wait_until(application.healthy, within=_UP_WITHIN, what="the application to be connected")
    try:
        yield application
    finally:
        execute(
            MACHINE,
            "sh",
            "-c",
            "kill $(cat /app.pid); while [ -e /proc/$(cat /app.pid) ]; do sleep 0.1; done",
        )
        execute(MACHINE, "sh", "-c", "kill $(cat /socat.pid)")


class Application:
    """The application that serves the guest, asked over its HTTP interface."""

    def healthy(self) -> bool:
        """Whether Asterisk and the switch are connected."""
        try:
            self._ask("GET", "/healthz")
        except LabError:
            return False
        return True

    def states(self) -> list[str]:
        """List what carries each call."""
        return [call["state"] for call in json.loads(self._ask("GET", "/calls"))["calls"]]

    def relay(self) -> None:
        """Return every call to Asterisk, and keep it there."""
        self._ask("POST", "/relay")

    def _ask(self, method: str, path: str) -> str:
        body = '{"all": true}' if method == "POST" else ""
        program = (
            "import urllib.request as u;"
            f"r = u.Request('http://127.0.0.1:8086{path}', method='{method}', data={body.encode()!r} or None,"
            "headers={'Content-Type': 'application/json'}); print(u.urlopen(r, timeout=10).read().decode())"
        )
        return execute(MACHINE, "python3", "-c", program)


def forwarding(guest: Guest) -> int:
    """Count the datapath's flows that rewrite a packet from leg to leg (ovs-appctl(8), dpctl/dump-flows)."""
    flows = guest.run("ovs-appctl dpctl/dump-flows").splitlines()
    return sum("ttl=63" in flow.partition("actions:")[2] for flow in flows)


def plain(guest: Guest) -> None:
    """End Asterisk and the switch, and give their network back to the guest."""
    guest.run(_PLAIN)


def rtpengine(guest: Guest, *, table: int) -> Server:
    """Bring up rtpengine on the guest's own network: in user space (table -1), or by its kernel module (0)."""
    module = "modprobe nft_rtpengine\n" if table >= 0 else ""
    guest.run(
        f"pkill rtpengine; while pgrep rtpengine >/dev/null; do sleep 0.2; done\n{module}"
        f"setsid rtpengine --config-file=none --table={table} --interface={NODE2} --listen-ng={NODE2}:{NG} "
        "--port-min=30000 --port-max=39999 --log-level=4 --pidfile=/run/rtpengine.pid >/tmp/rtpengine.log 2>&1\n"
        "pgrep rtpengine >/dev/null"
    )
    return RTPENGINE
