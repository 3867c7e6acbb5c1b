"""The far ends of a bridge's dummy ports: frames go in and come out of a socket (lib/netdev-dummy.c of OVS)."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import permutations
from pathlib import Path

SECONDS = 10.0  # until what has to come out of a port counts as missing
AGAIN = 0.05

_BROADCAST = b"\xff" * 6
_ETH_TYPE_PROBE = b"\x88\xb5"  # for local experiments (IEEE 802, 12.2); the frames of tests have another


class Wire:
    """A cable into one port. On its socket each frame follows its length, two bytes in network order."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._received = bytearray()

    def send(self, frame: bytes) -> None:
        """Let the port receive a frame."""
        self._writer.write(len(frame).to_bytes(2, "big") + frame)

    async def receive(self) -> bytes:
        """Return the next frame that the port sends, within the deadline."""
        async with asyncio.timeout(SECONDS):
            while True:
                frame = await self._next()
                if frame[12:14] != _ETH_TYPE_PROBE:
                    return frame

    async def probe(self, other: "Wire") -> None:
        """Send frames until one has come out at another port, within the deadline."""
        source = bytes((2, 0, 0, 0, 1, id(self) & 0xFF))
        probe = _BROADCAST + source + _ETH_TYPE_PROBE + bytes(46)
        async with asyncio.timeout(SECONDS):
            while True:
                self.send(probe)
                try:
                    async with asyncio.timeout(AGAIN):
                        while await other._next() != probe:  # noqa: SLF001 - another of its kind
                            pass
                except TimeoutError:
                    continue
                return

    def unplug(self) -> None:
        """Take the cable out."""
        self._writer.transport.abort()

    async def _next(self) -> bytes:
        while len(self._received) < 2 or len(self._received) < self._length + 2:
            data = await self._reader.read(1 << 16)
            assert data, "the switch closed the socket of a port"
            self._received += data
        frame = bytes(self._received[2 : self._length + 2])
        del self._received[: self._length + 2]
        return frame

    @property
    def _length(self) -> int:
        return int.from_bytes(self._received[:2], "big")


@asynccontextmanager
async def plugged(sockets: list[Path]) -> AsyncIterator[tuple[Wire, ...]]:
    """Plug into each port of a bridge, and wait until what goes into one comes out of every other."""
    wires: list[Wire] = []
    try:
        for socket in sockets:
            wires.append(Wire(*await asyncio.open_unix_connection(socket)))  # noqa: PERF401 - unplug what there is
        for one, other in permutations(wires, 2):
            await one.probe(other)
        yield tuple(wires)
    finally:
        for wire in wires:
            wire.unplug()
