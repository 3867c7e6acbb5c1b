"""Every stream sends a packet each 20 ms on its own beat, and none waits for another."""

import heapq
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from itertools import count

PTIME_S = 0.02
SAMPLES = 160
SILENCE = b"\xff" * SAMPLES  # PCMU's zero
Endpoint = tuple[str, int]

_HEADER = struct.Struct("!BBHII")
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

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)  # the least there is
        self._socket.bind((self.host, _PORTS[next(_ports) % len(_PORTS)]))

    @property
    def local(self) -> Endpoint:
        """Where this phone wants its RTP."""
        host, port = self._socket.getsockname()
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

    def end(self) -> None:
        """Send no more; the port stays, since the other end may send for a moment yet."""
        self.ended = True


class Talker(threading.Thread):
    """Sends for every stream there is; one that falls behind on a busy machine catches up.

    `interval` is the time between two packets of a stream (s); a change holds from each stream's next packet on.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.interval = PTIME_S
        self._changed = threading.Condition()
        self._queue: list[tuple[float, int, Stream]] = []
        self._numbers = count()

    def add(self, stream: Stream) -> None:
        """Send on a stream, from its next beat on."""
        number = next(self._numbers)
        now = time.monotonic()
        beat = number * _GOLDEN * PTIME_S
        due = now + (beat - now) % PTIME_S
        with self._changed:
            heapq.heappush(self._queue, (due, number, stream))
            self._changed.notify()

    def run(self) -> None:
        """Send until the process ends."""
        while True:
            with self._changed:
                wait = self._queue[0][0] - time.monotonic() if self._queue else None
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                    continue
                due, number, stream = self._queue[0]
                if stream.ended:
                    heapq.heappop(self._queue)
                    continue
                heapq.heapreplace(self._queue, (due + self.interval, number, stream))
            stream.send()
