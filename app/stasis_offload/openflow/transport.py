"""Byte streams to the switch. Every error names the endpoint and the cause."""

import asyncio
from asyncio import StreamReader, StreamWriter
from os import strerror

from stasis_offload.errors import SwitchUnavailableError
from stasis_offload.openflow.endpoint import Endpoint, Ptcp, Tcp, Unix

Streams = tuple[StreamReader, StreamWriter]


async def connect(endpoint: Endpoint, *, deadline: float) -> Streams:
    """Connect to the switch, or accept its connection, within `deadline` seconds.

    Raises:
        SwitchUnavailableError: it was not reached, or did not connect.

    """
    try:
        async with asyncio.timeout(deadline):
            match endpoint:
                case Unix(path):
                    return await asyncio.open_unix_connection(path)
                case Tcp(host, port):
                    return await asyncio.open_connection(host, port)
                case Ptcp():
                    return await _accept(endpoint)
    except TimeoutError:
        what = "no switch has connected to" if isinstance(endpoint, Ptcp) else "no answer from"
        raise SwitchUnavailableError(f"{what} {endpoint} within {deadline:g} s") from None
    except OSError as error:
        what = "listen on" if isinstance(endpoint, Ptcp) else "connect to"
        raise SwitchUnavailableError(f"cannot {what} {endpoint}: {cause_of(error)}") from error


def cause_of(error: OSError) -> str:
    """Return the system's text of an error; asyncio replaces it by its own ("Connect call failed")."""
    if error.errno is not None and error.errno > 0:  # those of name resolution are negative
        return strerror(error.errno)
    return error.strerror or str(error)


async def _accept(endpoint: Ptcp) -> Streams:
    """Accept the first connection and stop listening: while one switch is connected, others are refused."""
    accepted: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()

    def on_connection(reader: StreamReader, writer: StreamWriter) -> None:
        if accepted.done():
            writer.transport.abort()
        else:
            accepted.set_result((reader, writer))

    server = await asyncio.start_server(on_connection, endpoint.host, endpoint.port)
    try:
        return await accepted
    finally:
        server.close()
