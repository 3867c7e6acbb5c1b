#!/bin/bash
# bridge.sh PID [BRIDGE PORT...]: puts eth0 into breth0, or ports into another bridge, by the datapath that LAB_DATAPATH names;
# PID is ovs-vswitchd's. Safe to repeat, and from netdev to afxdp and back.
set -euo pipefail

switch_pid=$1 bridge=${2-breth0} ports=("${@:3}")
[ $# -gt 2 ] || ports=(eth0)
mac=$(cat "/sys/class/net/${ports[0]}/address")

fail() {
    printf 'bridge: %s: %s\n' "$LAB_DATAPATH" "$*" >&2
    exit 1
}

# A thread of the switch's own reads what AF_XDP takes off the driver, and sleeps up to so many microseconds in between;
# without them it would take a processor to itself.
kind=(options={})
case $LAB_DATAPATH in
    netdev) datapath=netdev kind+=('type=""') ;;
    afxdp) datapath=netdev kind+=(type=afxdp options:xdp-mode=native) ;;
    system) datapath=system kind+=('type=""') ;;
    *) fail "no such datapath" ;;
esac

adding=()
for port in "${ports[@]}"; do
    adding+=(-- --may-exist add-port "$bridge" "$port" -- set Interface "$port" "${kind[@]}")
done
# Returns when the switch has done it; a transaction that changes nothing would not wait, hence the process id.
ovs-vsctl --retry --timeout=10 set Open_vSwitch . "external_ids:switch_pid=$switch_pid" other_config:pmd-sleep-max=500 \
    -- --may-exist add-br "$bridge" \
    -- set Bridge "$bridge" "datapath_type=$datapath" "other_config:hwaddr=\"$mac\"" "${adding[@]}"
for port in "${ports[@]}"; do
    error=$(ovs-vsctl get Interface "$port" error)
    [ "$error" = "[]" ] || fail "$port: $error"
done
[ -S "/run/openvswitch/$bridge.mgmt" ] || fail "the switch has no such bridge"
