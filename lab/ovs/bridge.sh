#!/bin/bash
# bridge.sh PID: puts eth0 into breth0 by the datapath that LAB_DATAPATH names; PID is ovs-vswitchd's. Safe to repeat, and
# from netdev to afxdp and back.
set -euo pipefail

mac=$(cat /sys/class/net/eth0/address)

fail() {
    printf 'bridge: %s: %s\n' "$LAB_DATAPATH" "$*" >&2
    exit 1
}

# A thread of the switch's own reads what AF_XDP takes off the driver, and sleeps up to so many microseconds in between;
# without them it would take a processor to itself.
ports=(options={})
case $LAB_DATAPATH in
    netdev) datapath=netdev ports+=('type=""') ;;
    afxdp) datapath=netdev ports+=(type=afxdp options:xdp-mode=native) ;;
    system) datapath=system ports+=('type=""') ;;
    *) fail "no such datapath" ;;
esac

# Returns when the switch has done it; a transaction that changes nothing would not wait, hence the process id.
ovs-vsctl --retry --timeout=10 set Open_vSwitch . "external_ids:switch_pid=$1" other_config:pmd-sleep-max=500 \
    -- --may-exist add-br breth0 \
    -- set Bridge breth0 "datapath_type=$datapath" "other_config:hwaddr=\"$mac\"" \
    -- --may-exist add-port breth0 eth0 -- set Interface eth0 "${ports[@]}"
error=$(ovs-vsctl get Interface eth0 error)
[ "$error" = "[]" ] || fail "$error"
[ -S /run/openvswitch/breth0.mgmt ] || fail "the switch has no such bridge"
