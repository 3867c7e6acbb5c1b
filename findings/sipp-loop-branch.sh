#!/bin/bash
# SIPp makes [branch] of its process, the call, and the number of the message in the scenario file. A scenario that loops sends its
# next request from the same message, so with a higher CSeq, which [cseq] counts by itself, but with the branch of the one before.
# RFC 3261 (8.1.1.7) wants a branch to be unique, and 17.2.3 tells a retransmission by it alone: a server may answer the second
# OPTIONS or re-INVITE of such a loop from its cache, for 32 s. A test that loops then proves less than it seems to. Write the
# messages out, or give the branch a variable that counts.
#
# Seen with sip-tester 1:3.6.1-1+b2 (Debian 12), three rounds of one OPTIONS:
#   CSeq 1, branch ends with -1-1
#   CSeq 2, branch ends with -1-1
#   CSeq 3, branch ends with -1-1
#
# Needs Debian 12 with apt's lists, and Python 3. Changes nothing outside its folder; uses UDP ports 15060 and 15062 of 127.0.0.1.
set -euo pipefail

folder=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"

apt-get -qq download sip-tester=1:3.6.1-1+b2 libgsl27 libgslcblas0 libsctp1 libpcap0.8 2>/dev/null
for package in *.deb; do dpkg -x "$package" root; done
LD_LIBRARY_PATH=$(find "$PWD/root" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
export LD_LIBRARY_PATH

cat >loop.xml <<'XML'
<?xml version="1.0" encoding="UTF-8" ?>
<scenario name="three OPTIONS of one message">
  <nop><action><assign assign_to="round" value="0"/></action></nop>
  <label id="again"/>
  <send retrans="500">
    <![CDATA[
      OPTIONS sip:service@[remote_ip]:[remote_port] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From: <sip:caller@[local_ip]>;tag=[call_number]
      To: <sip:service@[remote_ip]>
      Call-ID: [call_id]
      CSeq: [cseq] OPTIONS
      Max-Forwards: 70
      Content-Length: 0

    ]]>
  </send>
  <recv response="200"/>
  <nop>
    <action>
      <add assign_to="round" value="1"/>
      <test assign_to="more" variable="round" compare="less_than" value="3"/>
    </action>
  </nop>
  <nop next="again" test="more"/>
</scenario>
XML
cat >server.py <<'PYTHON'
import re
import socket

ECHOED = ("Via:", "From:", "To:", "Call-ID:", "CSeq:")
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.bind(("127.0.0.1", 15060))
    server.settimeout(20)
    for _ in range(3):
        request, peer = server.recvfrom(4096)
        lines = request.decode().split("\r\n")
        number = re.search(r"CSeq: (\d+)", request.decode())[1]
        branch = re.search(r"branch=z9hG4bK-\d+(\S+)", request.decode())[1]
        print(f"CSeq {number}, branch ends with {branch}", flush=True)
        answer = ["SIP/2.0 200 OK", *(line for line in lines if line.startswith(ECHOED)), "Content-Length: 0", "", ""]
        server.sendto("\r\n".join(answer).encode(), peer)
PYTHON
python3 server.py >seen &
server=$!
for _ in $(seq 50); do grep -q ':3AD4 ' /proc/net/udp && break; sleep 0.1; done # 15060
timeout 30 root/usr/bin/sipp -sf loop.xml -m 1 -i 127.0.0.1 -p 15062 -nostdin 127.0.0.1:15060 >/dev/null 2>&1
wait $server
diff - seen <<'EXPECTED'
CSeq 1, branch ends with -1-1
CSeq 2, branch ends with -1-1
CSeq 3, branch ends with -1-1
EXPECTED
cat seen
