#!/bin/bash
# `controller(max_len=N)` of Open vSwitch promises the first N bytes of a packet (ovs-actions(7): "Limit to max_len the number of
# bytes of the packet to send in the packet-in message"), and a controller that only reads headers asks for that. The switch sends
# every packet whole, in each format of a packet-in. Whoever mirrors packets to a controller pays for all their bytes, and gets
# payload that it did not ask for: what must not be read has to be cut off by the controller itself.
#
# Seen with openvswitch-switch 3.1.0-2+deb12u1 (Debian 12), a frame of 1,000 bytes and max_len=64:
#   OpenFlow10 openflow10: total_len=1000 data_len=1000
#   OpenFlow13 standard: total_len=1000 data_len=1000
#   OpenFlow10 nxt_packet_in2: total_len=1000 data_len=1000
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
ovs-ofctl add-flow br 'in_port=1,actions=controller(max_len=64),output:2'
ovs-ofctl dump-flows br | grep -q 'CONTROLLER:64,' # as the switch itself shows it

frame=0200000000020200000000011234$(printf '00%.0s' $(seq 986))
seen() { # the first packet-in of a kind
    ovs-ofctl -O "$1" -P "$2" monitor br 65534 --detach --no-chdir --pidfile=monitor.pid >monitor.log 2>&1
    for _ in $(seq 20); do
        ovs-appctl netdev-dummy/receive p1 "$frame"
        grep -q PACKET_IN monitor.log && break
        sleep 0.2
    done
    kill "$(cat monitor.pid)"
    echo "$1 $2: $(grep -m 1 PACKET_IN monitor.log | grep -o 'total_len=[0-9]*\|data_len=[0-9]*' | paste -sd' ')"
}
{ seen OpenFlow10 openflow10; seen OpenFlow13 standard; seen OpenFlow10 nxt_packet_in2; } | tee log
[ "$(grep -c 'total_len=1000 data_len=1000$' log)" -eq 3 ]
