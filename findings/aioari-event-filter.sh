#!/bin/bash
# ARI's PUT /applications/{app}/eventFilter takes the filter itself as its body, although its API document has a body parameter
# named `filter`. aioari builds its client from that document and sends {"filter": FILTER}. Asterisk looks for `allowed` and
# `disallowed` at the top, finds neither, and answers 200 with the application: nothing is filtered, and no error says so. A busy
# application goes on receiving every ChannelVarset that it believes to have turned off.
#
# Seen with aioari 0.10.2 (aioswagger11 0.9.1, aiohttp 3.14.0) and asterisk 1:22.10.1+dfsg+~cs6.17.60671434-1 (Debian forky):
#   at first: allowed []
#   applications.filter() of aioari: no error, allowed []
#   the filter as the body: 200, allowed [{'type': 'StasisStart'}]
#
# Needs Debian as root, with Python 3.11 and venv, a package index, mmdebstrap and a mirror that still has that version. Changes
# nothing outside its folder; listens on port 18088 of 127.0.0.1.
set -euo pipefail

folder=$(mktemp -d)
trap 'kill "$(cat "$folder/root/run/test/asterisk.pid" 2>/dev/null)" 2>/dev/null; sleep 1; rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check aioari==0.10.2 aioswagger11==0.9.1 aiohttp==3.14.0 2>/dev/null

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
touch root/etc/test/extensions.conf
{
    printf '[modules]\nautoload = no\n'
    printf 'load = %s.so\n' res_sorcery_config res_http_websocket res_websocket_client app_stasis \
        res_stasis{,_answer,_device_state,_playback,_recording,_snoop} res_ari_model res_ari \
        res_ari_{applications,asterisk,bridges,channels,device_states,endpoints,events,playbacks,recordings,sounds}
} >root/etc/test/modules.conf
chroot root asterisk -C /etc/test/asterisk.conf
console() { chroot root asterisk -C /etc/test/asterisk.conf -rx "$1"; }
for _ in $(seq 50); do console 'core waitfullybooted' >/dev/null 2>&1 && break; sleep 0.2; done

venv/bin/python -W ignore - <<'PYTHON'
import asyncio
from importlib.metadata import version

import aioari
import aiohttp

URL, USER, PASSWORD = "http://127.0.0.1:18088/", "finding", "finding-only"
FILTER = {"allowed": [{"type": "StasisStart"}]}


async def main() -> None:
    print(*(f"{name} {version(name)}" for name in ("aioari", "aioswagger11", "aiohttp")), sep=", ")
    client = await aioari.connect(URL, USER, PASSWORD)
    async with aiohttp.ClientSession(auth=aiohttp.BasicAuth(USER, PASSWORD)) as http:
        application = f"{URL}ari/applications/example"
        async with http.ws_connect(f"{URL}ari/events?app=example"):

            async def allowed() -> list[dict[str, str]]:
                async with http.get(application) as response:
                    response.raise_for_status()
                    return (await response.json())["events_allowed"]

            print("at first: allowed", at_first := await allowed())
            await client.applications.filter(applicationName="example", filter=FILTER)
            print("applications.filter() of aioari: no error, allowed", by_aioari := await allowed())
            async with http.put(f"{application}/eventFilter", json=FILTER) as response:
                print(f"the filter as the body: {response.status}, allowed", by_body := await allowed())
    await client.close()
    assert (at_first, by_aioari, by_body) == ([], [], FILTER["allowed"])


asyncio.run(main())
PYTHON
