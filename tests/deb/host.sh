#!/bin/bash
# In the host's container, as root: what README's first steps say, from the packages of an earlier version in /packages/earlier to a
# call that is switched, an upgrade to those in /packages during the call, back again, and a removal that leaves the host as it was.
set -euo pipefail

source "$(dirname "$0")/common.sh"

apt() { DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes -o APT::Sandbox::User=root "$@" >/tmp/apt.log 2>&1 || fail "apt-get $*: $(tail -n 5 /tmp/apt.log)"; }

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

begin_call
make_repository
from=(-o Dir::Etc::SourceList=/packages/sources.list -o Dir::Etc::SourceParts=/dev/null)
apt "${from[@]}" update
apt "${from[@]}" upgrade
carries_on "upgraded" /packages
apt install --allow-downgrades /packages/earlier/*.deb
carries_on "taken back to the earlier version" /packages/earlier
end_call

noticed=$(journalctl --unit stasis-offload --output short --no-pager _SYSTEMD_UNIT=stasis-offload.service |
    grep -Evf /etc/logcheck/ignore.d.server/stasis-offload | grep '"level": "\(debug\|info\)"' || true)
[ -z "$noticed" ] || fail "logcheck would tell of: $noticed"

apt purge stasis-offload asterisk-module-offload
as_before "removed"
