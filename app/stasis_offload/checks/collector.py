"""The Homer collector, if there is to be one: whether its name is known. That it listens, nobody tells who sends by UDP."""

import asyncio
import socket

from stasis_offload.checks.items import Item
from stasis_offload.config import Config


async def check_collector(config: Config) -> tuple[Item, ...]:
    """Return a hint if nobody knows the collector's name: calls do not need it."""
    if config.hep.capture_address is None:
        return ()
    host, port = config.hep.capture_address
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except OSError as error:
        text = f"{host}: {error.strerror}; until its name is known Homer is told nothing"
        return (Item("homer", ok=True, text=text, command=f"getent hosts {host}"),)
    return (Item("homer", ok=True, text=f"reports go to {found[0][4][0]}, port {port} (udp)"),)
