#!/bin/bash
# `core stop gracefully` and `core restart gracefully` wait for as long as the last call lasts. Meanwhile Asterisk's CLI refuses every
# command that has not registered itself for it (allowed_on_shutdown() in main/cli.c): all but those that stop and restart Asterisk,
# `core abort shutdown`, and `core show locks`. So nobody can see by the CLI which calls are waited for, nor end one: `core show channels`
# and `channel request hangup` are refused, too. A module can allow its own command: ast_cli_allow_at_shutdown() (asterisk/cli.h).
#
# Seen with asterisk 1:22.10.1+dfsg+~cs6.17.60671434-1 (Debian forky):
#   before: 2 active channels
#   during `core stop gracefully`: Command 'core show channels' cannot be run during shutdown
#   during `core stop gracefully`: Command 'channel request hangup all' cannot be run during shutdown
#   after `core abort shutdown`: 2 active channels
#
# Needs Debian as root, with mmdebstrap and a mirror that still has that version. Changes nothing outside its folder.
set -euo pipefail

folder=$(mktemp -d)
trap 'kill "$(cat "$folder/root/run/test/asterisk.pid" 2>/dev/null)" 2>/dev/null; sleep 1; rm -rf "$folder"' EXIT
cd "$folder"

version=1:22.10.1+dfsg+~cs6.17.60671434-1
mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' --include="asterisk=$version" \
    --customize-hook='cp -rT /usr/local/share/ca-certificates "$1/usr/local/share/ca-certificates" || true' \
    forky root http://deb.debian.org/debian 2>/dev/null
mkdir root/etc/test root/run/test
cat >root/etc/test/asterisk.conf <<'CONF'
[directories]
astetcdir => /etc/test
astrundir => /run/test
CONF
printf '[test]\nexten => call,1,Answer()\n same => n,Wait(60)\n' >root/etc/test/extensions.conf
printf '[modules]\nautoload = no\nload = pbx_config.so\nload = res_clioriginate.so\n' >root/etc/test/modules.conf
chroot root asterisk -C /etc/test/asterisk.conf
console() { chroot root asterisk -C /etc/test/asterisk.conf -rx "$1"; }
for _ in $(seq 50); do console 'core waitfullybooted' >/dev/null 2>&1 && break; sleep 0.2; done

# The command ends when the last call does.
wait_for() {
    for _ in $(seq 50); do
        said=$(console "$2" | grep -m1 -e "$3") && { echo "$1: $said"; return; }
        sleep 0.2
    done
    echo "$1: expected $3" >&2
    exit 1
}

console 'core show version'
console 'channel originate Local/call@test application Wait 60' >/dev/null
wait_for 'before' 'core show channels' '2 active channels'
console 'core stop gracefully' >/dev/null 2>&1 &
refused='cannot be run during shutdown'
wait_for 'during `core stop gracefully`' 'core show channels' "$refused"
wait_for 'during `core stop gracefully`' 'channel request hangup all' "$refused"
console 'core abort shutdown' >/dev/null
wait_for 'after `core abort shutdown`' 'core show channels' '2 active channels'
