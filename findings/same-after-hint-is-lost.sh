#!/bin/bash
# In Asterisk's extensions.conf a hint has the priority -1, which stands for "hint", and `n` is one more than the priority
# before it. So `same => n,…` right after a hint line gets priority 0, which no extension can have: the step is dropped, in
# silence, at no log level, and so is every further `n` up to the next priority that is a number. An extension whose hint
# stands first has no step at all, and a call to it fails as if it did not exist.
#
# Seen with asterisk 1:22.10.1+dfsg+~cs6.17.60671434-1 (Debian forky), of hint, NoOp(first), Hangup():
#   '200' =>          hint: PJSIP/200                               [extensions.conf:2]
#   -= 1 extension (1 priority) in 1 context. =-
#   of the lost steps the log says: nothing
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
printf '[modules]\nautoload = no\nload = pbx_config.so\n' >root/etc/test/modules.conf
printf '[logfiles]\nfull => notice,warning,error,verbose,debug\n' >root/etc/test/logger.conf
cat >root/etc/test/extensions.conf <<'CONF'
[phones]
exten => 200,hint,PJSIP/200
 same => n,NoOp(first)
 same => n,Hangup()
CONF
chroot root asterisk -C /etc/test/asterisk.conf -vvv -d
console() { chroot root asterisk -C /etc/test/asterisk.conf -rx "$1"; }
for _ in $(seq 50); do console 'core waitfullybooted' >/dev/null 2>&1 && break; sleep 0.2; done

console 'core show version'
console 'dialplan show 200@phones'
steps=$(console 'dialplan show 200@phones')
grep -q 'hint: PJSIP/200' <<<"$steps"
grep -qF '1 extension (1 priority)' <<<"$steps" || { echo "the steps are there" >&2; exit 1; }
if grep -rh 'NoOp\|Hangup\|priority [0-9]' root/var/log/asterisk/; then echo "the log names them" >&2; exit 1; fi
echo "of the lost steps the log says: nothing"
