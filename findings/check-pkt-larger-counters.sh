#!/bin/bash
# Open vSwitch's check_pkt_larger makes one datapath flow of both outcomes, and statistics are attributed by that flow: each
# OpenFlow flow of either branch counts every packet, whatever its size, in n_packets and n_bytes alike. So the counters
# cannot say which branch a packet took, and their sum is twice what came in. The ports' own counters are right.
#
# Seen with openvswitch-switch 3.1.0-2+deb12u1 (Debian 12), userspace datapath; 5 frames of 60 bytes, none of 1,000:
#   out by p2 (larger): tx pkts=0, bytes=0
#   out by p3 (not larger): tx pkts=5, bytes=300
#   the flow that outputs to p2: n_packets=5, n_bytes=300
#   the flow that outputs to p3: n_packets=5, n_bytes=300
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
ovs-vswitchd --detach --no-chdir --pidfile --log-file=switch.log --enable-dummy=override --disable-system \
    "unix:$PWD/db.sock" 2>/dev/null
ovs-vsctl --db=unix:db.sock add-br br -- set bridge br datapath_type=dummy fail-mode=secure \
    -- add-port br p1 -- set interface p1 type=dummy ofport_request=1 \
    -- add-port br p2 -- set interface p2 type=dummy ofport_request=2 \
    -- add-port br p3 -- set interface p3 type=dummy ofport_request=3
ovs-ofctl add-flow br 'in_port=1,actions=check_pkt_larger(500)->NXM_NX_REG0[0],resubmit(,1)'
ovs-ofctl add-flow br 'table=1,reg0=1/1,actions=output:2'
ovs-ofctl add-flow br 'table=1,reg0=0/1,actions=output:3'

frame=020000000002020000000001123400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000
for _ in 1 2 3 4 5; do ovs-appctl netdev-dummy/receive p1 "$frame"; done
sleep 1 # the switch takes them in turn
ovs-appctl revalidator/purge

expect() {
    printf '%s\n  %s\n' "$1" "$2"
    grep -qF -e "$3" <<<"$2" || { echo "expected: $3" >&2; exit 1; }
}

ovs-vswitchd --version | head -n 1
expect 'out by p2 (larger):' "$(ovs-ofctl dump-ports br p2 | tail -n 1)" 'tx pkts=0,'
expect 'out by p3 (not larger):' "$(ovs-ofctl dump-ports br p3 | tail -n 1)" 'tx pkts=5,'
expect 'the flow that outputs to p2:' "$(ovs-ofctl dump-flows br table=1,reg0=1/1 | tail -n 1)" 'n_packets=5, n_bytes=300'
expect 'the flow that outputs to p3:' "$(ovs-ofctl dump-flows br table=1,reg0=0/1 | tail -n 1)" 'n_packets=5, n_bytes=300'
