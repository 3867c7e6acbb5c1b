"""As much of SIP (RFC 3261) and SDP (RFC 8866) as phones need on a network that loses nothing; no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.bench.generator.talker import Endpoint

VERSION = "SIP/2.0"
# What an answer repeats of its request (RFC 3261, 8.2.6.2).
_REPEATED = ("via", "from", "to", "call-id", "cseq")


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response: its first line, its headers by lower-case name (repeated ones joined), its body."""

    start: str
    headers: Mapping[str, str]
    body: str = ""

    @property
    def status(self) -> int | None:
        """The status of a response, None for a request."""
        return int(self.start.split()[1]) if self.start.startswith(VERSION) else None

    @property
    def method(self) -> str:
        """The method of a request, or of the request that a response answers."""
        return self.headers["cseq"].split()[1]

    @property
    def user(self) -> str:
        """The user part of a request's URI."""
        return self.start.split()[1].partition(":")[2].partition("@")[0]

    @property
    def contact(self) -> str:
        """The URI where the dialog's next request goes."""
        return self.headers["contact"].partition("<")[2].partition(">")[0]

    def __bytes__(self) -> bytes:
        body = self.body.encode()
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers.items())]
        return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


def parse(data: bytes) -> Message:
    """Read a message as Asterisk writes it: long header names, each on one line.

    Raises:
        ValueError: it is none.

    """
    head, blank, body = data.decode().partition("\r\n\r\n")
    start, *lines = head.split("\r\n")
    if not blank or VERSION not in start:
        raise ValueError(f"not SIP: {start[:40]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
    del headers["content-length"]
    return Message(start, headers, body)


def answer(
    request: Message, status: str, *, contact: str, tag: str, media: Endpoint | None = None
) -> Message:
    """Answer a request, `status` being code and phrase, with an SDP when `media` says where RTP is wanted."""
    headers = {name: request.headers[name] for name in _REPEATED}
    if ";tag=" not in headers["to"]:
        headers["to"] += f";tag={tag}"
    return _with_sdp(Message(f"{VERSION} {status}", headers | {"contact": f"<{contact}>"}), media)


def invite(uri: str, *, call_id: str, caller: str, here: Endpoint, media: Endpoint) -> Message:
    """Begin a call to a URI, by a caller of that name or number."""
    headers = {
        "via": _via(call_id, "INVITE", here),
        "max-forwards": "70",
        "from": f"<sip:{caller}@{_host(here)}>;tag={call_id}",
        "to": f"<{uri}>",
        "call-id": call_id,
        "cseq": "1 INVITE",
        "contact": f"<{uri_of(caller, here)}>",
    }
    return _with_sdp(Message(f"INVITE {uri} {VERSION}", headers), media)


def within(invited: Message, answered: Message, method: str, *, here: Endpoint) -> Message:
    """Write the ACK or the BYE of a call of ours that was answered."""
    headers = {name: invited.headers[name] for name in ("max-forwards", "from", "call-id")}
    headers |= {
        "via": _via(headers["call-id"], method, here),
        "to": answered.headers["to"],
        "cseq": f"{1 if method == 'ACK' else 2} {method}",
    }
    return Message(f"{method} {answered.contact} {VERSION}", headers)


def uri_of(user: str, host: Endpoint) -> str:
    """Write the URI of somebody at a host."""
    return f"sip:{user}@{_host(host)}:{host[1]}"


def sdp(media: Endpoint) -> str:
    """Want PCMU at an address, in packets of 20 ms, and digits as every phone does (RFC 4733)."""
    host, port = media
    address = f"IN {'IP6' if ':' in host else 'IP4'} {host}"
    return (
        f"v=0\r\no=- 1 1 {address}\r\ns=-\r\nc={address}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
        "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )


def media_of(text: str) -> Endpoint:
    """Read from an SDP where RTP is wanted.

    Raises:
        ValueError: it does not say.

    """
    fields = dict(line.split("=", 1) for line in reversed(text.splitlines()) if "=" in line)
    try:
        return fields["c"].split()[2], int(fields["m"].split()[1])
    except (KeyError, IndexError) as error:
        raise ValueError(f"no media in the SDP: {text!r}") from error


def _host(endpoint: Endpoint) -> str:
    """Write a host as a URI has it: an IPv6 address in brackets (RFC 3261, 25.1)."""
    return f"[{endpoint[0]}]" if ":" in endpoint[0] else endpoint[0]


def _via(call_id: str, method: str, here: Endpoint) -> str:
    return f"{VERSION}/UDP {_host(here)}:{here[1]};branch=z9hG4bK-{call_id}-{method};rport"


def _with_sdp(message: Message, media: Endpoint | None) -> Message:
    if media is None:
        return message
    headers = {**message.headers, "content-type": "application/sdp"}
    return Message(message.start, headers, sdp(media))
