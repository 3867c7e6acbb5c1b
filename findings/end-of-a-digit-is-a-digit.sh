#!/bin/bash
# A digit as telephone-event ends with three packets that say the same (RFC 4733 2.5.1.4). Asterisk's native bridge passes them on
# as packets, and its core sees none of it. If it ceases to bridge natively before the last of the three (a recording begins, talk is
# detected, a third party joins), the core takes what is left for a whole digit: ARI reports ChannelDtmfReceived for a key whose
# press the far end has had already, and the far end is sent a second digit, with a timestamp of its own.
#
# Seen with asterisk 1:22.10.1+dfsg+~cs6.17.60671434-1 (Debian forky), of a digit 5 whose first end packet passed natively:
#   before: native_rtp, digits reported by ARI: []
#   after:  simple_bridge, digits reported by ARI: ['5']
#   digits that the far end was sent, by SSRC and timestamp: 2
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
printf '[general]\nenabled = yes\nbindaddr = 127.0.0.1\nbindport = 28088\n' >root/etc/test/http.conf
printf '[general]\nenabled = yes\n[test]\ntype = user\npassword = a-loopback-password\n' >root/etc/test/ari.conf
printf '[general]\nrtpstart = 26000\nrtpend = 26100\n' >root/etc/test/rtp.conf
cat >root/etc/test/pjsip.conf <<'CONF'
[udp]
type = transport
protocol = udp
bind = 127.0.0.1:25060
[phone]
type = endpoint
aors = phone
disallow = all
allow = ulaw
direct_media = no
[phone]
type = aor
CONF
chroot root asterisk -C /etc/test/asterisk.conf
console() { chroot root asterisk -C /etc/test/asterisk.conf -rx "$1"; }
for _ in $(seq 100); do console 'core waitfullybooted' >/dev/null 2>&1 && break; sleep 0.2; done
console 'core show version'

cat >phones.py <<'PY'
"""Two phones that are called and answer; one presses a key while Asterisk changes how it bridges them."""

import base64, json, os, re, socket, struct, threading, time
from urllib.error import HTTPError
from urllib.request import Request, urlopen

AUTH = {"Authorization": "Basic " + base64.b64encode(b"test:a-loopback-password").decode()}


def ari(method, path):
    with urlopen(Request(f"http://127.0.0.1:28088/ari/{path}", method=method, headers=AUTH)) as answer:
        body = answer.read()
        return json.loads(body) if body else None


def until(what, check, within=20):
    end = time.time() + within
    while not (found := check()):
        assert time.time() < end, f"waited in vain for {what}"
        time.sleep(0.02)
    return found


def events(found):
    """Read ARI's websocket into a list: text frames without a mask (RFC 6455 5.2)."""
    sock = socket.create_connection(("127.0.0.1", 28088))
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall((f"GET /ari/events?app=test&api_key=test:a-loopback-password HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                  f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n").encode())
    stream = sock.makefile("rb")
    while stream.readline().strip():
        pass
    found.append({"type": "connected"})
    while head := stream.read(2):
        size = head[1]
        if size == 126:
            size = struct.unpack("!H", stream.read(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", stream.read(8))[0]
        body = stream.read(size)
        if head[0] & 15 == 1:
            found.append(json.loads(body))


class Phone:
    def __init__(self, port, ssrc):
        self.sip, self.rtp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self.sip.bind(("127.0.0.1", port))
        self.rtp.bind(("127.0.0.1", port + 10))
        self.port, self.ssrc, self.to, self.seq, self.time, self.got = port, ssrc, None, 1, 160, []
        self.pressing = threading.Event()
        for work in (self.answer, self.speak, self.listen):
            threading.Thread(target=work, daemon=True).start()

    def answer(self):
        while True:
            data, peer = self.sip.recvfrom(8192)
            text = data.decode()
            if text.startswith("ACK") or text.startswith("SIP"):
                continue
            head = re.findall(r"^(?:Via|From|Call-ID|CSeq): .*$", text, re.M | re.I)
            to = re.search(r"^To: (.*)$", text, re.M)[1].strip()
            sdp = ""
            if text.startswith("INVITE"):
                host = re.search(r"^c=IN IP4 (\S+)", text, re.M)[1]
                self.to = (host, int(re.search(r"^m=audio (\d+)", text, re.M)[1]))
                sdp = (f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {self.port + 10} RTP/AVP 0 101\r\n"
                       "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n")
            lines = ["SIP/2.0 200 OK", *(line.strip() for line in head), f"To: {to};tag={self.port}", f"Contact: <sip:127.0.0.1:{self.port}>",
                     "Content-Type: application/sdp", f"Content-Length: {len(sdp)}", "", sdp]
            self.sip.sendto("\r\n".join(lines).encode(), peer)

    def send(self, kind, at, payload):
        self.rtp.sendto(struct.pack("!BBHII", 0x80, kind, self.seq, at, self.ssrc) + payload, self.to)
        self.seq += 1

    def speak(self):
        while True:
            time.sleep(0.02)
            self.time += 160
            if self.to and not self.pressing.is_set():
                self.send(0, self.time, bytes([0xFF]) * 160)

    def listen(self):
        while True:
            data, _ = self.rtp.recvfrom(2048)
            _, kind, _, at, ssrc = struct.unpack_from("!BBHII", data)
            if kind & 0x7F == 101:
                self.got.append((ssrc, at, data[12]))


found = []
threading.Thread(target=events, args=(found,), daemon=True).start()
until("the websocket", lambda: found)
a, b = Phone(25070, 0xA), Phone(25090, 0xB)
for name, phone in (("a", a), ("b", b)):
    ari("POST", f"channels/{name}?endpoint=PJSIP/phone/sip:x@127.0.0.1:{phone.port}&app=test")
until("both phones", lambda: sum(event["type"] == "StasisStart" for event in found) == 2)
ari("POST", "bridges/between?type=mixing")
ari("POST", "bridges/between/addChannel?channel=a,b")
technology = lambda: ari("GET", "bridges/between")["technology"]
until("a native bridge", lambda: technology() == "native_rtp")
time.sleep(0.5)

digits = lambda: [event["digit"] for event in found if event["type"] == "ChannelDtmfReceived"]
a.pressing.set()
time.sleep(0.04)
pressed = a.time
for number in range(1, 9):
    a.send(101 | (0x80 if number == 1 else 0), pressed, bytes([5, 10]) + struct.pack("!H", 160 * number))
    time.sleep(0.02)
end = bytes([5, 0x8A]) + struct.pack("!H", 1440)
a.send(101, pressed, end)
time.sleep(0.1)
print(f"before: {technology()}, digits reported by ARI: {digits()}")
assert (technology(), digits()) == ("native_rtp", [])
ari("POST", "channels/a/variable?variable=TALK_DETECT(set)&value=1000,128")
until("another bridge", lambda: technology() != "native_rtp")
time.sleep(0.2)
a.send(101, pressed, end)
a.send(101, pressed, end)
a.pressing.clear()
until("the digit", digits)
time.sleep(0.7)
print(f"after:  {technology()}, digits reported by ARI: {digits()}")
assert digits() == ["5"]
heard = {(ssrc, at) for ssrc, at, key in b.got if key == 5}
print(f"digits that the far end was sent, by SSRC and timestamp: {len(heard)}")
assert len(heard) == 2, b.got
PY
python3 phones.py
