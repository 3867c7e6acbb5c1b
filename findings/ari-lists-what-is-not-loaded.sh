#!/bin/bash
# GET /ari/api-docs/resources.json lists every resource of ARI, whichever modules are loaded: what is under /ari/api-docs are files
# of the installation (ast_ari_get_docs, res/res_ari.c). An application that asks there what its Asterisk can do is told "bridges", and
# its first POST /bridges is answered 404. Only a request to the resource itself tells.
#
# Seen with asterisk 1:22.10.1+dfsg+~cs6.17.60671434-1 (Debian forky), res_ari_bridges.so not loaded, res_ari_channels.so loaded:
#   listed: bridges channels
#   GET /ari/channels: 200, GET /ari/bridges: 404
#
# Needs Debian as root, with curl, mmdebstrap and a mirror that still has that version. Changes nothing outside its folder; listens
# on port 18089 of 127.0.0.1.
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
printf '[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = 18089\n' >root/etc/test/http.conf
printf '[general]\nenabled = yes\n[finding]\ntype = user\npassword = finding-only\n' >root/etc/test/ari.conf
{
    printf '[modules]\nautoload = no\n'
    printf 'load = %s.so\n' res_sorcery_config res_http_websocket res_websocket_client app_stasis \
        res_stasis{,_answer,_playback,_recording,_snoop} res_ari_model res_ari res_ari_channels
} >root/etc/test/modules.conf
chroot root asterisk -C /etc/test/asterisk.conf
console() { chroot root asterisk -C /etc/test/asterisk.conf -rx "$1"; }
for _ in $(seq 50); do console 'core waitfullybooted' >/dev/null 2>&1 && break; sleep 0.2; done

console 'core show version'
answer() { curl --silent --user finding:finding-only "$@" "http://127.0.0.1:18089/ari/$path"; }
path=api-docs/resources.json
listed=$(answer | grep -oE 'api-docs/(bridges|channels)\.' | sed 's#.*/##; s#\.##' | sort -u | paste -sd' ')
seen=$(for path in channels bridges; do printf '%s ' "GET /ari/$path: $(answer --output /dev/null --write-out '%{http_code}'),"; done)
echo "listed: $listed"
echo "${seen%, }"
[ "$listed" = "bridges channels" ] && [ "${seen%, }" = "GET /ari/channels: 200, GET /ari/bridges: 404" ]
