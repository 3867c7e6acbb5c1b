"""A way to a switch's control connection that is as long as one through other networks: a relay that holds what passes back."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import Thread

_CHUNK = 65536
_WITHIN = 10.0  # seconds, to begin and to end


@contextmanager
def far_link(listen: str, host: str, port: int, *, delay: float) -> Iterator[int]:
    """Relay TCP connections to a host, each byte `delay` seconds late, each way; yields the port to connect to."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="far link")
    thread.start()
    try:
        relay = partial(_relay, host, port, delay)
        starting = asyncio.run_coroutine_threadsafe(asyncio.start_server(relay, listen, 0), loop)
        server = starting.result(_WITHIN)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            asyncio.run_coroutine_threadsafe(_end(server), loop).result(_WITHIN)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _relay(
    host: str, port: int, delay: float, near: asyncio.StreamReader, back: asyncio.StreamWriter
) -> None:
    try:
        far, forth = await asyncio.open_connection(host, port)
    except OSError:
        back.close()
        return
    try:
        await asyncio.gather(_hold_back(near, forth, delay), _hold_back(far, back, delay))
    finally:
        for writer in (back, forth):
            writer.close()


async def _hold_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    loop = asyncio.get_running_loop()

    def write(data: bytes) -> None:
        if not writer.is_closing():
            writer.write(data)

    try:
        while data := await reader.read(_CHUNK):
            loop.call_later(delay, write, data)
    except OSError:
        pass
    loop.call_later(delay, writer.close)
