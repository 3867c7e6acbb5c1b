#!/bin/bash
# A phone's RTCP sender report begins with its SSRC, then the NTP time (RFC 3550 6.4.1). Asterisk reads the sender's SSRC one word too
# late: what res_hep_rtcp sends to a Homer collector has the NTP seconds as "ssrc", another number in each report. Whoever joins
# these reports by SSRC, or counts streams by it, finds a new stream every five seconds.
#
# Seen with asterisk 1:22.10.1+dfsg+~cs6.17.60671434-1 (Debian forky), of a phone with SSRC 111222333:
#   NTP seconds sent: 3900000001, in HEP: ssrc 3900000001
#   NTP seconds sent: 3900000006, in HEP: ssrc 3900000006
#
# Needs Debian as root, with mmdebstrap, python3 and a mirror that still has that version. Listens and sends on loopback alone.
# Changes nothing outside its folder.
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
cat >root/etc/test/modules.conf <<'CONF'
[modules]
autoload = yes
noload = chan_iax2.so
noload = pbx_dundi.so
noload = chan_unistim.so
CONF
printf '[general]\nenabled = yes\ncapture_address = 127.0.0.1:27060\ncapture_id = 1\nuuid_type = call-id\n' >root/etc/test/hep.conf
printf '[general]\nrtpstart = 27100\nrtpend = 27200\n' >root/etc/test/rtp.conf
cat >root/etc/test/pjsip.conf <<'CONF'
[udp]
type = transport
protocol = udp
bind = 127.0.0.1:27050
[phone]
type = endpoint
context = test
disallow = all
allow = ulaw
direct_media = no
[phone]
type = identify
endpoint = phone
match = 127.0.0.1
CONF
printf '[test]\nexten => echo,1,Answer()\n same => n,Echo()\n' >root/etc/test/extensions.conf
chroot root asterisk -C /etc/test/asterisk.conf
console() { chroot root asterisk -C /etc/test/asterisk.conf -rx "$1"; }
for _ in $(seq 100); do console 'core waitfullybooted' >/dev/null 2>&1 && break; sleep 0.2; done
console 'core show version'

cat >phone.py <<'PY'
"""A phone that calls Asterisk, sends RTP and two sender reports; and a collector, which reads what Asterisk tells of them."""

import json
import re
import socket
import struct
import time

SSRC, SECONDS = 111222333, (3900000001, 3900000006)
COUNTS = (77, 4321)  # packets and octets: unlike those of Asterisk's own reports
CALL = "a-call-of-this-finding"


def bound(port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", port))
    sock.settimeout(20)
    return sock


sip, rtp, rtcp, collector = (bound(port) for port in (27051, 27080, 27081, 27060))


def send(method, number, to="", body=""):
    sip.sendto(
        (
            f"{method} sip:echo@127.0.0.1:27050 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:27051;branch=z9hG4bK{method}{number}\r\n"
            f"From: <sip:phone@127.0.0.1>;tag=phone\r\nTo: <sip:echo@127.0.0.1>{to}\r\nCall-ID: {CALL}\r\n"
            f"CSeq: {number} {method}\r\nContact: <sip:phone@127.0.0.1:27051>\r\nMax-Forwards: 70\r\n"
            + ("Content-Type: application/sdp\r\n" if body else "")
            + f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode(),
        ("127.0.0.1", 27050),
    )


send("INVITE", 1, body="v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 27080 RTP/AVP 0\r\n")
while " 200 " not in (answer := sip.recv(8192).decode()).splitlines()[0]:
    pass
to = re.search(r"^To:.*?(;tag=\S+)", answer, re.M)[1]
port = int(re.search(r"m=audio (\d+)", answer)[1])
send("ACK", 1, to)

for number in range(20):
    rtp.sendto(struct.pack("!BBHII", 0x80, 0, number, 160 * number, SSRC) + bytes([0xFF] * 160), ("127.0.0.1", port))
    time.sleep(0.02)
for seconds in SECONDS:
    # Version 2, no report block, type 200, 6 words more; the SSRC; NTP time, RTP time, packets and octets sent.
    report = struct.pack("!BBHIIIIII", 0x80, 200, 6, SSRC, seconds, 0, 3200, *COUNTS)
    rtcp.sendto(report, ("127.0.0.1", port + 1))
    while True:
        found = re.search(rb'\{.*"sender_information".*\}', collector.recv(65535), re.S)
        told = json.loads(found[0]) if found else {}
        if told and (told["sender_information"]["packets"], told["sender_information"]["octets"]) == COUNTS:
            break
    print(f"NTP seconds sent: {seconds}, in HEP: ssrc {told['ssrc']}")
    assert told["ssrc"] == seconds, told
send("BYE", 2, to)
PY
echo "of a phone with SSRC 111222333:"
python3 phone.py
