#!/bin/bash
# Open vSwitch looks at its private key and its certificate in each round of its main loop, and loads them anew if both files have
# another time of modification since it last looked (stream_ssl_set_key_and_cert() in lib/stream-ssl.c). Both, not one of
# them: a certificate that was renewed for the same key, as it usually is, is not loaded until the process starts again, and the
# switch goes on to show the old one, to its end and beyond. Nothing is logged. ovs-vsctl(8) and ovs-vswitchd.conf.db(5) say of
# neither file when it is read. Touching the key as well loads the pair.
#
# Seen with openvswitch-switch 3.1.0-2+deb12u1 (Debian 12):
#   at the start: serial=01
#   the certificate renewed for the same key: serial=01
#   certificate and key touched: serial=02
#
# Needs Debian 12 with apt's lists. Changes nothing outside its folder.
set -euo pipefail

folder=$(mktemp -d)
trap 'kill $(cat "$folder"/*.pid 2>/dev/null) 2>/dev/null; sleep 1; rm -rf "$folder"' EXIT
cd "$folder"

version=3.1.0-2+deb12u1
apt-get -qq download openvswitch-common=$version openvswitch-switch=$version openssl libssl3 libxdp1=1.3.1-1 libbpf1 libunbound8 \
    libevent-2.1-7 libcap-ng0 libnuma1 2>/dev/null
for package in *.deb; do dpkg -x "$package" root; done
LD_LIBRARY_PATH=$(find "$PWD/root" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
PATH=$PWD/root/usr/bin:$PWD/root/usr/sbin:$PWD/root/usr/lib/openvswitch-switch:$PATH
export LD_LIBRARY_PATH PATH OVS_RUNDIR=$PWD OVS_LOGDIR=$PWD OVS_DBDIR=$PWD

openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=authority -keyout ca.key -out ca.crt 2>/dev/null
openssl req -newkey rsa:2048 -nodes -subj /CN=switch -keyout switch.key -out switch.csr 2>/dev/null
certify() { openssl x509 -req -in switch.csr -CA ca.crt -CAkey ca.key -set_serial "$1" -days 30 -out switch.crt 2>/dev/null; }
certify 1
touch -d '2 hours ago' switch.key switch.crt

ovsdb-tool create conf.db root/usr/share/openvswitch/vswitch.ovsschema
ovsdb-server --detach --no-chdir --pidfile --log-file=db.log --remote=punix:db.sock conf.db 2>/dev/null
ovs-vsctl --db=unix:db.sock --no-wait init
ovs-vswitchd --detach --no-chdir --pidfile --log-file=switch.log --enable-dummy=override --disable-system "unix:$PWD/db.sock" 2>/dev/null
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
ovs-vsctl --db=unix:db.sock set-ssl "$PWD/switch.key" "$PWD/switch.crt" "$PWD/ca.crt" \
    -- add-br br -- set bridge br datapath_type=dummy -- set-controller br "pssl:$port:127.0.0.1"

shown() { # the serial of the certificate that the switch shows
    openssl s_client -connect "127.0.0.1:$port" -cert switch.crt -key switch.key </dev/null 2>/dev/null |
        openssl x509 -noout -serial 2>/dev/null
}
rounds() { # each change of the database is a round of the main loop, which ovs-vsctl waits for
    for round in 1 2 3; do ovs-vsctl --db=unix:db.sock set bridge br other_config:round=$round; done
}
until first=$(shown); do sleep 0.2; done
certify 2
touch -d '1 hour ago' switch.crt
rounds
renewed=$(shown)
touch switch.key switch.crt
rounds
touched=$(shown)

printf 'at the start: %s\nthe certificate renewed for the same key: %s\ncertificate and key touched: %s\n' "$first" "$renewed" "$touched"
if grep -q "|stream_ssl|" switch.log; then exit 1; fi
[ "$first" = serial=01 ] && [ "$renewed" = serial=01 ] && [ "$touched" = serial=02 ]
