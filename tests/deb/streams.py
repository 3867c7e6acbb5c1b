"""streams.py PCAP ADDRESS: what of the RTP from that address is missing or came twice, a line for each stream; 1 if anything."""

import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from struct import iter_unpack, unpack_from

_FILE_HEADER, _PACKET_HEADER, _IP, _UDP, _RTP = 24, 16, 14, 34, 42  # of Ethernet and IPv4 without options


def main(file: str, address: str) -> int:
    """Print the streams and return the exit status."""
    data = Path(file).read_bytes()
    streams = defaultdict[tuple[int, int], list[int]](list)
    at = _FILE_HEADER
    while at < len(data):
        length = unpack_from("<I", data, at + 8)[0]
        frame = data[at + _PACKET_HEADER : at + _PACKET_HEADER + length]
        at += _PACKET_HEADER + length
        source = ".".join(str(byte) for (byte,) in iter_unpack("B", frame[_IP + 12 : _IP + 16]))
        if (
            source == address
            and len(frame) > _RTP + 12
            and frame[_RTP : _RTP + 2] in (b"\x80\x00", b"\x80\x80")
        ):
            port, sequence, ssrc = (
                *unpack_from("!H", frame, _UDP + 2),
                *unpack_from("!H4xI", frame, _RTP + 2),
            )
            streams[port, ssrc].append(sequence)
    whole = len(streams) > 0
    for (port, ssrc), numbers in streams.items():
        steps = [(after - before) % 65536 for before, after in pairwise(numbers)]
        missing = sum(step - 1 for step in steps if 1 < step < 32768)
        twice = len(numbers) - len(set(numbers))
        late = sum(step >= 32768 for step in steps)
        print(
            f"to port {port}, SSRC {ssrc:08x}: {len(numbers)} packets, {missing - late} missing, {twice} twice"
        )
        whole &= missing - late == 0 and twice == 0
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
