#!/bin/bash
# A dialplan that lets in whom it has already and refuses new calls, by ${CHANNEL(state)}, is right for a blind transfer out of Dial() or
# Bridge(): the transferred party itself, which is Up, runs the extension. Out of a bridge of ARI it is a Local channel that does, in
# state Ring, as any new call's (bridge.c, blind_transfer_bridge; the bridges of res_stasis are "transfer bridge only"). The party stays
# in ARI's bridge with the other half of it, and has hung up on it if the extension refuses.
#
# Seen with asterisk 1:22.10.1+dfsg+~cs6.17.60671434-1 (Debian forky), AMI's BlindTransfer of two Local channels:
#   out of a bridge of AMI's Bridge: the party itself, Up
#   out of a bridge of ARI: a new Local channel, Ring
#
# Needs Debian as root, with curl, mmdebstrap, Python 3 and a mirror that still has that version. Changes nothing outside its folder;
# listens on ports 18090 and 15038 of 127.0.0.1.
set -euo pipefail

folder=$(mktemp -d)
trap 'kill "$(cat "$folder/root/run/test/asterisk.pid" 2>/dev/null)" $(jobs -p) 2>/dev/null; sleep 1; rm -rf "$folder"' EXIT
cd "$folder"

version=1:22.10.1+dfsg+~cs6.17.60671434-1
mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' --include="asterisk=$version" \
    --customize-hook='cp -rT /usr/local/share/ca-certificates "$1/usr/local/share/ca-certificates" || true' \
    forky root http://deb.debian.org/debian 2>/dev/null
mkdir root/etc/test root/run/test
printf '[directories]\nastetcdir => /etc/test\nastrundir => /run/test\n' >root/etc/test/asterisk.conf
printf '[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = 18090\n' >root/etc/test/http.conf
printf '[general]\nenabled = yes\n[finding]\ntype = user\npassword = finding-only\n' >root/etc/test/ari.conf
printf '[general]\nenabled = yes\nbindaddr = 127.0.0.1\nport = 15038\n[finding]\nsecret = finding-only\nread = all\nwrite = all\n' \
    >root/etc/test/manager.conf
cat >root/etc/test/extensions.conf <<'CONF'
[from]
exten => party,1,Answer()
 same => n,Wait(60)
[target]
exten => to,1,Set(GLOBAL(SEEN)=${CHANNEL(name)} ${CHANNEL(state)})
 same => n,Wait(60)
CONF
{
    printf '[modules]\nautoload = no\n'
    printf 'load = %s.so\n' res_sorcery_config res_http_websocket res_websocket_client app_stasis pbx_config func_channel func_global \
        bridge_simple bridge_softmix res_stasis{,_answer,_playback,_recording,_snoop} res_ari_model res_ari \
        res_ari_{channels,bridges,events}
} >root/etc/test/modules.conf
chroot root asterisk -C /etc/test/asterisk.conf
console() { chroot root asterisk -C /etc/test/asterisk.conf -rx "$1"; }
until_so() { for _ in $(seq 50); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done; return 1; }
until_so console 'core waitfullybooted'
console 'core show version'

# The application `finding` is there while its WebSocket is.
python3 -c '
import socket, time
ws = socket.create_connection(("127.0.0.1", 18090))
ws.sendall(b"GET /ari/events?app=finding&api_key=finding:finding-only HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: ari\r\n\r\n")
time.sleep(120)' &
ari() { curl --silent --fail --user finding:finding-only --request POST "http://127.0.0.1:18090/ari/$1"; }
ami() { # ACTION LINE...: until it is answered
    local action=$1
    shift
    exec 3<>/dev/tcp/127.0.0.1/15038
    printf 'Action: Login\r\nUsername: finding\r\nSecret: finding-only\r\nEvents: off\r\n\r\nAction: %s\r\n' "$action" >&3
    printf '%s\r\n' "$@" '' 'Action: Logoff' '' >&3
    timeout 10 cat <&3 >"answer-$action" || true
    exec 3<&-
    [ "$(grep -c '^Response: Success' "answer-$action")" = 2 ]
}
channels() { console 'core show channels concise' | cut -d! -f1 | grep -F "$1" | sort; }
seen() { console 'dialplan show globals' | sed -n 's/^ *SEEN=//p' | grep .; }
gone() { [ -z "$(channels Local)" ]; }
# transferred NAME NAME: transfers the first by the second, and says who has run the extension.
transferred() {
    local who
    console 'dialplan set global SEEN ""' >/dev/null
    ami BlindTransfer "Channel: $2" 'Exten: to' 'Context: target'
    until_so seen
    who=$(seen)
    case $who in
        "$1 "*) echo "the party itself, ${who##* }" ;;
        Local/to@target-*\;2\ *) echo "a new Local channel, ${who##* }" ;;
        *) echo "$who" ;;
    esac
    console 'channel request hangup all' >/dev/null
    until_so gone
}
parties() { channels ';1' | grep -F Local/party | sed -n "$1p"; }
both() { [ -n "$(parties 2)" ]; }

for _ in 1 2; do ami Originate 'Channel: Local/party@from' 'Application: Wait' 'Data: 60' 'Async: true'; done
until_so both
a=$(parties 1) b=$(parties 2)
ami Bridge "Channel1: $a" "Channel2: $b"
of_ami=$(transferred "$a" "$b")

until_so ari 'channels?endpoint=Local/party@from&app=finding'
ari 'channels?endpoint=Local/party@from&app=finding' >/dev/null
until_so both
ari 'bridges/talk?type=mixing' >/dev/null
a=$(parties 1) b=$(parties 2)
for name in "$a" "$b"; do
    id=$(console "core show channel $name" | sed -n 's/^ *UniqueID: //p')
    until_so ari "bridges/talk/addChannel?channel=$id"
done
of_ari=$(transferred "$a" "$b")

echo "out of a bridge of AMI's Bridge: $of_ami"
echo "out of a bridge of ARI: $of_ari"
[ "$of_ami" = "the party itself, Up" ] && [ "$of_ari" = "a new Local channel, Ring" ]
