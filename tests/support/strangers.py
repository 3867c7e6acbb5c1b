"""Who sends to Asterisk's ports and is no party of a call: a scanner, and somebody who floods RTCP. Both send from the edge."""

from lab import control
from lab.capture import NODE2
from tests.support.phone import EDGE, SECOND

# Every port of RTP's range once, from one socket: host, packets a second, from.
_SCAN = """
import socket, struct, sys, time
host, rate = sys.argv[1], float(sys.argv[2])
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.bind((sys.argv[3], 0))
begun = time.monotonic()
for number, port in enumerate(range(10000, 20001)):
    time.sleep(max(0, begun + number / rate - time.monotonic()))
    sender.sendto(struct.pack("!BBHII", 0x80, 0, number & 0xffff, 0, 0x5CA2) + bytes(160), (host, port))
"""
# Sender reports (RFC 3550 6.4.1) from two ports in turn: host, port, packets a second, seconds, from.
_REPORTS = """
import socket, struct, sys, time
host, port, rate, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
senders = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
for sender in senders:
    sender.bind((sys.argv[5], 0))
report = struct.pack("!BBHIQIII", 0x80, 200, 6, 0xB0B, 0, 0, 0, 0)
begun = time.monotonic()
for number in range(int(rate * seconds)):
    time.sleep(max(0, begun + number / rate - time.monotonic()))
    senders[number % 2].sendto(report, (host, port))
"""


def scan(*, rate: int) -> None:
    """Send an RTP packet to each port of node 2's range for RTP, so many a second, from the edge's second address."""
    control.execute("edge", "python3", "-c", _SCAN, NODE2, str(rate), SECOND)


def reports_to(host: str, port: int, *, rate: int, seconds: float) -> tuple[str, ...]:
    """Return the command of the edge that sends so many RTCP reports a second for so long from its first address."""
    return ("python3", "-c", _REPORTS, host, str(port), str(rate), str(seconds), EDGE)
