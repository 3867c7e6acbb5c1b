#!/bin/bash
# With `live_dangerously = no`, the default, the dialplan may use functions such as DB() and SHELL(), and what comes from
# outside may not. A variable that is set over ARI (POST /channels/{id}/variable) is written in the channel's own thread, whose
# right is taken away for that while; app_control_set_channel_var (res/stasis/control.c) means to give it back, but where it was
# there before it is not: to the end of the call the dialplan's own lines fail. Set(DB(…)=…) writes nothing, a DB() that is read
# is empty, and the call goes on. The name and the value of that variable do not matter.
#
# Seen with asterisk 1:22.10.1+dfsg+~cs6.17.60671434-1 (Debian forky) and aiohttp 3.14.0, of the same extension run twice:
#   the application sets nothing:         /finding/untouched : written
#   the application sets GREETING=hello:  nothing in the database
#   in the log, as an error:              Dangerous function DB write blocked
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
[options]
live_dangerously = no
CONF
printf '[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = 18088\n' >root/etc/test/http.conf
printf '[general]\nenabled = yes\n[finding]\ntype = user\npassword = finding-only\n' >root/etc/test/ari.conf
printf '[logfiles]\nfull => warning,error\n' >root/etc/test/logger.conf
cat >root/etc/test/extensions.conf <<'CONF'
[test]
exten => _[a-z].,1,Stasis(example)
 same => n,Set(DB(finding/${EXTEN})=written)
 same => n,Hangup()
CONF
{
    printf '[modules]\nautoload = no\n'
    printf 'load = %s.so\n' pbx_config func_db res_clioriginate app_echo res_sorcery_config res_http_websocket \
        res_websocket_client app_stasis res_stasis{,_answer,_device_state,_playback,_recording,_snoop} res_ari_model res_ari \
        res_ari_{applications,asterisk,bridges,channels,device_states,endpoints,events,playbacks,recordings,sounds}
} >root/etc/test/modules.conf
chroot root asterisk -C /etc/test/asterisk.conf
console() { chroot root asterisk -C /etc/test/asterisk.conf -rx "$1"; }
for _ in $(seq 50); do console 'core waitfullybooted' >/dev/null 2>&1 && break; sleep 0.2; done

cat >application.py <<'PYTHON'
"""Take one caller of extension `untouched` and one of `touched`, set a variable on the latter, and send each on."""
import asyncio
import subprocess

import aiohttp

ARI, USER, PASSWORD = "http://127.0.0.1:18088/ari", "finding", "finding-only"
ORIGINATE = "chroot root asterisk -C /etc/test/asterisk.conf -rx"


async def main() -> None:
    async with aiohttp.ClientSession(auth=aiohttp.BasicAuth(USER, PASSWORD)) as http:
        async with http.ws_connect(f"{ARI}/events?app=example") as events:
            for extension in ("untouched", "touched"):
                command = f"channel originate Local/{extension}@test application Echo"
                subprocess.run([*ORIGINATE.split(), command], check=True, stdout=subprocess.DEVNULL)
                while (event := await events.receive_json())["type"] != "StasisStart":
                    pass
                channel = f"{ARI}/channels/{event['channel']['id']}"
                if extension == "touched":
                    variable = {"variable": "GREETING", "value": "hello"}
                    (await http.post(f"{channel}/variable", params=variable)).raise_for_status()
                (await http.post(f"{channel}/continue")).raise_for_status()
                while (await events.receive_json())["type"] != "StasisEnd":
                    pass


asyncio.run(main())
PYTHON
venv/bin/python -W ignore application.py
while console 'core show channels count' | grep -q '^[1-9][0-9]* active channel'; do sleep 0.2; done

console 'core show version'
console 'database show finding'
grep -om1 'Dangerous function .* blocked' root/var/log/asterisk/full
written=$(console 'database show finding')
grep -q '/finding/untouched *: written' <<<"$written"
if grep -q '/finding/touched' <<<"$written"; then echo "both are there" >&2; exit 1; fi
