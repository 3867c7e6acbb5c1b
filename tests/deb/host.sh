#!/bin/bash
# In the host's container, as root: what README's first steps say, from the packages of an earlier version in /packages/earlier to a
# call that is switched, an upgrade to those in /packages during the call, back again, and a removal that leaves the host as it was.
set -euo pipefail

fail() {
    echo "FAILED: $*" >&2
    journalctl --unit stasis-offload --output cat --no-pager 2>/dev/null | tail -n 15 >&2 || true
    exit 1
}
ok() { echo "ok: $* ($SECONDS s)"; }

# until_so WHAT COMMAND...: waits until a command succeeds.
until_so() {
    local what=$1
    shift
    for _ in $(seq 300); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.1
    done
    fail "$what: $("$@" 2>&1 | tail -n 3)"
}
phones() { ip netns exec phones "$@"; }
apt() { DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes -o APT::Sandbox::User=root "$@" >/tmp/apt.log 2>&1 || fail "apt-get $*: $(tail -n 5 /tmp/apt.log)"; }

# Everything that a package manager or `setup` may touch, but what they keep for themselves, and what the host's services write.
files() {
    find /etc /usr /var/lib \( -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/lib/systemd -o -path /var/lib/asterisk \
        -o -path /var/lib/openvswitch -o -path /etc/openvswitch -o -name '*.pyc' -o -name __pycache__ -o -path '/etc/*-' \) -prune \
        -o -printf '%p %M %u:%g %l\n' -type f -exec sha256sum {} + | sort
}

# The bridge of docs/bridge.md, in userspace, and the phones on its other side.
make_bridge() {
    ip netns add phones
    ip link add lan0 type veth peer name eth0 netns phones
    phones ip address add 192.0.2.10/24 dev eth0
    phones ip link set eth0 up
    phones ethtool -K eth0 tx off >/dev/null
    ovs-vsctl add-br breth0 -- set bridge breth0 datapath_type=netdev \
        "other-config:hwaddr=\"$(cat /sys/class/net/lan0/address)\"" -- add-port breth0 lan0
    ethtool -K breth0 tx off >/dev/null
    nft -f - <<'END'
table netdev stasis_offload {
    chain once {
        type filter hook ingress device lan0 priority 0; policy drop;
    }
}
END
    ip link set lan0 up
    ip address add 192.0.2.1/24 dev breth0
    ip link set breth0 up
}

# What an administrator has, before anything of ours.
configure_asterisk() {
    cat >/etc/asterisk/pjsip.conf <<'END'
[udp]
type = transport
protocol = udp
bind = 192.0.2.1

[phones]
type = endpoint
context = phones
disallow = all
allow = ulaw
direct_media = no
aors = phones

[phones]
type = aor
contact = sip:192.0.2.10:5070

[phones]
type = identify
endpoint = phones
match = 192.0.2.10
END
    printf '[phones]\nexten => _X.,1,OffloadDial(PJSIP/phones)\n same => n,Hangup()\n' >/etc/asterisk/extensions.conf
    systemctl restart asterisk
    until_so "Asterisk does not run" asterisk -rx "core waitfullybooted"
}

state_is() { grep -q "\"state\": \"$1\"" < <(stasis-offload calls --json); }
get() { python3 -c 'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())' "http://127.0.0.1:8086/$1"; }

# runs FOLDER: whether the application and the module are those of its packages.
runs() {
    local version
    version=$(dpkg-deb --field "$1"/stasis-offload_*.deb Version)
    grep -q "\"version\": \"$version\", \"module\": \"$version\"" < <(get healthz)
}
has_adopted_it() { grep -q '^stasis_offload_calls_begun_total{origin="adopted"} 1' < <(get metrics); }

# carries_on WHAT FOLDER: what has to be so after another version came during the call.
carries_on() {
    until_so "$1: another version runs" runs "$2"
    until_so "$1: the call is not adopted" has_adopted_it
    until_so "$1: the call is not switched" state_is offloaded
    ok "$1, during the call"
}

# What apt needs to find /packages by itself.
make_repository() {
    local package
    for package in /packages/*.deb; do
        dpkg-deb --field "$package"
        printf 'Filename: %s\nSize: %s\nSHA256: %s\n\n' "${package#/packages/}" "$(stat -c %s "$package")" \
            "$(sha256sum "$package" | cut -d ' ' -f 1)"
    done >/packages/Packages
    echo "deb [trusted=yes] file:/packages ./" >/packages/sources.list
}

make_bridge
configure_asterisk
files >/tmp/before
ok "a host with Asterisk, Open vSwitch and a bridge"

apt install /packages/earlier/*.deb
[ "$(systemctl is-active stasis-offload)" = inactive ] || fail "it runs before there is a configuration"
[ -z "$(systemctl list-units --failed --no-legend)" ] || fail "a unit has failed: $(systemctl list-units --failed --no-legend)"
ok "installed"

files >/tmp/installed
stasis-offload setup --dry-run >/tmp/plan
cmp -s /tmp/installed <(files) || fail "a dry run changes files"
! stasis-offload setup </dev/null >/dev/null 2>&1 || fail "it does not ask"
stasis-offload setup --yes >/tmp/setup || fail "setup: $(cat /tmp/setup)"
grep -v '^set up' /tmp/setup | cmp -s - /tmp/plan || fail "the dry run showed something else"
! grep -qFf <(cut -c 1-12 /etc/stasis-offload/ari-password) /tmp/setup || fail "the password is shown"
[ "$(stasis-offload setup --yes)" = "nothing to do" ] || fail "not all was done: $(stasis-offload setup --dry-run)"
ok "set up, without a restart of Asterisk"

until_so "check finds something" stasis-offload check
until_so "another version runs" runs /packages/earlier
ok "checked"

head -c 80000 /dev/urandom >/tmp/speech.ulaw
cd /tmp
phones sipp -sf /test/callee.xml -i 192.0.2.10 -p 5070 -min_rtp_port 20000 -max_rtp_port 20100 -m 1 -bg >/dev/null 2>&1 || true
ip netns exec phones tcpdump -i eth0 --immediate-mode -B 8192 -w /tmp/rtp.pcap -U udp >/dev/null 2>/tmp/tcpdump.log &
capture=$!
phones sipp -sf /test/caller.xml -i 192.0.2.10 -p 5060 -min_rtp_port 30000 -max_rtp_port 30100 -s 100 -m 1 -bg 192.0.2.1 >/dev/null 2>&1 || true
until_so "the call is not switched" state_is offloaded
stasis-offload calls
ok "a call is switched"

make_repository
from=(-o Dir::Etc::SourceList=/packages/sources.list -o Dir::Etc::SourceParts=/dev/null)
apt "${from[@]}" update
apt "${from[@]}" upgrade
carries_on "upgraded" /packages
apt install --allow-downgrades /packages/earlier/*.deb
carries_on "taken back to the earlier version" /packages/earlier
asterisk -rx "channel request hangup all" >/dev/null
until_so "the phones do not end" eval '! pgrep -x sipp'
kill "$capture"
wait "$capture" || true
grep -q '^0 packets dropped by kernel' /tmp/tcpdump.log || fail "the capture is not whole: $(cat /tmp/tcpdump.log)"
python3 /test/streams.py /tmp/rtp.pcap 20000 30000 || fail "of the RTP"
ok "of what the phones sent meanwhile no packet is missing"

noticed=$(journalctl --unit stasis-offload --output short --no-pager _SYSTEMD_UNIT=stasis-offload.service |
    grep -Evf /etc/logcheck/ignore.d.server/stasis-offload | grep '"level": "\(debug\|info\)"' || true)
[ -z "$noticed" ] || fail "logcheck would tell of: $noticed"

apt purge stasis-offload asterisk-module-offload
diff /tmp/before <(files) >/tmp/left || fail "the host is not as it was: $(head -n 20 /tmp/left)"
asterisk -rx "core waitfullybooted" >/dev/null || fail "Asterisk does not run any more"
ok "removed, and every file is as it was"
