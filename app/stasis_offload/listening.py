"""Where the HTTP interface listens: a socket whose file rights say who may use it, and a TCP port."""

import errno
import os
import pwd
import socket
import stat
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from aiohttp import web

from stasis_offload.config_sections import HttpSettings
from stasis_offload.errors import ConfigError, OffloadError

# What keeps us from listening until something else changes.
_NOT_FOR_EVER = (errno.EADDRINUSE, errno.EADDRNOTAVAIL)
# User and group; connecting takes the right to write (unix(7)).
_RIGHTS = 0o660
# Process, user, group (unix(7), SO_PEERCRED).
_CREDENTIALS = struct.Struct("iII")


@asynccontextmanager
async def listening(runner: web.AppRunner, config: HttpSettings) -> AsyncIterator[tuple[str, ...]]:
    """Let the server listen until the context ends; yield where: the socket's path, the base URL, or both.

    Raises:
        ConfigError: it cannot, and never will; the text names the key that says where.
        OffloadError: it cannot now: another program listens there, or the host does not have the address (yet).

    """
    with _local(config.socket) as connection:
        await runner.setup()
        try:
            places = []
            if connection:
                await web.SockSite(runner, connection).start()
                places.append(str(config.socket))
            if config.port:
                await _listen(runner, config.host, config.port)
                places.append(url_of(config.host, config.port))
            yield tuple(places)
        finally:
            await runner.cleanup()


def is_local_socket(request: web.Request) -> bool:
    """Return whether a request came over the socket, so that file rights have admitted who sends it."""
    transport = request.transport
    return transport is not None and transport.get_extra_info("socket").family == socket.AF_UNIX


def user_of(request: web.Request) -> str:
    """Return the user at the other end of the socket, which the kernel knows: by name, or by number if it has none here."""
    transport = request.transport
    if transport is None:
        return ""
    connection = transport.get_extra_info("socket")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(credentials)
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def url_of(host: str, port: int) -> str:
    """Return the URL of a server; an IPv6 host goes in brackets (RFC 3986, 3.2.2)."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        # asyncio wraps the system's text in its own; errors of name resolution have a negative number.
        cause = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        text = f"http.host, http.port: cannot listen on {url_of(host, port)}: {cause}"
        raise _kind(error)(text) from error


def _kind(error: OSError) -> type[OffloadError]:
    return OffloadError if error.errno in _NOT_FOR_EVER else ConfigError


@contextmanager
def _local(path: Path | None) -> Iterator[socket.socket | None]:
    """Bind the socket; in the end remove its file, unless it is another's by then. None is without one."""
    if path is None:
        yield None
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            _remove_dead(path)
            before = os.umask(0o777 & ~_RIGHTS)
            try:
                connection.bind(str(path))
            finally:
                os.umask(before)
            ours = path.stat().st_ino
        except OSError as error:
            hint = (
                "; the unit's RuntimeDirectory= makes that directory" if error.errno == errno.ENOENT else ""
            )
            raise _kind(error)(f"http.socket: cannot listen on {path}: {error.strerror}{hint}") from error
        try:
            yield connection
        finally:
            with suppress(OSError):
                if path.stat().st_ino == ours:
                    path.unlink()


def _remove_dead(path: Path) -> None:
    """Remove the socket that a process left which is gone: nobody listens there. Raise OSError for what is no socket."""
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise FileExistsError(errno.EEXIST, "something else than a socket is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # noqa: FBT003 - positional only
        if probe.connect_ex(str(path)) == errno.ECONNREFUSED:
            path.unlink()
