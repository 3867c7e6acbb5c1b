#!/bin/bash
# Open vSwitch lets a flow rewrite the ingress port, so that NORMAL and IN_PORT treat the packet as one that came in
# elsewhere. In OpenFlow 1.3 `ovs-ofctl` takes `set_field:3->in_port`, and prints it the same way; but the field by its
# OpenFlow number (OXM_OF_IN_PORT, 32 bits) is refused in a set-field action: OFPBAC_BAD_SET_ARGUMENT. ovs-ofctl silently
# writes NXM_OF_IN_PORT (16 bits). os-ken's OFPActionSetField(in_port=…) writes the one that is refused; in_port_nxm works.
# So a flow that is copied from `dump-flows` into a controller's code fails, and the error names no field.
#
# Seen with openvswitch-common 3.1.0-2+deb12u1 (Debian 12) and os-ken 4.2.2:
#   OXM_OF_IN_PORT: ***decode error: OFPBAC_BAD_SET_ARGUMENT***
#   NXM_OF_IN_PORT: ADD udp out_port:0 actions=set_field:3->in_port,output:1
#
# Needs Debian 12 with apt's lists, Python 3.11 with venv, and a package index. Changes nothing outside its folder.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

apt-get -qq download openvswitch-common=3.1.0-2+deb12u1 libxdp1=1.3.1-1 libbpf1 libunbound8 libevent-2.1-7 libcap-ng0 libnuma1 2>/dev/null
for package in *.deb; do dpkg -x "$package" root; done
libraries=$(find "$PWD/root" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
ofctl() { LD_LIBRARY_PATH=$libraries root/usr/bin/ovs-ofctl "$@" 2>/dev/null; }

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check os-ken==4.2.2 2>/dev/null
cat >encode.py <<'PYTHON'
import sys

from os_ken.ofproto import ofproto_v1_3 as ofp
from os_ken.ofproto import ofproto_v1_3_parser as messages
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

switch = ProtocolDesc(4)
actions = [messages.OFPActionSetField(**{sys.argv[1]: 3}), messages.OFPActionOutput(1)]
flow = messages.OFPFlowMod(
    switch,
    match=messages.OFPMatch(eth_type=0x0800, ip_proto=17),
    instructions=[messages.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, actions)],
)
flow.set_xid(1)
flow.serialize()
print(flow.buf.hex())
PYTHON

expect() {
    printf '%s\n  %s\n' "$1" "$2"
    grep -qF -e "$3" <<<"$2" || { echo "expected: $3" >&2; exit 1; }
}

ofctl --version | head -n 1
expect "ovs-ofctl's own words, as OpenFlow 1.3:" \
    "$(ofctl -O OpenFlow13 parse-flow 'udp,actions=set_field:3->in_port,output:1' | tail -n 1)" \
    'actions=set_field:3->in_port,output:1'
expect "os-ken's in_port, OXM_OF_IN_PORT:" \
    "$(ofctl ofp-print "$(venv/bin/python encode.py in_port)" | head -n 1)" \
    'decode error: OFPBAC_BAD_SET_ARGUMENT'
expect "os-ken's in_port_nxm, NXM_OF_IN_PORT:" \
    "$(ofctl ofp-print "$(venv/bin/python encode.py in_port_nxm)" | head -n 1)" \
    'actions=set_field:3->in_port,output:1'
