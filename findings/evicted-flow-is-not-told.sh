#!/bin/bash
# A table of Open vSwitch with flow_limit and overflow_policy=evict drops a flow for a new one. A controller of OpenFlow 1.3 that has
# asked to be told of the flow's end (OFPFF_SEND_FLOW_REM) is not: the reason "eviction" came with 1.4, and by default a 1.3 connection
# gets no message with it. The same switch tells the same end to a connection of 1.4. So with 1.3 the flow is gone without a
# word, and without an error for the one that took its place; only a look at the table's flows tells.
#
# Seen with openvswitch-switch 3.1.0-2+deb12u1 (Debian 12), a table limited to one flow:
#   flows after the second was added: cookie=0x2
#   OpenFlow13, told of the first: 0; of the second: 1
#   OpenFlow14, told of the first: 1, reason=eviction
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

ovsdb-tool create conf.db root/usr/share/openvswitch/vswitch.ovsschema
ovsdb-server --detach --no-chdir --pidfile --log-file=db.log --remote=punix:db.sock conf.db 2>/dev/null
ovs-vsctl --db=unix:db.sock --no-wait init
ovs-vswitchd --detach --no-chdir --pidfile --log-file=switch.log --enable-dummy=override --disable-system \
    "unix:$PWD/db.sock" 2>/dev/null
ovs-vsctl --db=unix:db.sock add-br br -- set bridge br datapath_type=dummy fail-mode=secure \
    protocols=OpenFlow13,OpenFlow14 flow_tables:5=@table \
    -- --id=@table create flow_table flow_limit=1 overflow_policy=evict >/dev/null

# 128 octets of a packet: with none, a connection to the management socket is told of nothing at all.
for protocol in OpenFlow13 OpenFlow14; do
    ovs-ofctl -O $protocol monitor br 128 2>"$protocol.seen" &
    echo $! >"$protocol.pid"
done
add() { ovs-ofctl -O OpenFlow13 add-flow br "table=5,send_flow_rem,idle_timeout=600,cookie=$1,priority=$1,actions=drop"; }
seen() { # COOKIE: until both have been told of the end of the flow with it
    local protocol
    for protocol in OpenFlow13 OpenFlow14; do
        for _ in $(seq 100); do grep -q "reason=delete.*cookie:$1" "$protocol.seen" && continue 2; sleep 0.1; done
        return 1
    done
}
for _ in $(seq 20); do # until both listen
    add 9
    ovs-ofctl -O OpenFlow13 del-flows br table=5
    sleep 0.2
    grep -q cookie:0x9 OpenFlow13.seen && grep -q cookie:0x9 OpenFlow14.seen && break
done
seen 0x9
add 1
add 2
left=$(ovs-ofctl -O OpenFlow13 dump-flows br table=5 | grep -o 'cookie=0x.' | paste -sd' ')
ovs-ofctl -O OpenFlow13 del-flows br table=5
seen 0x2 # so what is before it has come
told() { grep -c 'cookie:0x1' "$1.seen" || true; }
why=$(grep 'cookie:0x1' OpenFlow14.seen | grep -o 'reason=[a-z]*')
echo "flows after the second was added: $left"
echo "OpenFlow13, told of the first: $(told OpenFlow13); of the second: $(grep -c 'cookie:0x2' OpenFlow13.seen)"
echo "OpenFlow14, told of the first: $(told OpenFlow14), $why"
[ "$left" = cookie=0x2 ] && [ "$(told OpenFlow13)" = 0 ] && [ "$(grep -c 'cookie:0x2' OpenFlow13.seen)" = 1 ] &&
    [ "$(told OpenFlow14)" = 1 ] && [ "$why" = reason=eviction ]
