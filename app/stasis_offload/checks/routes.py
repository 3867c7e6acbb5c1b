"""Whether RTP passes the bridge: what this host sends goes by an interface that is the bridge, or behind it.

Of a switch in front of the host, and of an Asterisk elsewhere, nothing is known here; a call tells (`bypasses-switch`).
"""

import asyncio
import socket
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from stasis_offload.checks.items import Item
from stasis_offload.config import Config
from stasis_offload.openflow.events import SwitchDescription

_NETWORKS = Path("/sys/class/net")
_VIRTUAL = Path("/sys/devices/virtual/net")
_NAME = "bridge address"
# What is written for a default route's destination, and the prefixes of addresses of one link, and of many hosts.
_ANY = {"00000000", "0" * 32}
_NO_RTP = ("fe80", "ff")
_TELLS = "a call tells: with `bypasses-switch` its RTP does not pass the bridge"


@dataclass(frozen=True, slots=True)
class Route:
    """A way out of this host: by which interface, and whether for all that has no other."""

    interface: str
    is_default: bool


async def check_routes(config: Config, switch: SwitchDescription) -> tuple[Item, ...]:
    """Judge the routes of this host, if the bridge and Asterisk are on it."""
    if switch.bridge not in {name for _, name in socket.if_nameindex()}:
        text = f"{switch.bridge} is not an interface of this host, so nothing is known here; {_TELLS}"
        return (Item(_NAME, ok=True, text=text),)
    if not await _is_here(urlsplit(config.ari.url).hostname or ""):
        return (
            Item(_NAME, ok=True, text=f"Asterisk is not on this host, so nothing is known here; {_TELLS}"),
        )
    routes, ports = _read_routes(), {port.name for port in switch.ports}
    through = {route.interface for route in routes if _is_behind(route.interface, switch.bridge, ports)}
    return (judge_routes(routes, through, bridge=switch.bridge),)


def judge_routes(routes: Collection[Route], through: Collection[str], *, bridge: str) -> Item:
    """Judge by which interfaces this host sends; `through` are those whose packets the bridge has."""
    ways = {route.interface for route in routes}
    beside = sorted({route.interface for route in routes if route.is_default} - set(through))
    if not ways & set(through):
        text = (
            f"RTP does not pass the bridge: {bridge} has no address with a route, this host sends by"
            f" {', '.join(sorted(ways)) or 'no interface'}; move its address and routes to {bridge}"
        )
        return Item(_NAME, ok=False, text=text, command=f"ip address show dev {bridge}")
    if beside:
        text = (
            f"the default route is by {', '.join(beside)}, not by {bridge}: RTP passes the bridge for"
            f" those phones alone that a route by {bridge} leads to"
        )
        return Item(_NAME, ok=True, text=text, command="ip route get ADDRESS-OF-A-PHONE")
    return Item(
        _NAME,
        ok=True,
        text=f"this host sends by {', '.join(sorted(ways & set(through)))}: RTP passes the bridge",
    )


def parse_ipv4(text: str) -> Iterator[Route]:
    """Parse /proc/net/route (net/ipv4/fib_trie.c, fib_route_seq_show): hexadecimal in the host's order of bytes."""
    for line in text.splitlines()[1:]:
        interface, destination, _, flags, *_ = line.split()
        if int(flags, 16) & 1 and interface != "lo":  # RTF_UP
            yield Route(interface, is_default=destination in _ANY)


def parse_ipv6(text: str) -> Iterator[Route]:
    """Parse /proc/net/ipv6_route (net/ipv6/route.c): those to other links, by name of the interface in the last column."""
    for line in text.splitlines():
        destination, length, *_, interface = line.split()
        if interface != "lo" and not destination.startswith(_NO_RTP) and length != "80":
            yield Route(interface, is_default=destination in _ANY and length == "00")


def _read_routes() -> tuple[Route, ...]:
    return (
        *parse_ipv4(Path("/proc/net/route").read_text(encoding="ascii")),
        *parse_ipv6(Path("/proc/net/ipv6_route").read_text(encoding="ascii")),
    )


async def _is_here(host: str) -> bool:
    """Whether an address is one of this host: only then a socket may have it."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, 0, type=socket.SOCK_DGRAM)
    except OSError:
        return False
    return any(_may_bind(family, address) for family, _, _, _, address in found)


def _may_bind(family: int, address: tuple[object, ...]) -> bool:
    with socket.socket(family, socket.SOCK_DGRAM) as tried:
        try:
            tried.bind(address)
        except OSError:
            return False
    return True


def _is_behind(interface: str, bridge: str, ports: Collection[str]) -> bool:
    """Whether what an interface sends goes into the bridge: it is the bridge, a port without a card, or a VLAN of such."""
    if interface == bridge or (interface in ports and (_VIRTUAL / interface).exists()):
        return True
    lower = [each.name.removeprefix("lower_") for each in (_NETWORKS / interface).glob("lower_*")]
    return any(_is_behind(each, bridge, ports) for each in lower)
