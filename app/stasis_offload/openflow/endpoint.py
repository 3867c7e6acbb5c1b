"""Addresses of a switch, in the notation of OVS (ovs(7), "Connection Methods")."""

from dataclasses import dataclass
from ipaddress import IPv6Address

from stasis_offload.packets.address import is_host

LOOPBACK = "127.0.0.1"
MAX_PORT = 0xFFFF
MAX_UNIX_PATH = 107  # bytes; sockaddr_un.sun_path less its closing NUL (unix(7))

_FORMS = "unix:PATH, tcp:HOST:PORT, ptcp:PORT[:HOST], ssl:HOST:PORT or pssl:PORT[:HOST]"


@dataclass(frozen=True, slots=True)
class Unix:
    """A UNIX socket to connect to, such as a bridge's management socket `BRIDGE.mgmt`."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class Tcp:
    """A TCP port to connect to."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"tcp:{_bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class Ptcp:
    """A TCP port to listen on for the switch, as OpenFlow controllers do."""

    port: int
    host: str = LOOPBACK

    def __str__(self) -> str:
        return f"ptcp:{self.port}:{_bracketed(self.host)}"


@dataclass(frozen=True, slots=True)
class Tls:
    """The files (PEM) by which the two ends know each other, as of `ovs-vsctl set-ssl KEY CERTIFICATE CA`.

    Whoever has a certificate of that authority is trusted, whatever its name, as OVS does (lib/stream-ssl.c).
    """

    private_key: str
    certificate: str
    ca_certificate: str


@dataclass(frozen=True, slots=True)
class Ssl:
    """A TCP port to connect to by TLS."""

    host: str
    port: int
    tls: Tls | None = None

    def __str__(self) -> str:
        return f"ssl:{_bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class Pssl:
    """A TCP port to listen on for the switch, which comes by TLS."""

    port: int
    host: str = LOOPBACK
    tls: Tls | None = None

    def __str__(self) -> str:
        return f"pssl:{self.port}:{_bracketed(self.host)}"


Endpoint = Unix | Tcp | Ptcp | Ssl | Pssl


def parse_endpoint(text: str) -> Endpoint:
    """Parse `unix:PATH`, `tcp:HOST:PORT`, `ptcp:PORT[:HOST]`, or the last two by TLS; an IPv6 host goes in brackets.

    Raises:
        ValueError: with the text quoted, and what is wrong with it.

    """
    method, colon, rest = text.partition(":")
    match method:
        case "unix" if colon:
            return Unix(_parse_path(text, rest))
        case "tcp" | "ssl" if colon:
            host, _, port = rest.rpartition(":")
            active = Tcp if method == "tcp" else Ssl
            return active(port=_parse_port(text, port), host=_parse_host(text, host))
        case "ptcp" | "pssl" if colon:
            port, with_host, host = rest.partition(":")
            passive = Ptcp if method == "ptcp" else Pssl
            return passive(
                port=_parse_port(text, port),
                host=_parse_host(text, host) if with_host else LOOPBACK,
            )
        case _:
            raise ValueError(f"not the address of a switch: {text!r} (use {_FORMS})")


def _parse_path(text: str, path: str) -> str:
    if not path or "\0" in path:
        raise ValueError(f"no path of a socket in {text!r}")
    if len(path.encode(errors="surrogatepass")) > MAX_UNIX_PATH:
        raise ValueError(f"the path of a socket has at most {MAX_UNIX_PATH} bytes: {text!r}")
    return path


def _parse_port(text: str, port: str) -> int:
    digits = port.isascii() and port.isdigit() and len(port) <= len(str(MAX_PORT))
    if not digits or not 0 < int(port) <= MAX_PORT:
        raise ValueError(f"no port between 1 and {MAX_PORT} in {text!r}")
    return int(port)


def _parse_host(text: str, host: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        try:
            return str(IPv6Address(host[1:-1]))
        except ValueError as error:
            raise ValueError(f"no IPv6 address between the brackets of {text!r}") from error
    if ":" in host or not is_host(host):
        raise ValueError(f"no host name or address in {text!r} (an IPv6 address goes in brackets)")
    return host


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
