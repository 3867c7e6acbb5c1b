#!/bin/bash
# Open vSwitch counts a packet as dropped (coverage counter datapath_drop_userspace_action_error) when the last thing that its
# flow does is to give it to the controller, although the controller gets it. With an output after `controller` nothing is counted,
# with the output before it everything is. So an alarm on that counter, whose name says "error", counts the packet-ins of
# a healthy switch, and two flows that do the same to a packet count differently.
#
# Seen with openvswitch-switch 3.1.0-2+deb12u1 (Debian 12), userspace datapath, 5 packets each:
#   controller: 5 packet-ins, 5 counted as dropped
#   controller,output:2: 5 packet-ins, 0 counted as dropped
#   output:2,controller: 5 packet-ins, 5 counted as dropped
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
ovs-vsctl add-br br -- set bridge br datapath_type=dummy fail-mode=secure \
    -- add-port br p1 -- set interface p1 type=dummy ofport_request=1 \
    -- add-port br p2 -- set interface p2 type=dummy ofport_request=2
ovs-ofctl monitor br 65534 --detach --no-chdir --pidfile=monitor.pid >monitor.log 2>&1

frame=0200000000020200000000011234$(printf '00%.0s' $(seq 46))
arrived() { grep -c PACKET_IN monitor.log || true; }
dropped() { ovs-appctl coverage/read-counter datapath_drop_userspace_action_error; }
seen() {
    local arrived_before dropped_before
    ovs-ofctl add-flow br "in_port=1,actions=$1"
    arrived_before=$(arrived) dropped_before=$(dropped)
    for number in 1 2 3 4 5; do
        ovs-appctl netdev-dummy/receive p1 "$frame"
        for _ in $(seq 50); do [ "$(arrived)" -ge $((arrived_before + number)) ] && break; sleep 0.1; done
    done
    sleep 2 # threads add what they counted to the coverage counters now and then
    echo "$1: $(($(arrived) - arrived_before)) packet-ins, $(($(dropped) - dropped_before)) counted as dropped"
}
{ seen controller; seen controller,output:2; seen output:2,controller; } | tee log
diff - log <<'EXPECTED'
controller: 5 packet-ins, 5 counted as dropped
controller,output:2: 5 packet-ins, 0 counted as dropped
output:2,controller: 5 packet-ins, 5 counted as dropped
EXPECTED
