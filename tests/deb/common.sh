# shellcheck shell=bash
# What host.sh and by_hand.sh share: a host with a bridge, Asterisk as an administrator has it, two phones beyond the bridge and their
# call. Sourced, with `set -euo pipefail`.

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

# Has one phone call the other, by way of Asterisk, and waits until the switch carries the call.
begin_call() {
    head -c 80000 /dev/urandom >/tmp/speech.ulaw
    cd /tmp
    phones sipp -sf /test/callee.xml -i 192.0.2.10 -p 5070 -min_rtp_port 20000 -max_rtp_port 20100 -m 1 -bg >/dev/null 2>&1 || true
    # A slot of the ring is as large as -s: by default it has 32 of them, and a busy machine loses packets of the capture.
    ip netns exec phones tcpdump -i eth0 --immediate-mode -s 256 -B 8192 -w /tmp/rtp.pcap -U udp >/dev/null 2>/tmp/tcpdump.log &
    capture=$!
    phones sipp -sf /test/caller.xml -i 192.0.2.10 -p 5060 -min_rtp_port 30000 -max_rtp_port 30100 -s 100 -m 1 -bg 192.0.2.1 >/dev/null 2>&1 || true
    until_so "the call is not switched" state_is offloaded
    stasis-offload calls
    ok "a call is switched"
}

# Ends the call, and fails if a packet of it is missing.
end_call() {
    asterisk -rx "channel request hangup all" >/dev/null
    until_so "the phones do not end" eval '! pgrep -x sipp'
    kill "$capture"
    wait "$capture" || true
    grep -q '^0 packets dropped by kernel' /tmp/tcpdump.log || fail "the capture is not whole: $(cat /tmp/tcpdump.log)"
    python3 /test/streams.py /tmp/rtp.pcap 20000 30000 || fail "of the RTP"
    ok "of what the phones sent meanwhile no packet is missing"
}

# as_before WHEN: fails if a file is not as `files` had it in /tmp/before, or Asterisk does not run.
as_before() {
    diff /tmp/before <(files) >/tmp/left || fail "the host is not as it was: $(head -n 20 /tmp/left)"
    asterisk -rx "core waitfullybooted" >/dev/null || fail "Asterisk does not run any more"
    ok "$1, and every file is as it was"
}

make_bridge
configure_asterisk
files >/tmp/before
ok "a host with Asterisk, Open vSwitch and a bridge"
