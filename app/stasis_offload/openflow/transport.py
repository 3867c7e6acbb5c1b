"""Byte streams to the switch. Every error names the endpoint and the cause."""

import asyncio
import ssl
from collections.abc import Callable
from os import strerror
from typing import TypeVar

from stasis_offload.errors import SwitchUnavailableError
from stasis_offload.openflow.endpoint import Endpoint, Pssl, Ptcp, Ssl, Tcp, Tls, Unix

P = TypeVar("P", bound=asyncio.Protocol)


async def connect(endpoint: Endpoint, protocol: Callable[[], P], *, deadline: float) -> P:
    """Connect to the switch, or accept its connection, within `deadline` seconds; return its protocol.

    Raises:
        SwitchUnavailableError: it was not reached, or did not connect.

    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(deadline):
            match endpoint:
                case Unix(path):
                    return (await loop.create_unix_connection(protocol, path))[1]
                case Tcp(host, port):
                    return (await loop.create_connection(protocol, host, port))[1]
                case Ssl(host, port, tls):
                    context = _context(tls, server=False)
                    return (await loop.create_connection(protocol, host, port, ssl=context))[1]
                case Ptcp():
                    return await _accept(endpoint, protocol)
                case Pssl(tls=tls):
                    return await _accept(endpoint, protocol, _context(tls, server=True))
    except TimeoutError:
        what = "no switch has connected to" if isinstance(endpoint, Ptcp | Pssl) else "no answer from"
        raise SwitchUnavailableError(f"{what} {endpoint} within {deadline:g} s") from None
    except ssl.SSLError as error:
        raise SwitchUnavailableError(f"cannot connect to {endpoint}: TLS: {error.reason or error}") from error
    except OSError as error:
        what = "listen on" if isinstance(endpoint, Ptcp | Pssl) else "connect to"
        raise SwitchUnavailableError(f"cannot {what} {endpoint}: {cause_of(error)}") from error


def cause_of(error: OSError) -> str:
    """Return the system's text of an error; asyncio replaces it by its own ("Connect call failed")."""
    if error.errno is not None and error.errno > 0:  # those of name resolution are negative
        return strerror(error.errno)
    return error.strerror or str(error)


def _context(tls: Tls | None, *, server: bool) -> ssl.SSLContext:
    """Return what both ends must fulfil: a certificate of the authority. Its name is not looked at."""
    if tls is None:
        raise SwitchUnavailableError("no certificates for TLS")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    for load, files in (
        (context.load_cert_chain, (tls.certificate, tls.private_key)),
        (context.load_verify_locations, (tls.ca_certificate,)),
    ):
        try:
            load(*files)
        except OSError as error:
            raise SwitchUnavailableError(f"TLS: {' and '.join(files)}: {cause_of(error)}") from error
    return context


async def _accept(
    endpoint: Ptcp | Pssl, protocol: Callable[[], P], context: ssl.SSLContext | None = None
) -> P:
    """Accept the first connection and stop listening: while one switch is connected, others are refused.

    By TLS it is the first that has shown a certificate.
    """
    accepted: asyncio.Future[P] = asyncio.get_running_loop().create_future()

    class First(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            if accepted.done() or not isinstance(transport, asyncio.Transport):
                transport.close()
                return
            its = protocol()
            transport.set_protocol(its)
            its.connection_made(transport)
            accepted.set_result(its)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(First, endpoint.host, endpoint.port, ssl=context)
    try:
        return await accepted
    finally:
        server.close()
