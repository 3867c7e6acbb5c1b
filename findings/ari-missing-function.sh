#!/bin/bash
# POST /channels/{id}/variable also writes dialplan functions, as in `variable=CALLERID(num)`. When there is no such function, ARI
# answers 204 all the same: app_control_set_channel_var (res/stasis/control.c) drops the result of pbx_builtin_setvar_helper(). An
# application whose Asterisk lacks a module is told of success each time; only Asterisk's log knows better. GET of the same function
# does fail, with 500.
#
# Seen with asterisk 1:22.10.1+dfsg+~cs6.17.60671434-1 (Debian forky) and aiohttp 3.14.0:
#   write NOSUCHFUNCTION(): 204, read: 500
#   in the log: Function NOSUCHFUNCTION not registered
#
# Needs Debian as root, with Python 3.11 and venv, a package index, mmdebstrap and a mirror that still has that version. Changes
# nothing outside its folder; listens on port 18088 of 127.0.0.1.
set -euo pipefail

folder=$(mktemp -d)
trap 'kill "$(cat "$folder/root/run/test/asterisk.pid" 2>/dev/null)" 2>/dev/null; sleep 1; rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check aiohttp==3.14.0 2>/dev/null

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
printf '[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = 18088\n' >root/etc/test/http.conf
printf '[general]\nenabled = yes\n[finding]\ntype = user\npassword = finding-only\n' >root/etc/test/ari.conf
printf '[logfiles]\nfull => warning,error\n' >root/etc/test/logger.conf
cat >root/etc/test/extensions.conf <<'CONF'
[test]
exten => call,1,Stasis(example)
 same => n,Hangup()
CONF
{
    printf '[modules]\nautoload = no\n'
    printf 'load = %s.so\n' pbx_config res_clioriginate app_echo res_sorcery_config res_http_websocket \
        res_websocket_client app_stasis res_stasis{,_answer,_device_state,_playback,_recording,_snoop} res_ari_model res_ari \
        res_ari_{applications,asterisk,bridges,channels,device_states,endpoints,events,playbacks,recordings,sounds}
} >root/etc/test/modules.conf
chroot root asterisk -C /etc/test/asterisk.conf
console() { chroot root asterisk -C /etc/test/asterisk.conf -rx "$1"; }
for _ in $(seq 50); do console 'core waitfullybooted' >/dev/null 2>&1 && break; sleep 0.2; done

cat >application.py <<'PYTHON'
"""Take one caller, write a function on its channel that does not exist, and send it on."""
import asyncio
import subprocess

import aiohttp

ARI, USER, PASSWORD = "http://127.0.0.1:18088/ari", "finding", "finding-only"
ORIGINATE = "chroot root asterisk -C /etc/test/asterisk.conf -rx"


async def main() -> None:
    async with aiohttp.ClientSession(auth=aiohttp.BasicAuth(USER, PASSWORD)) as http:
        async with http.ws_connect(f"{ARI}/events?app=example") as events:
            command = "channel originate Local/call@test application Echo"
            subprocess.run([*ORIGINATE.split(), command], check=True, stdout=subprocess.DEVNULL)
            while (event := await events.receive_json())["type"] != "StasisStart":
                pass
            channel = f"{ARI}/channels/{event['channel']['id']}"

            function = {"variable": "NOSUCHFUNCTION()"}
            async with http.post(f"{channel}/variable", params={**function, "value": "1"}) as response:
                written = response.status
            async with http.get(f"{channel}/variable", params=function) as response:
                read = response.status
            print(f"write NOSUCHFUNCTION(): {written}, read: {read}")
            (await http.post(f"{channel}/continue")).raise_for_status()
    assert (written, read) == (204, 500)


asyncio.run(main())
PYTHON
console 'core show version'
venv/bin/python -W ignore application.py
echo "in the log: $(grep -om1 'Function NOSUCHFUNCTION.*' root/var/log/asterisk/full)"
