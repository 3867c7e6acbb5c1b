"""streams.py PCAP PORT PORT: of the RTP that two phones sent from these ports, what the other one did not receive, or twice.

A line for each direction, with the time of day of each packet that is missing; 1 if there is any, or nothing was sent.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from struct import unpack_from

_FILE_HEADER, _PACKET_HEADER, _UDP, _RTP = 24, 16, 34, 42  # of Ethernet and IPv4 without options


def packets(file: Path) -> Iterator[tuple[float, bytes]]:
    """Yield time and frame of each packet of a capture."""
    data = file.read_bytes()
    at = _FILE_HEADER
    while at < len(data):
        seconds, microseconds, length = unpack_from("<III", data, at)
        yield seconds + microseconds / 1e6, data[at + _PACKET_HEADER : at + _PACKET_HEADER + length]
        at += _PACKET_HEADER + length


def main(file: str, *ports: str) -> int:
    """Print the streams and return the exit status."""
    one, other = map(int, ports)
    sent: dict[int, dict[bytes, float]] = {one: {}, other: {}}
    received: dict[int, list[bytes]] = {one: [], other: []}
    for at, frame in packets(Path(file)):
        if frame[_RTP : _RTP + 2] not in (b"\x80\x00", b"\x80\x80"):
            continue
        source, destination = unpack_from("!HH", frame, _UDP)
        packet = frame[_RTP + 2 :]  # from the sequence number on: what a switch leaves as it is
        if source in sent:
            sent[source][packet] = at
        elif destination in received:
            received[destination].append(packet)
    whole = True
    for source, destination in ((one, other), (other, one)):
        came = [packet for packet in received[destination] if packet in sent[source]]
        order = list(sent[source])
        between = order[order.index(came[0]) : order.index(came[-1]) + 1] if came else []
        missing = [packet for packet in between if packet not in set(came)]
        twice = len(came) - len(set(came))
        whole &= bool(came) and not missing and not twice
        print(f"{source} to {destination}: {len(between)} sent, {len(missing)} missing, {twice} twice")
        for packet in missing:
            print(f"  sent at {datetime.fromtimestamp(sent[source][packet], UTC):%T.%f}")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
