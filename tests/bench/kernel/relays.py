"""The relays of the guest, one after the other; each has the same address and serves the same calls."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lab.control import LabError, execute, wait_until
from tests.bench.kernel.guest import MACHINE, NODE2, NODE2_V6, Guest
from tests.bench.load import Server

SIP, NG, OPENFLOW, CONTROL = 5060, 2223, 6653, 9999
ASTERISK, ASTERISK_V6 = Server("sip", NODE2, SIP), Server("sip", NODE2_V6, SIP)
RTPENGINE = Server("ng", NODE2, NG)

_PASSWORD = "kernel-only"
# The application, and its commands, with its settings.
_APPLICATION = (
    "env",
    f"STASIS_OFFLOAD_ARI__URL=http://{NODE2}:8088/",
    f"STASIS_OFFLOAD_ARI__PASSWORD={_PASSWORD}",
    f"STASIS_OFFLOAD_OPENFLOW__CONNECTION=tcp:{NODE2}:{OPENFLOW}",
    "stasis-offload",
)
_UP_WITHIN = 120.0

_ADDRESS = f"ip addr replace {NODE2}/24 dev eth0 && ip link set eth0 up"
# The lab's Asterisk ends what a card does with checksums, for the lab's own switch.
_CHECKSUMS = "ethtool -K eth0 tx on >/dev/null"
_VLAN = 10
# Whatever comes has a tag, and whatever goes loses it, as if the other end of the cable had tags; Asterisk is in that VLAN.
_TAGGED = f"""
set -e
modprobe -a act_vlan cls_matchall sch_ingress
tc qdisc add dev eth0 clsact
tc filter add dev eth0 ingress matchall action vlan push id {_VLAN}
tc filter add dev eth0 egress matchall action vlan pop
ovs-vsctl set port breth0 tag={_VLAN}
"""
_UNTAGGED = "ovs-vsctl clear port breth0 tag && tc qdisc del dev eth0 clsact"
_TO_TC = """
ovs-vsctl set Open_vSwitch . other_config:hw-offload=true other_config:tc-tuning=skip_hw
ovs-appctl revalidator/purge
"""
_ASTERISK = f"""
install -d -o asterisk -g asterisk /run/asterisk
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
ip addr replace {NODE2_V6}/64 dev breth0 nodad
setsid socat TCP-LISTEN:{CONTROL},fork,reuseaddr UNIX-CONNECT:/run/asterisk/asterisk.ctl >/tmp/socat.log 2>&1 &
"""
# `exit --cleanup` takes the datapath along.
_PLAIN = f"""
pkill asterisk
tc qdisc del dev eth0 ingress 2>/dev/null
ovs-appctl -t ovs-vswitchd exit --cleanup
while pgrep 'asterisk|ovs-vswitchd' >/dev/null; do sleep 0.2; done
{_ADDRESS}
"""


def asterisk(guest: Guest) -> Server:
    """Bring up Asterisk on the guest's own network."""
    guest.run(_ADDRESS)
    guest.run(_ASTERISK, within=_UP_WITHIN)
    guest.run(_CHECKSUMS)
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
{" ".join(_APPLICATION)} run >/app.log 2>&1 & echo $! >/app.pid
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
    """The application that serves the guest."""

    def healthy(self) -> bool:
        """Whether Asterisk and the switch are connected."""
        try:
            self._get("/healthz")
        except LabError:
            return False
        return True

    def states(self) -> list[str]:
        """List what carries each call."""
        return [call["state"] for call in json.loads(self._get("/calls"))["calls"]]

    def relay(self) -> None:
        """Return every call to Asterisk, and keep it there."""
        execute(MACHINE, *_APPLICATION, "relay", "--all")

    def offload(self) -> None:
        """Let every call be offloaded again."""
        execute(MACHINE, *_APPLICATION, "offload", "--all")

    def _get(self, path: str) -> str:
        program = (
            "import urllib.request as u;"
            f"print(u.urlopen('http://127.0.0.1:8086{path}', timeout=10).read().decode())"
        )
        return execute(MACHINE, "python3", "-c", program)


def tag(guest: Guest) -> None:
    """Put Asterisk and both ends of every call into a VLAN, with tags on the wire."""
    guest.run(_TAGGED)


def untag(guest: Guest) -> None:
    """Take it back."""
    guest.run(_UNTAGGED)


@dataclass(frozen=True, slots=True)
class DatapathFlow:
    """A flow of the datapath: what it matches, how many packets have, and what becomes of them (ovs-dpctl(8))."""

    match: str
    packets: int
    actions: str

    def __str__(self) -> str:
        return f"{self.match}, packets:{self.packets}, actions:{self.actions}"


def rewriting(dump: str) -> list[DatapathFlow]:
    """Read those of `ovs-appctl dpctl/dump-flows` that rewrite a packet from leg to leg.

    Such packets came with a TTL of 64, a phone's own or the last router's.
    """
    flows = []
    for line in dump.splitlines():
        match, _, rest = line.partition(", packets:")
        packets, _, rest = rest.partition(",")
        actions = rest.partition("actions:")[2]
        if "ttl=63" in actions or "hlimit=63" in actions:
            flows.append(DatapathFlow(match, int(packets), actions))
    return flows


def forwarding(guest: Guest, *, of: str = "") -> list[DatapathFlow]:
    """List the datapath's flows that rewrite a packet from leg to leg (ovs-appctl(8), dpctl/dump-flows).

    `of` restricts them to a type, such as "offloaded".
    """
    options = f" type={of}" if of else ""
    return rewriting(guest.run(f"ovs-appctl dpctl/dump-flows{options}"))


def through_tc(guest: Guest) -> tuple[int, str]:
    """Let the switch put its flows into tc flower; return how many of the legs' are there, and why the others are not.

    ovs-vswitchd.conf.db(5): other_config:hw-offload, tc-policy. The switch tells apart what is there (dpctl/dump-flows
    type=offloaded); check_pkt_len is the reason if all of the others have it.
    """
    guest.run(_TO_TC)
    wait_until(lambda: forwarding(guest), within=_UP_WITHIN, what="the flows to be back in the datapath")
    there = {flow.actions for flow in forwarding(guest, of="offloaded")}
    others = {flow.actions for flow in forwarding(guest)} - there
    known = "check_pkt_len" if all("check_pkt_len" in actions for actions in others) else "no known reason"
    return len(there), f"not offloadable: {known}"


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
