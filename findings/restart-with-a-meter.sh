#!/bin/bash
# Open vSwitch's own restart (ovs-ctl restart, systemctl reload openvswitch-switch) saves the flows of each bridge with ovs-save and
# writes them back as one atomic bundle. It does not save meters. So a single flow with `meter:`, whoever added it, makes the whole
# restore fail, and the bridge has no flow at all afterwards: in fail-mode secure it passes nothing. The script that ovs-save makes
# ends with `rm`, so it exits with 0, and ovs-ctl prints that the flows are restored.
#
# Seen with openvswitch-switch 3.1.0-2+deb12u1 (Debian 12), of two flows, then of the same two and one with a meter:
#   without a meter: exit 0, 2 of 2 flows are back
#   with a meter: exit 0, 0 of 3 flows are back
#   Error OFPMMFC_INVALID_METER for: OFPT_FLOW_MOD (OF1.4) (xid=0x7): ADD priority=200,udp,tp_dst=5004 actions=meter:7,NORMAL
#
# Needs Debian 12 with apt's lists. Changes nothing outside its folder.
set -euo pipefail

folder=$(mktemp -d)
trap 'kill $(cat "$folder"/*.pid 2>/dev/null) 2>/dev/null; sleep 1; rm -rf "$folder"' EXIT
cd "$folder"

version=3.1.0-2+deb12u1
apt-get -qq download openvswitch-common=$version openvswitch-switch=$version libxdp1=1.3.1-1 libbpf1 libunbound8 libevent-2.1-7 \
    libcap-ng0 libnuma1 2>/dev/null
for package in *.deb; do dpkg -x "$package" root; done
LD_LIBRARY_PATH=$(find "$PWD/root" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
PATH=$PWD/root/usr/bin:$PWD/root/usr/sbin:$PWD/root/usr/lib/openvswitch-switch:$PATH
export LD_LIBRARY_PATH PATH OVS_RUNDIR=$PWD OVS_LOGDIR=$PWD OVS_DBDIR=$PWD
schema=root/usr/share/openvswitch/vswitch.ovsschema

ovsdb-tool create conf.db "$schema"
ovsdb-server --detach --no-chdir --pidfile --log-file=db.log --remote=punix:db.sock conf.db 2>/dev/null
ovs-vsctl --db=unix:db.sock --no-wait init

start() {
    ovs-vswitchd --detach --no-chdir --pidfile --log-file=switch.log --enable-dummy=override --disable-system \
        "unix:$PWD/db.sock" 2>/dev/null
}
flows() { ovs-ofctl -O OpenFlow14 dump-flows --no-stats br | wc -l; }
restart() { # the steps of restart() in the package's ovs-lib, for one bridge
    local had code=0
    had=$(flows)
    TMPDIR=$PWD root/usr/share/openvswitch/scripts/ovs-save save-flows br >restore.sh
    ovs-appctl exit
    for _ in $(seq 100); do [ -e ovs-vswitchd.pid ] || break; sleep 0.1; done
    ovs-vsctl --no-wait set Open_vSwitch . other_config:flow-restore-wait=true
    start
    sh restore.sh 2>restore.log || code=$?
    ovs-vsctl remove Open_vSwitch . other_config flow-restore-wait
    echo "$1: exit $code, $(flows) of $had flows are back"
}

start
ovs-vsctl add-br br -- set bridge br datapath_type=dummy fail-mode=secure
ovs-ofctl -O OpenFlow13 add-flow br 'priority=100,ip,nw_src=192.0.2.1,actions=drop'
ovs-ofctl -O OpenFlow13 add-flow br 'priority=0,actions=normal'
restart 'without a meter' | tee seen
ovs-ofctl -O OpenFlow13 add-meter br 'meter=7,pktps,bands=type=drop,rate=100'
ovs-ofctl -O OpenFlow13 add-flow br 'priority=200,udp,tp_dst=5004,actions=meter:7,normal'
restart 'with a meter' | tee -a seen
head -n 1 restore.log
diff - seen <<'EXPECTED'
without a meter: exit 0, 2 of 2 flows are back
with a meter: exit 0, 0 of 3 flows are back
EXPECTED
grep -q OFPMMFC_INVALID_METER restore.log
