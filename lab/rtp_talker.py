"""RTP out of the edge, 50 packets/s a stream, changed at a word; runs in the container, standard library only.

A line on standard input is one word and its fields; each is answered by a line on standard output, `ok` or
`error: …`. The end of the input ends the program.

    set NAME FIELD=VALUE…   change a stream; one that is not there yet begins (with `from`, `to` and `ssrc` at least)
    drop NAME               end a stream and close its sockets

| field | means |
|---|---|
| from, to | `host:port` or `[host]:port`; a new `from` is another socket, as after a NAT rebinding |
| pt, ssrc, seq | of the next packet on; the timestamp goes on |
| silent | 1: send nothing; 0: speak again, where sequence number and timestamp were to be by then |
| noise | in silence, send comfort noise (RFC 3389) in each so many packets' time; 0: none. Then what is not sent has no number |
| key | which digit is dialled next: an event of RFC 4733, 5 at first; 10 is `*`, 11 is `#` |
| digit | its payload type: the next packets, 0.2 s, are of that digit (RFC 4733) in place of speech |
| hurry | so many packets before their time: ten in place of one |
| garbage | 1: send what is not RTP (version 1); 0: RTP again |
| ttl | the TTL or hop limit of the RTP |
| dscp | its mark, 0 to 63 |
| vid | the VLAN of the frames with `pcp`, which follows; 0 at first: a priority tag |
| pcp | put the RTP into frames with a tag of this priority, 0 to 7 |
| rtcp | seconds between sender reports, which leave from the port above; 0: none |

Of a packet's 160 bytes of PCMU the first 12 are `MARK`, the SSRC with which the stream began, and the packet's number
from 0 on: by these a listener knows it again when a relay has renumbered it.
"""

import os
import selectors
import socket
import struct
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field

from lab.reception import RTP, SENDER_REPORT, SENDER_REPORT_HEAD, VERSION, Heard
from lab.tagged_udp import TaggedSender

PERIOD = 0.02
SAMPLES = 160
# Streams share out the period among so many moments, so that 100 of them do not send all at once.
SLOTS = 10
# So many more packets are sent at each moment by a stream that is to hurry.
IN_A_HURRY = 9
MARK = b"talk"
TALK = struct.Struct("!4sII")
GARBAGE = b"\x55" * (12 + SAMPLES)
# Sender reports count seconds from 1900 (RFC 3550 4), time.time() from 1970.
NTP_EPOCH = 2_208_988_800

# RFC 3551 4.5.2; the payload is a level of noise (RFC 3389 3).
COMFORT_NOISE = 13
NOISE = b"\x47"

DIGIT_PACKETS = 10
DIGIT_ENDS = 3
DIGIT_VOLUME = 10

_EVENT = struct.Struct("!BBH")
_TONE = b"\xff" * (SAMPLES - TALK.size)
# The names in a sender's description (RFC 3550 6.5): CNAME, NAME, EMAIL.
NAMES = ((1, b"someone@edge"), (2, b"Some One"), (3, b"one@edge.example"))
_ITEM = struct.Struct("!BB")
_DESCRIPTION = struct.Struct("!BBHI")


class BadWordError(ValueError):
    """The line was not understood; the text is one sentence."""


@dataclass
class Stream:
    """One stream: what its next packet says, where it goes, and what came back while it reports."""

    media: socket.socket
    control: socket.socket
    to: tuple[str, int]
    ssrc: int
    speaker: int
    pt: int = 0
    sequence: int = 0
    number: int = 0
    sent: int = 0
    silent: bool = False
    noise: int = 0
    garbage: bool = False
    hurry: int = 0
    key: int = 5
    digit: int = 0
    digit_begun: int = 0
    digit_left: int = 0
    vid: int = 0
    tagged: TaggedSender | None = None
    every: float = 0.0
    next_report: float = 0.0
    heard: Heard = field(default_factory=Heard)

    def speak(self) -> None:
        """Send the packet of this moment; in silence only its number passes."""
        packet = self._packet()
        if packet:
            _send(self.tagged or self.media, packet, self.to)
            self.sent += 1
        if packet or not self.noise:
            self.sequence = (self.sequence + 1) & 0xFFFF
        self.number += 1

    def _packet(self) -> bytes:
        """Write the packet of this moment; nothing in silence."""
        if self.digit_left:
            return self._event()
        if not self.silent:
            speech = TALK.pack(MARK, self.speaker, self.number) + _TONE
            return GARBAGE if self.garbage else self._head(self.pt) + speech
        if self.noise and self.number % self.noise == 0:
            return self._head(COMFORT_NOISE) + NOISE
        return b""

    def _head(self, payload_type: int) -> bytes:
        return RTP.pack(0x80, payload_type, self.sequence, self.timestamp, self.ssrc)

    def _event(self) -> bytes:
        """Write the next packet of a digit: all have the time of its start, the last three its end (RFC 4733 2.5.1)."""
        if self.digit_left == DIGIT_PACKETS:
            self.digit_begun = self.timestamp
        marker = 0x80 if self.digit_left == DIGIT_PACKETS else 0
        end = 0x80 if self.digit_left <= DIGIT_ENDS else 0
        self.digit_left -= 1
        head = RTP.pack(0x80, marker | self.digit, self.sequence, self.digit_begun, self.ssrc)
        lasted = self.timestamp - self.digit_begun + SAMPLES
        return head + _EVENT.pack(self.key, end | DIGIT_VOLUME, lasted & 0xFFFF)

    @property
    def timestamp(self) -> int:
        """The RTP time of the next packet."""
        return self.number * SAMPLES & 0xFFFFFFFF

    def report(self, now: float) -> None:
        """Send a sender report with what was heard, and the names that belong to it (RFC 3550 6.1)."""
        self.next_report = now + self.every
        block = self.heard.block(now)
        wall = time.time() + NTP_EPOCH
        report = SENDER_REPORT_HEAD.pack(
            VERSION << 6 | bool(block),
            SENDER_REPORT,
            (SENDER_REPORT_HEAD.size + len(block)) // 4 - 1,
            self.ssrc,
            int(wall),
            int(wall % 1 * (1 << 32)),
            self.timestamp,
            self.sent,
            self.sent * SAMPLES,
        )
        items = b"".join(_ITEM.pack(kind, len(text)) + text for kind, text in NAMES)
        items += bytes(4 - len(items) % 4)
        names = _DESCRIPTION.pack(VERSION << 6 | 1, 202, 1 + len(items) // 4, self.ssrc) + items
        _send(self.control, report + block + names, (self.to[0], self.to[1] + 1))


class Talker:
    """All streams of the program, their moments, and the words that change them."""

    def __init__(self) -> None:
        self._streams: dict[str, Stream] = {}
        self._slots: list[list[Stream]] = [[] for _ in range(SLOTS)]
        self._places: dict[str, int] = {}
        # Of the selectors this one alone waits for less than a millisecond.
        self._selector = selectors.SelectSelector()
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        self._input = b""

    def run(self) -> None:
        """Speak until the input ends: each packet at its own moment, whatever became of the one before."""
        start, tick, more = time.monotonic(), 0, True
        while more:
            now = time.monotonic()
            wait = start + tick * PERIOD / SLOTS - now
            # Also when it is late: its reports would tell of packets that are there as of lost ones.
            for key, _ in self._selector.select(max(wait, 0)):
                more = self._read(key, now) and more
            if wait > 0:
                continue
            for stream in self._slots[tick % SLOTS]:
                stream.speak()
                for _ in range(min(stream.hurry, IN_A_HURRY)):
                    stream.hurry -= 1
                    stream.speak()
                if stream.every and now >= stream.next_report:
                    stream.report(now)
            tick += 1

    def _read(self, key: selectors.SelectorKey, now: float) -> bool:
        """Take what has arrived; False at the end of the input."""
        if isinstance(key.data, Stream):
            stream = key.data
            with suppress(OSError):  # closed by a word that came in the same moment
                if key.fileobj is stream.control:
                    stream.heard.rtcp(stream.control.recv(2048), now)
                else:
                    stream.heard.rtp(stream.media.recv(2048), now)
            return True
        data = os.read(sys.stdin.fileno(), 1 << 16)
        *lines, self._input = (self._input + data).split(b"\n")
        for line in lines:
            try:
                self._obey(line.decode().split())
                print("ok", flush=True)
            except (ValueError, OSError) as error:
                print(f"error: {error}", flush=True)
        return bool(data)

    def _obey(self, words: list[str]) -> None:
        match words:
            case ["set", name, *fields]:
                pairs = dict(pair.split("=", 1) for pair in fields)
                stream = self._streams.get(name) or self._begin(name, pairs)
                self._change(stream, pairs)
            case ["drop", name] if name in self._streams:
                stream = self._streams.pop(name)
                self._listen(stream, on=False)
                stream.media.close()
                stream.control.close()
                for slot in self._slots:
                    slot[:] = [other for other in slot if other is not stream]
            case _:
                raise BadWordError(f"not understood: {' '.join(words)}")

    def _begin(self, name: str, pairs: dict[str, str]) -> Stream:
        here = pairs.pop("from")
        media, control = _sockets(_address(here))
        ssrc = int(pairs["ssrc"], 0)
        stream = Stream(media, control, to=_address(pairs["to"]), ssrc=ssrc, speaker=ssrc)
        self._streams[name] = stream
        # Two streams of one port speak one right after the other.
        place = self._places.setdefault(here, len(self._places))
        self._slots[place % SLOTS].append(stream)
        return stream

    def _change(self, stream: Stream, pairs: dict[str, str]) -> None:  # noqa: PLR0912 - one row a field
        for field_name, value in pairs.items():
            match field_name:
                case "from":
                    self._listen(stream, on=False)
                    stream.media.close()
                    stream.control.close()
                    stream.media, stream.control = _sockets(_address(value))
                    self._listen(stream, on=stream.every > 0)
                case "to":
                    stream.to = _address(value)
                case "pt":
                    stream.pt = int(value)
                case "ssrc":
                    stream.ssrc = int(value, 0)
                case "seq":
                    stream.sequence = int(value)
                case "silent":
                    stream.silent = value == "1"
                case "noise":
                    stream.noise = int(value)
                case "key":
                    stream.key = int(value)
                case "digit":
                    stream.digit, stream.digit_left = int(value), DIGIT_PACKETS
                case "hurry":
                    stream.hurry = int(value)
                case "garbage":
                    stream.garbage = value == "1"
                case "ttl":
                    _set_ttl(stream.media, int(value))
                case "dscp":
                    _set_dscp(stream.media, int(value))
                case "vid":
                    stream.vid = int(value)
                case "pcp":
                    stream.tagged = TaggedSender(stream.media, int(value), vid=stream.vid)
                case "rtcp":
                    self._listen(stream, on=False)
                    stream.every, stream.next_report = float(value), 0.0
                    self._listen(stream, on=stream.every > 0)
                case _:
                    raise BadWordError(f"no such field: {field_name}")

    def _listen(self, stream: Stream, *, on: bool) -> None:
        """Hear what arrives only while it is reported: 100 streams would cost more to hear than to send."""
        for end in (stream.media, stream.control):
            if on:
                self._selector.register(end, selectors.EVENT_READ, stream)
            elif end in self._selector.get_map():
                self._selector.unregister(end)


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit():
        raise BadWordError(f"not an address and port: {text}")
    return host.strip("[]"), int(port)


def _sockets(here: tuple[str, int]) -> tuple[socket.socket, socket.socket]:
    """Open the socket of the RTP and the one above it, of the RTCP (RFC 3550 11)."""
    family = socket.AF_INET6 if ":" in here[0] else socket.AF_INET
    media, control = (socket.socket(family, socket.SOCK_DGRAM) for _ in range(2))
    for end in (media, control):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # two streams may share a port
        end.setblocking(False)  # noqa: FBT003 - positional only
    media.bind(here)
    control.bind((here[0], here[1] + 1))
    return media, control


def _set_ttl(media: socket.socket, ttl: int) -> None:
    if media.family == socket.AF_INET6:
        media.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
    else:
        media.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)


def _set_dscp(media: socket.socket, dscp: int) -> None:
    if media.family == socket.AF_INET6:
        media.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)
    else:
        media.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)


def _send(end: socket.socket | TaggedSender, packet: bytes, to: tuple[str, int]) -> None:
    with suppress(OSError):  # a queue is full, or nobody is there: a phone would talk on, too
        end.sendto(packet, to)


if __name__ == "__main__":
    Talker().run()
