"""Every stream sends a packet each 20 ms on its own beat, and none waits for another; and RTCP, if it is to."""

import heapq
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from itertools import count

PTIME_S = 0.02
REPORT_S = 5.0  # the usual interval of RTCP (RFC 3550, 6.2)
SAMPLES = 160
SILENCE = b"\xff" * SAMPLES  # PCMU's zero
Endpoint = tuple[str, int]

_HEADER = struct.Struct("!BBHII")
_SENDER_REPORT, _DESCRIPTION, _CNAME = 200, 202, 1
_REPORT = struct.Struct("!BBHIQIII BBHIBB6s")
_VERSION = 2 << 6
_MARKER = 0x80
_PCMU = 0
# Beats this far apart spread evenly over the 20 ms, however many there are: packets come one by one, as those of
# independent phones do, and not in bunches that a relay could handle in one go.
_GOLDEN = 0.618034

# Streams of any moment in ports of their own, below those that Linux gives away by itself.
_PORTS = range(10_000, 32_000, 2)
_ports = count()


@dataclass(slots=True)
class Stream:
    """What one phone sends of one call, from a port of its own.

    What arrives there is left to the kernel, which drops it when the buffer is full: it is judged by what passed
    the interface, and reading would cost the relay a part of the machine.
    """

    host: str
    ssrc: int
    remote: Endpoint | None = None
    sent: int = 0
    ended: bool = False
    _socket: socket.socket = field(init=False)
    _rtcp_socket: socket.socket | None = None

    def __post_init__(self) -> None:
        self._socket = _socket_at(self.host, _PORTS[next(_ports) % len(_PORTS)])

    @property
    def local(self) -> Endpoint:
        """Where this phone wants its RTP."""
        host, port, *_ = self._socket.getsockname()
        return host, port

    def send(self) -> None:
        """Send the next packet (RFC 3550, 5.1); each stream begins at a sequence number of its own."""
        if self.remote is None:
            raise ValueError("a stream with nowhere to send to")
        first = self.ssrc * 7919
        header = _HEADER.pack(
            _VERSION,
            _PCMU | (0 if self.sent else _MARKER),
            (first + self.sent) & 0xFFFF,
            (first + self.sent * SAMPLES) & 0xFFFF_FFFF,
            self.ssrc,
        )
        self.sent += 1
        self._socket.sendto(header + SILENCE, self.remote)

    def report(self) -> None:
        """Send RTCP, from the port above RTP's to the port above."""
        if self.remote is None:
            raise ValueError("a stream with nowhere to send to")
        if self._rtcp_socket is None:
            self._rtcp_socket = _socket_at(self.host, self.local[1] + 1)
        host, port = self.remote
        self._rtcp_socket.sendto(sender_report(self.ssrc, self.sent), (host, port + 1))

    def end(self) -> None:
        """Send no more; the port stays, since the other end may send for a moment yet."""
        self.ended = True


class Talker(threading.Thread):
    """Sends for every stream there is; one that falls behind on a busy machine catches up.

    `interval` is the time between two packets of a stream (s), `report_interval` that between two of its RTCP, None for
    no RTCP; a change holds from each stream's next packet on.
    """

    def __init__(self, report_interval: float | None = None) -> None:
        super().__init__(daemon=True)
        self.interval = PTIME_S
        self.report_interval = report_interval
        self._changed = threading.Condition()
        self._queue: list[tuple[float, int, Stream, bool]] = []
        self._numbers = count()

    def add(self, stream: Stream) -> None:
        """Send on a stream, from its next beat on."""
        number = next(self._numbers)
        now = time.monotonic()
        beat = number * _GOLDEN * PTIME_S
        due = now + (beat - now) % PTIME_S
        with self._changed:
            heapq.heappush(self._queue, (due, number, stream, False))
            if self.report_interval:
                heapq.heappush(self._queue, (due, next(self._numbers), stream, True))
            self._changed.notify()

    def run(self) -> None:
        """Send until the process ends."""
        while True:
            with self._changed:
                wait = self._queue[0][0] - time.monotonic() if self._queue else None
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                    continue
                due, number, stream, reports = self._queue[0]
                if stream.ended:
                    heapq.heappop(self._queue)
                    continue
                interval = self.report_interval if reports and self.report_interval else self.interval
                heapq.heapreplace(self._queue, (due + interval, number, stream, reports))
            if reports:
                stream.report()
            else:
                stream.send()


def sender_report(ssrc: int, packets: int) -> bytes:
    """Write the RTCP of a stream that has sent so many packets: a report without blocks, and a name (RFC 3550, 6.4.1, 6.5)."""
    return _REPORT.pack(
        *(_VERSION, _SENDER_REPORT, 6, ssrc, 0, packets * SAMPLES, packets, packets * SAMPLES),
        *(_VERSION | 1, _DESCRIPTION, 3, ssrc, _CNAME, 5, b"bench\0"),
    )


def _socket_at(host: str, port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)  # the least there is
    opened.bind((host, port))
    return opened
