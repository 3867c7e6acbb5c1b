"""rtpengine's ng protocol: a cookie, a blank and a bencoded dictionary in a datagram, and an answer of that cookie."""

import asyncio
from collections.abc import Mapping

from tests.bench.generator.talker import Endpoint

ANSWERED_WITHIN = 20.0
# A command is sent again after so long (s); rtpengine knows it by its cookie and carries it out once.
AGAIN_AFTER = 0.5

Value = str | int | list["Value"] | Mapping[str, "Value"]


class NgError(Exception):
    """rtpengine refused, or did not answer; the text is one sentence."""


class NgClient(asyncio.DatagramProtocol):
    """Commands to one rtpengine, one at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._answers: dict[bytes, asyncio.Future[bytes]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket (asyncio)."""
        if not isinstance(transport, asyncio.DatagramTransport):
            raise TypeError(transport)
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Endpoint) -> None:
        """Hand an answer to the one who waits for it (asyncio)."""
        del addr
        cookie, _, body = data.partition(b" ")
        if cookie in self._answers and not self._answers[cookie].done():
            self._answers[cookie].set_result(body)

    async def ask(self, command: str, **fields: Value) -> dict[str, Value]:
        """Give a command and return its answer. A field's name is written with blanks for its underscores.

        Raises:
            NgError: it is refused, or not answered in time.

        """
        if self._transport is None:
            raise NgError("not connected to rtpengine")
        cookie = b"%d" % len(self._answers)
        self._answers[cookie] = asyncio.get_running_loop().create_future()
        message = {"command": command} | {name.replace("_", "-"): value for name, value in fields.items()}
        deadline = asyncio.get_running_loop().time() + ANSWERED_WITHIN
        while not self._answers[cookie].done():
            if asyncio.get_running_loop().time() > deadline:
                raise NgError(f"rtpengine did not answer {command!r} within {ANSWERED_WITHIN:g} s")
            self._transport.sendto(cookie + b" " + encode(message))
            await asyncio.wait([self._answers[cookie]], timeout=AGAIN_AFTER)
        answer, rest = decode(self._answers[cookie].result())
        if rest or not isinstance(answer, dict) or answer.get("result") not in ("ok", "pong"):
            raise NgError(f"rtpengine refused {command!r}: {answer}")
        return answer


def encode(value: Value) -> bytes:
    """Write a value in bencoding."""
    match value:
        case str():
            data = value.encode()
            return b"%d:" % len(data) + data
        case int():
            return b"i%de" % value
        case list():
            return b"l" + b"".join(map(encode, value)) + b"e"
        case _:
            return b"d" + b"".join(encode(key) + encode(item) for key, item in sorted(value.items())) + b"e"


def decode(data: bytes) -> tuple[Value, bytes]:
    """Read the first value, and return it (strings as text) and what follows it.

    Raises:
        ValueError: it is not bencoding.

    """
    kind, rest = data[:1], data[1:]
    if kind == b"i":
        number, _, rest = rest.partition(b"e")
        return int(number), rest
    if kind in (b"l", b"d"):
        items: list[Value] = []
        while not rest.startswith(b"e"):
            item, rest = decode(rest)
            items.append(item)
        names = [str(item) for item in items[::2]]
        return (items if kind == b"l" else dict(zip(names, items[1::2], strict=True))), rest[1:]
    length, colon, rest = data.partition(b":")
    if not colon:
        raise ValueError(f"not bencoding: {data[:40]!r}")
    return rest[: int(length)].decode(), rest[int(length) :]
