"""IP addresses, names of hosts and UDP ports."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

IPAddress = IPv4Address | IPv6Address

MAX_PORT = 0xFFFF

_MAX_NAME = 253  # characters; 255 octets on the wire (RFC 1035, 3.1)
# RFC 1035, 2.3.4; `_` is no letter of a host's name (RFC 1123, 2.1), but containers have it in theirs.
_LABEL = re.compile("[A-Za-z0-9_-]{1,63}")


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """An IP address and a UDP port."""

    host: IPAddress
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Parse `ip:port` or `[ipv6]:port`.

        Raises:
            ValueError: the text is neither; the message quotes it.

        """
        host, colon, port = text.rpartition(":")
        if not colon or not (port.isascii() and port.isdigit()) or int(port) > MAX_PORT:
            raise ValueError(f"not an address and port: {text!r}")
        bracketed = host.startswith("[") and host.endswith("]")
        try:
            address = ip_address(host[1:-1] if bracketed else host)
        except ValueError as error:
            raise ValueError(f"not an address and port: {text!r}") from error
        if bracketed != (address.version == 6):  # noqa: PLR2004 - the IP version itself
            raise ValueError(f"not an address and port (IPv6 goes in brackets): {text!r}")
        return cls(host=address, port=int(port))

    @property
    def is_concrete(self) -> bool:
        """Whether a flow can match it: a port, and a unicast host that is neither unspecified nor loopback, and has no zone."""
        host = self.host
        if isinstance(host, IPv6Address) and host.scope_id:
            return False
        return self.port != 0 and not (host.is_unspecified or host.is_loopback or host.is_multicast)

    def __str__(self) -> str:
        host = f"[{self.host}]" if isinstance(self.host, IPv6Address) else str(self.host)
        return f"{host}:{self.port}"


def is_host(text: str) -> bool:
    """Return whether a text can be a host's name, in any script, or its address (IPv6 without brackets).

    For any other `socket.getaddrinfo` may raise UnicodeError, which is no OSError, rather than find nothing.
    """
    try:
        name = text.encode("idna").decode("ascii").removesuffix(".")
    except UnicodeError:
        return False
    if len(name) <= _MAX_NAME and all(_LABEL.fullmatch(label) for label in name.split(".")):
        return True
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
