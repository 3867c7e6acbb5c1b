"""What arrives at an endpoint and what it sends: RTP judged stream by stream, SIP message by message."""

import struct
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from uuid import uuid4

from lab.control import LabError, container, execute, wait_until
from lab.place import INTERFACE, NETWORK, ipv4
from lab.rtp_talker import MARK, TALK
from stasis_offload.errors import BadPacketError
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Datagram, parse_udp
from stasis_offload.packets.rtp import parse_rtp

# Ethernet, IPv6, UDP and RTP headers fit well into this many bytes; SIP needs whole packets, of at most 1,514 bytes here.
HEADERS = 96
WHOLE = 2048
SIP_PORT = 5060
NODE2 = ipv4(12)
# The TTL that Linux gives a packet; one that the switch forwarded has lived one hop longer.
FROM_ASTERISK = 64
FROM_SWITCH = FROM_ASTERISK - 1

_PCAP_HEADER = struct.Struct("<IHHiIII")
_PCAP_NANOSECONDS = 0xA1B23C4D
_PACKET_HEADER = struct.Struct("<IIII")
_SEQUENCES = 1 << 16
# The second byte of an RTCP packet that begins as all must (RFC 3550 6.1).
_REPORTS = (b"\xc8", b"\xc9")


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet: when it passed the endpoint's interface (Unix time, s), and what tells packets apart.

    `talk` is what lab/rtp_talker.py wrote into it: the speaker and the speaker's own number of the packet, which live
    through every renumbering; None in another's packet. `headers` is the frame without its TTL and what it carries.
    """

    at: float
    sequence: int
    ttl: int
    headers: Datagram
    payload_type: int = 0
    talk: tuple[int, int] | None = None

    @property
    def by_switch(self) -> bool:
        """Whether the switch forwarded it, and not Asterisk."""
        return self.ttl == FROM_SWITCH


@dataclass
class Stream:
    """The packets of one RTP stream (source, destination and SSRC) in the order in which they passed."""

    source: Address
    destination: Address
    ssrc: int
    packets: list[Packet] = field(default_factory=list)
    # Packets of this SSRC that the far end never sent: Asterisk's own, see Capture.end_to_end.
    foreign: list[Packet] = field(default_factory=list)

    def between(self, start: float, end: float) -> int:
        """Count the packets from `start` up to `end` (Unix time, s)."""
        return sum(start <= packet.at < end for packet in self.packets)

    @property
    def first(self) -> float:
        """When the first packet passed."""
        return self.packets[0].at

    @property
    def sequences(self) -> list[int]:
        """Sequence numbers unrolled past 65535 (RFC 3550, A.1), in order of passing."""
        unrolled: list[int] = []
        for packet in self.packets:
            last = unrolled[-1] if unrolled else packet.sequence
            step = (packet.sequence - last + _SEQUENCES // 2) % _SEQUENCES - _SEQUENCES // 2
            unrolled.append(last + step)
        return unrolled

    @property
    def lost(self) -> int:
        """Count the numbers between the lowest and the highest that never passed."""
        seen = set(self.sequences)
        return max(seen) - min(seen) + 1 - len(seen)

    @property
    def duplicated(self) -> int:
        """Count the packets that passed again."""
        return len(self.packets) - len(set(self.sequences))

    @property
    def overtaken(self) -> list[Packet]:
        """List the packets that passed after one with a higher number."""
        highest = accumulate(self.sequences, max)
        rows = zip(self.packets, self.sequences, highest, strict=True)
        return [packet for packet, sequence, most in rows if sequence < most]

    @property
    def reordered(self) -> int:
        """Count them."""
        return len(self.overtaken)

    def by_switch(self) -> list[Packet]:
        """List the packets that the switch forwarded."""
        return [packet for packet in self.packets if packet.by_switch]


@dataclass(frozen=True, slots=True)
class SipMessage:
    """One SIP message: when it passed, whether it arrived at the endpoint, and its text."""

    at: float
    arrived: bool
    text: str

    @property
    def start(self) -> str:
        """The first line: `INVITE sip:555@… SIP/2.0` or `SIP/2.0 180 Ringing`."""
        return self.text.partition("\r\n")[0]

    def header(self, name: str) -> str | None:
        """Return a header's value, by its long name."""
        head = self.text.partition("\r\n\r\n")[0].split("\r\n")[1:]
        return next(
            (v.strip() for n, _, v in (h.partition(":") for h in head) if n.lower() == name.lower()), None
        )


def once(messages: Iterable[SipMessage]) -> list[SipMessage]:
    """Leave out what was sent again because an answer was late, and the provisional response that answers that (RFC 3261 17).

    Otherwise a provisional response may well be the same as one before.
    """
    kept: list[SipMessage] = []
    seen: set[tuple[bool, str]] = set()
    repeated: Counter[tuple[bool, str | None, str | None]] = Counter()
    for message in messages:
        again = (message.arrived, message.text) in seen
        seen.add((message.arrived, message.text))
        call = message.header("Call-ID"), message.header("CSeq")
        if again and message.start.startswith("SIP/2.0 1"):
            request = (not message.arrived, *call)
            again = repeated[request] > 0
            repeated[request] -= again
        elif again:
            repeated[message.arrived, *call] += 1
        if not again:
            kept.append(message)
    return kept


@dataclass(frozen=True, slots=True)
class Report:
    """One RTCP packet: when it passed, whether it arrived at the endpoint, and whose it is (the first SSRC in it)."""

    at: float
    arrived: bool
    ssrc: int
    datagram: Datagram


@dataclass(frozen=True, slots=True)
class Other:
    """One datagram that is neither SIP, RTP nor RTCP: when it passed, and whether it arrived at the endpoint."""

    at: float
    arrived: bool
    datagram: Datagram


class Capture:
    """What tcpdump caught, once the `with` block that made it has ended."""

    def __init__(self) -> None:
        self.arriving: list[Stream] = []
        self.sent: list[Stream] = []
        self.sip: list[SipMessage] = []
        self.rtcp: list[Report] = []
        self.other: list[Other] = []

    @property
    def end_to_end(self) -> list[Stream]:
        """List the arriving streams that the endpoint itself sent: it plays both ends of a call.

        Until it bridges natively, Asterisk sends a few packets of its own to each leg: of its own SSRC, which
        are left out here, and now and then one of the far end's SSRC with a sequence number that the far end
        never used: it takes the SSRC over with the first packet that it passes on, and may still have one of its
        own to write (bridge_p2p_rtp_write in res_rtp_asterisk.c). Those are `foreign`.
        """
        sent: dict[int, set[int]] = {}
        for stream in self.sent:
            sent.setdefault(stream.ssrc, set()).update(packet.sequence for packet in stream.packets)
        return [
            replace(
                stream,
                packets=[packet for packet in stream.packets if packet.sequence in sent[stream.ssrc]],
                foreign=[packet for packet in stream.packets if packet.sequence not in sent[stream.ssrc]],
            )
            for stream in self.arriving
            if stream.ssrc in sent
        ]

    def said(self, speaker: int) -> list[Packet]:
        """List what lab/rtp_talker.py sent for a speaker, in order."""
        return _talk_of(self.sent, speaker)

    def heard(self, speaker: int, *, at: Address | None = None) -> list[Packet]:
        """List what arrived of a speaker, in order, by whatever SSRC and number; at one address or at any."""
        streams = [stream for stream in self.arriving if at in (None, stream.destination)]
        return _talk_of(streams, speaker)

    def dialogue(self, number: str) -> list[SipMessage]:
        """List the messages of the SIP dialogs that an INVITE to a number began, in order."""
        calls = {m.header("Call-ID") for m in self.sip if m.start.startswith(f"INVITE sip:{number}@")}
        return [message for message in self.sip if message.header("Call-ID") in calls]


def _talk_of(streams: list[Stream], speaker: int) -> list[Packet]:
    spoken = (p for stream in streams for p in stream.packets if p.talk and p.talk[0] == speaker)
    return sorted(spoken, key=lambda packet: packet.at)


@contextmanager
def captured(
    service: str = "asterisk1", *, snaplen: int = WHOLE, by: tuple[str, str] | None = None
) -> Iterator[Capture]:
    """Capture the UDP of a service that plays endpoints (asterisk1, edge), or of node 2's network, while the block runs.

    It is captured at the interface that leads to the lab's network, or at that of `by`, with a host which that one leads to.
    Whole packets are taken from the kernel one by one. Headers are those of many calls, and taken in blocks, which are
    up to a second late (pcap_set_immediate_mode(3)).

    Raises:
        LabError: when the kernel dropped packets from the capture, which would pass for loss.

    """
    capture = Capture()
    interface, there = by or (_interface(service), ipv4(11) if service == NETWORK else NODE2)
    with tempfile.TemporaryDirectory() as folder:
        file, log = Path(folder, "rtp.pcap"), Path(folder, "tcpdump.log")
        tcpdump_in_lab = [
            "docker",
            "exec",
            container(service),
            "tcpdump",
            "-i",
            interface,
            "-n",
            "-U",
        ]
        options = ["--nano", "-B", "65536", "-s", str(snaplen), "-w", "-"]
        options += ["--immediate-mode"] if snaplen == WHOLE else []
        wanted = "udp or (vlan and udp)"
        with file.open("wb") as pcap, log.open("wb") as said:
            tcpdump = subprocess.Popen([*tcpdump_in_lab, *options, wanted], stdout=pcap, stderr=said)
            try:
                wait_until(lambda: b"listening on" in log.read_bytes(), within=10, what="tcpdump to listen")
                yield capture
                _catch_up(service, there, file)
            finally:
                execute(service, "pkill", "-INT", "-f", f"^tcpdump -i {interface} ", check=False)
                tcpdump.wait(timeout=10)
        if b"\n0 packets dropped by kernel" not in log.read_bytes():
            raise LabError(f"the capture is not whole: {log.read_text()}")
        _read(file.read_bytes(), capture, here=_mac(service, interface))


def _catch_up(service: str, there: str, file: Path) -> None:
    """Wait until what passed before now is in the file."""
    mark = uuid4().hex
    execute(service, "bash", "-c", f"echo {mark} > /dev/udp/{there}/9")
    wait_until(lambda: mark.encode() in file.read_bytes(), within=10, what="the capture to catch up")


def _read(pcap: bytes, capture: Capture, *, here: str) -> None:
    """Sort a capture (pcap with nanoseconds, Ethernet)."""
    arriving: dict[tuple[Address, Address, int], Stream] = {}
    sent: dict[tuple[Address, Address, int], Stream] = {}
    for at, frame in _frames(pcap):
        try:
            datagram = parse_udp(frame)
        except BadPacketError:
            continue
        arrived = datagram.eth_dst == here
        if SIP_PORT in (datagram.source.port, datagram.destination.port):
            text = datagram.payload.decode("utf-8", errors="replace")
            capture.sip.append(SipMessage(at=at, arrived=arrived, text=text))
        elif datagram.payload[1:2] in _REPORTS:
            ssrc = int.from_bytes(datagram.payload[4:8], "big")
            capture.rtcp.append(Report(at, arrived, ssrc, datagram))
        elif not _sort(datagram, at, arriving if arrived else sent):
            capture.other.append(Other(at, arrived, datagram))
    capture.arriving, capture.sent = list(arriving.values()), list(sent.values())
    capture.sip = once(capture.sip)


def _sort(datagram: Datagram, at: float, streams: dict[tuple[Address, Address, int], Stream]) -> bool:
    """Add a packet to its stream; return whether it is RTP."""
    try:
        rtp = parse_rtp(datagram.payload)
    except BadPacketError:
        return False
    key = (datagram.source, datagram.destination, rtp.ssrc)
    stream = streams.setdefault(key, Stream(*key))
    words = datagram.payload[rtp.size : rtp.size + TALK.size]
    mark, speaker, number = TALK.unpack(words) if len(words) == TALK.size else (b"", 0, 0)
    talk = (speaker, number) if mark == MARK else None
    stream.packets.append(
        Packet(
            at=at,
            sequence=rtp.sequence,
            ttl=datagram.ttl,
            payload_type=rtp.payload_type,
            talk=talk,
            headers=replace(datagram, ttl=0, payload=b""),
        )
    )
    return True


def _frames(pcap: bytes) -> Iterator[tuple[float, bytes]]:
    if len(pcap) < _PCAP_HEADER.size or _PCAP_HEADER.unpack_from(pcap)[0] != _PCAP_NANOSECONDS:
        raise LabError("tcpdump wrote no capture")
    at = _PCAP_HEADER.size
    while at + _PACKET_HEADER.size <= len(pcap):
        seconds, nanoseconds, length, _ = _PACKET_HEADER.unpack_from(pcap, at)
        at += _PACKET_HEADER.size
        yield seconds + nanoseconds / 1e9, pcap[at : at + length]
        at += length


def _mac(service: str, interface: str) -> str:
    return execute(service, "cat", f"/sys/class/net/{interface}/address").strip()


def _interface(service: str) -> str:
    return INTERFACE if service == NETWORK else "eth0"
