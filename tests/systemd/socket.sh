#!/bin/bash
# The management socket's units, where systemd is the first process and Open vSwitch runs: a guest, or run.sh's container.
# Run there as root: it makes a user and a bridge, and leaves Open vSwitch running.
set -euo pipefail

units=$(dirname "$0")/../../systemd
socket=/run/openvswitch/breth0.mgmt
bridge=(add-br breth0 -- set bridge breth0 datapath_type=netdev)

fail() { echo "FAILED: $*" >&2; exit 1; }

# Waits until the group has the socket.
granted() {
    for _ in $(seq 200); do
        [ "$(stat -c %G:%a "$socket" 2>/dev/null)" = offload:660 ] && { echo "ok: $*"; return; }
        sleep 0.1
    done
    fail "$*: $(stat -c '%U:%G %a' "$socket" 2>&1)"
}

getent passwd offload >/dev/null || useradd --system --user-group --shell /usr/sbin/nologin offload
ovs-vsctl --may-exist "${bridge[@]}"
cp "$units"/stasis-offload-socket* /etc/systemd/system/
systemctl daemon-reload
systemctl enable --now --quiet stasis-offload-socket@breth0.path
systemctl enable --quiet stasis-offload-socket@breth0.service
systemctl start --no-block stasis-offload-socket@breth0.service
granted "the units are started"
# Of a change the path unit is told, and starts the other: whoever changes what is right already starts itself, for ever.
before=$(stat -c %z "$socket")
systemctl start stasis-offload-socket@breth0.service stasis-offload-socket-again@breth0.service
[ "$(stat -c %z "$socket")" = "$before" ] || fail "a socket that is right already is changed"
echo "ok: a socket that is right already is left alone"
systemctl start --no-block stasis-offload-socket@breth0.service
systemctl stop stasis-offload-socket@breth0.service
[ -z "$(systemctl list-units --failed --no-legend)" ] || fail "a unit that is stopped has failed"
echo "ok: a stop is no failure"
for again in once twice; do
    systemctl reload openvswitch-switch
    granted "Open vSwitch is reloaded $again"
done
systemctl restart openvswitch-switch
granted "Open vSwitch is restarted"
# The unit looks for 5 s from the stop on: what comes just after its last look is found, too.
for pause in 4.2 4.4 4.6; do
    systemctl stop openvswitch-switch
    sleep "$pause"
    systemctl start openvswitch-switch
    granted "Open vSwitch is started $pause s after its end"
done
ovs-vsctl del-br breth0 -- "${bridge[@]}"
granted "the bridge is made anew"

userdel offload
systemctl restart openvswitch-switch
sleep 8  # longer than the units try
systemctl is-active --quiet ovs-vswitchd || fail "without the group ovs-vswitchd does not run"
[ -S "$socket" ] || fail "without the group the bridge is not there"
[ -z "$(systemctl list-units --failed --no-legend)" ] || fail "a unit has failed"
echo "ok: without the group Open vSwitch runs"
