#!/bin/bash
# os-ken reads the version bitmap of an OpenFlow hello and gives it as `elements`; OFPHello takes the same elements, and
# serialize() leaves them out without a word: eight bytes, a hello that offers every version up to 1.3. A controller that
# speaks 1.3 alone has to write the bitmap by itself: a switch with 1.0 to 1.5 would otherwise also accept 1.0 to 1.2.
#
# Seen with os-ken 4.2.2:
#   read:    04000010000000010001000800000010 versions [4]
#   written: 0400000800000001
#
# Needs Python 3.11 with venv and a package index. Changes nothing outside its folder.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check os-ken==4.2.2 2>/dev/null
venv/bin/python - <<'PYTHON'
from importlib.metadata import version

from os_ken.ofproto import ofproto_parser
from os_ken.ofproto import ofproto_v1_3_parser as messages
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

switch = ProtocolDesc(4)
wire = bytes.fromhex("04000010000000010001000800000010")
hello = ofproto_parser.msg(switch, *ofproto_parser.header(wire), wire)
[bitmap] = hello.elements
again = messages.OFPHello(switch, elements=hello.elements)
again.set_xid(1)
again.serialize()
print("os-ken", version("os-ken"))
print("read:   ", wire.hex(), "versions", bitmap.versions)
print("written:", bytes(again.buf).hex())
assert bitmap.versions == [4]
assert bytes(again.buf).hex() == "0400000800000001", "the elements are written now"
PYTHON
