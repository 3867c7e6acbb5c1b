#!/bin/bash
# service.sh URL PASSWORD: stasis-offload.service, where systemd is the first process and the application is installed, against the
# ARI of a real Asterisk. Run there as root: it makes a user, /etc/stasis-offload and the unit.
set -euo pipefail

url=$1 password=$2
unit=stasis-offload.service
file=/etc/stasis-offload/stasis-offload.toml

fail() {
    echo "FAILED: $*" >&2
    journalctl --unit "$unit" --output short --no-pager | tail -n 20 >&2
    exit 1
}
ok() { echo "ok: $*"; }
show() { systemctl show --value --property "$1" "$unit"; }
logged() { journalctl --unit "$unit" --output cat --no-pager "$@"; }

# until_so WHAT COMMAND...: waits for 30 s until a command succeeds.
until_so() {
    local what=$1
    shift
    for _ in $(seq 300); do
        "$@" && return
        sleep 0.1
    done
    fail "$what"
}

configure() {
    cat >"$file" <<END
[ari]
url = "$url"
username = "offload"
password = '$1'
[openflow]
connection = "unix:/run/openvswitch/breth0.mgmt"
$2
END
}

getent passwd offload >/dev/null || useradd --system --user-group --shell /usr/sbin/nologin offload
install -d "$(dirname "$file")" "/etc/systemd/system/$unit.d"
cp "$(dirname "$0")/../../systemd/$unit" /etc/systemd/system/
printf '[Service]\nTimeoutStartSec=20\n' >"/etc/systemd/system/$unit.d/impatient.conf"
systemctl daemon-reload
[ "$(systemd-analyze verify "/etc/systemd/system/$unit" 2>&1 | grep -v 'asterisk.service\|openvswitch')" = "" ] || fail "the unit is not as systemd wants it"

configure wrong-password ""
! systemctl start "$unit" 2>/dev/null || fail "it started with a wrong password"
grep -q '"reason": "[^"]*401' < <(logged --priority warning) || fail "no warning says that the password is wrong"
ok "with a wrong password the start fails, and a warning says so"

configure "$password" ""
systemctl restart "$unit" || fail "it does not start"
[ "$(show ActiveState)" = active ] || fail "it is $(show ActiveState)"
says_state() { [[ "$(show StatusText)" == "0 calls, 0 offloaded; switch: "* ]]; }
until_so "its state is '$(show StatusText)'" says_state
ok "it is started when Asterisk has registered it, and says how it is: $(show StatusText)"

pid=$(show MainPID)
configure "$password" $'[log]\nlevel = "debug"\n[[policy]]\noffload = "10%"'
systemctl reload "$unit" || fail "the configuration is not read again"
says_reloaded() { grep -q '"changed": \["log.level", "policy"\]' < <(logged); }
until_so "nothing says what has changed" says_reloaded
is_running() { [ "$(show SubState)" = running ]; }
until_so "after the reload it is $(show SubState)" is_running
configure "$password" $'[media]\nidle_tmeout = 3\n[[policy]]\noffload = "101%"'
! systemctl reload "$unit" 2>/dev/null || fail "a wrong configuration was taken"
names() { grep -q "$1" < <(logged --priority err); }
for key in "policy 1, offload" media.idle_tmeout; do
    until_so "no error names $key" names "$key"
done
[ "$(show MainPID) $(show ActiveState)" = "$pid active" ] || fail "a wrong configuration ended it"
configure "$password" ""
ok "a reload changes what may change, and fails with every mistake of a wrong configuration"

kill -STOP "$pid"
is_another() { [ "$(show MainPID)" != "$pid" ] && [ "$(show ActiveState)" = active ]; }
until_so "30 s after it froze it is the same" is_another
[ "$(show NRestarts)" = 1 ] || fail "it was started anew $(show NRestarts) times"
grep -q 'Fatal Python error: Aborted' < <(logged) || fail "the journal does not say where it stood"
ok "frozen, it is ended by the watchdog, says where it stood, and runs again"

systemctl stop "$unit"
[ "$(show ActiveState) $(show Result)" = "inactive success" ] || fail "stopped it is $(show ActiveState), $(show Result)"
ok "it stops"

configure "$password" "[media"
! systemctl start "$unit" 2>/dev/null || fail "it started with a wrong configuration"
[ "$(show ActiveState) $(show ExecMainStatus) $(show NRestarts)" = "failed 78 0" ] ||
    fail "with a wrong configuration it is $(show ActiveState), status $(show ExecMainStatus), $(show NRestarts) restarts"
ok "with a wrong configuration it is not tried again"
