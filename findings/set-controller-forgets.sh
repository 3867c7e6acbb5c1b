#!/bin/bash
# `ovs-vsctl set-controller BRIDGE TARGET` with the very target that the bridge has already makes a new record of the Controller table,
# and what was set in the old one is gone: connection_mode, max_backoff, inactivity_probe. So a script that is run again to be
# sure of the controller turns an out-of-band connection into an in-band one, with hidden flows of the switch's own, and one that is
# made again within a second into one that takes up to 8.
#
# Seen with openvswitch-switch 3.1.0-2+deb12u1 (Debian 12):
#   set: out-of-band 1000
#   after the same set-controller: [] []
#   same record: no
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
PATH=$PWD/root/usr/bin:$PWD/root/usr/sbin:$PATH
export LD_LIBRARY_PATH PATH OVS_RUNDIR=$PWD OVS_LOGDIR=$PWD OVS_DBDIR=$PWD

ovsdb-tool create conf.db root/usr/share/openvswitch/vswitch.ovsschema
ovsdb-server --detach --no-chdir --pidfile --log-file=db.log --remote=punix:db.sock conf.db 2>/dev/null
vsctl() { ovs-vsctl --db=unix:db.sock --no-wait "$@"; }
record() { vsctl --bare --columns=_uuid list controller; }
settings() { echo "$(vsctl get controller br connection_mode) $(vsctl get controller br max_backoff)"; }

vsctl init
vsctl add-br br -- set-controller br tcp:192.0.2.1:6653 \
    -- set controller br connection_mode=out-of-band max_backoff=1000
before=$(settings) first=$(record)
vsctl set-controller br tcp:192.0.2.1:6653
after=$(settings)
[ "$(record)" = "$first" ] && same=yes || same=no
echo "set: $before"
echo "after the same set-controller: $after"
echo "same record: $same"
[ "$before" = "out-of-band 1000" ] && [ "$after" = "[] []" ] && [ "$same" = no ]
