"""The far ends of a bridge's dummy ports: frames go in and come out of a socket (lib/netdev-dummy.c of OVS)."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count, permutations
from pathlib import Path

SECONDS = 60.0  # until what has to come out of a port counts as missing
AGAIN = 0.05

_BROADCAST = b"\xff" * 6
_ETH_TYPE_PROBE = b"\x88\xb5"  # for local experiments (IEEE 802, 12.2); the frames of tests have another


# The flow of a table that lets probes pass as a bridge does at first.
PROBES = "priority=65535,dl_type=0x88b5,actions=NORMAL"

_NUMBERS = count(1)


def _probe(number: int, *, sender: int) -> bytes:
    """Build a frame that every port of a bridge sends but the one it came in by."""
    return _BROADCAST + bytes((2, 0, 0, 0, 1, sender & 0xFF)) + _ETH_TYPE_PROBE + number.to_bytes(46, "big")


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
        probe = _probe(next(_NUMBERS), sender=id(self))
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

    async def receive_until(self, probe: bytes) -> list[bytes]:
        """Return the frames that the port sends before a probe, within the deadline."""
        received: list[bytes] = []
        async with asyncio.timeout(SECONDS):
            while (frame := await self._next()) != probe:
                if frame[12:14] != _ETH_TYPE_PROBE:
                    received.append(frame)
        return received

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


async def delivered(wires: Sequence[Wire], at: int, frame: bytes) -> tuple[list[bytes], ...]:
    """Send a frame into one port, and return what each port sends because of it.

    The table of the bridge must let probes (PROBES) out of every port but their own.
    """
    wires[at].send(frame)
    return await sent_until_now(wires, at)


async def sent_until_now(wires: Sequence[Wire], at: int) -> tuple[list[bytes], ...]:
    """Return what each port sends before a probe, because of what went into the port `at`."""
    received: list[list[bytes]] = [[] for _ in wires]
    for sender in (at, (at + 1) % len(wires)):  # the second for what leaves by the port that it came in by
        probe = _probe(next(_NUMBERS), sender=sender)
        wires[sender].send(probe)
        for number, wire in enumerate(wires):
            if number != sender:
                received[number] += await wire.receive_until(probe)
    return tuple(received)


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
