"""A phone at the edge: SIPp speaks its SIP, step by step as the test says; lab/rtp_talker.py speaks its RTP.

How the test commands without sleeps: SIPp runs one scenario for every phone (lab/edge/phone.xml), a loop that waits
for whatever comes. What comes from the test is a datagram to SIPp's port that looks like a request of the call, with
a method of our own (DO-INVITE, DO-ANSWER, …): SIPp (3.8) finds the call by its Call-ID alone, whoever sent it, and a
`<recv>` takes any method. What SIPp sent and received is read from its message log, which it flushes at each message.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from itertools import count
from types import TracebackType
from typing import Self
from uuid import uuid4

from lab.capture import NODE2, SipMessage, once
from lab.control import LabError, container, execute, wait_until
from lab.place import ipv4

EDGE = ipv4(14)
# Another address of the edge: a phone can move there in the middle of a call.
SECOND = ipv4(15)
# Where `PJSIP/NAME@phone` rings, see lab/asterisk2/pjsip_phone.conf.
CALLEE_PORT = 5070
CALLER_PORT = 5080

ULAW = {0: "PCMU/8000"}
ALAW = {8: "PCMA/8000"}

SCENARIO = "/usr/local/lib/phone.xml"
_LOGGED = re.compile(r"^-{47} (\S+)\nUDP message (sent|received) \[\d+\] bytes:\n\n", re.MULTILINE)
# SIPp's standard output is its screen; the messages go where it would have been.
_RUN = 'exec "$0" "$@" -trace_msg -message_file /dev/fd/3 3>&1 >/dev/null'
# One datagram: bash itself would send one for each line.
_SEND = 'head -c -1 <<<"$2" >"/dev/udp/$0/$1"'
# What SIPp sends when it is told to, and how often it is told.
_SENDS = {
    "CALL": "INVITE ",
    "INVITE": "INVITE ",
    "UPDATE": "UPDATE ",
    "REFER": "REFER ",
    "BYE": "BYE ",
    "PROGRESS": "SIP/2.0 183",
    "ANSWER": "SIP/2.0 200",
    "REFUSE": "SIP/2.0 488",
    "GLARE": "SIP/2.0 491",
    "LATE": "INVITE ",
    "LATE-CALL": "INVITE ",
}
_TRIES = 5
METHODS = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, NOTIFY, REFER"
_versions = count(1)


def sdp(
    port: int,
    *,
    host: str = EDGE,
    direction: str = "sendrecv",
    formats: dict[int, str] = ULAW,
    event: int = 101,
    event_rate: int = 8000,
) -> str:
    """Write an SDP with one audio stream; `formats` maps payload types to the names of their codecs."""
    return _lines(
        "v=0",
        f"o=phone 1 {next(_versions)} IN IP4 {EDGE}",
        "s=-",
        f"c=IN IP4 {host}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {' '.join(str(number) for number in (*formats, event))}",
        *(f"a=rtpmap:{number} {name}" for number, name in formats.items()),
        f"a=rtpmap:{event} telephone-event/{event_rate}",
        f"a=fmtp:{event} 0-16",
        f"a={direction}",
    )


def t38(port: int, *, host: str = EDGE) -> str:
    """Write an SDP with one fax stream (T.38 Annex D)."""
    return _lines(
        "v=0",
        f"o=phone 1 {next(_versions)} IN IP4 {EDGE}",
        "s=-",
        f"c=IN IP4 {host}",
        "t=0 0",
        f"m=image {port} udptl t38",
        "a=T38FaxVersion:0",
        "a=T38MaxBitRate:14400",
        "a=T38FaxRateManagement:transferredTCF",
        "a=T38FaxMaxDatagram:400",
        "a=T38FaxUdpEC:t38UDPRedundancy",
    )


def _lines(*lines: str) -> str:
    return "".join(f"{line}\r\n" for line in lines)


class Phone:
    """One phone and the one call it has; the end of its `with` block hangs up and ends SIPp.

    A method that sends a request waits for its final response and returns it. One that does not know UPDATE is sent
    re-INVITEs in its place.
    """

    def __init__(self, name: str, *, port: int, knows_update: bool = True) -> None:
        self.name = name
        self._port = port
        self._allow = f"{METHODS}, UPDATE" if knows_update else METHODS
        self._call_id = ""
        self._requests = count(1)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as SIPp writes to it
        self._seen = 0  # how many messages had passed when the test last said something

    def __enter__(self) -> Self:
        options = [
            "-sf",
            SCENARIO,
            "-i",
            EDGE,
            "-p",
            str(self._port),
            "-key",
            "allow",
            self._allow,
            "-default_behaviors",
            "none",
            "-nostdin",
        ]
        self._sipp = subprocess.Popen(
            ["docker", "exec", container("edge"), "sh", "-c", _RUN, "sipp", NODE2, *options], stdout=self._log
        )
        wait_until(
            lambda: f"{EDGE}:{self._port} " in execute("edge", "ss", "-Hunl"),
            within=10,
            what=f"{self.name} to be there",
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.up:
                self.hang_up()
        finally:
            execute("edge", "pkill", "-f", f"^sipp .*-p {self._port} ", check=False)
            self._sipp.wait(timeout=10)
            self._log.close()

    @property
    def messages(self) -> list[SipMessage]:
        """List what SIPp has sent and received of the call, without the test's own words."""
        log = os.pread(self._log.fileno(), 1 << 20, 0).decode()
        # What is before the first head, then a time, a direction and a message in turn.
        _, *parts = _LOGGED.split(log)
        found = (
            SipMessage(at=datetime.fromisoformat(at).timestamp(), arrived=way == "received", text=text)
            for at, way, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
        )
        mine = (m for m in found if not self._call_id or m.header("Call-ID") == self._call_id)
        return once(message for message in mine if not message.start.startswith("DO-"))

    @property
    def up(self) -> bool:
        """Whether the call has been answered and not ended."""
        starts = [message.start for message in self.messages if "INVITE" in (message.header("CSeq") or "")]
        ended = any(message.start.startswith("BYE ") for message in self.messages)
        return any(start.startswith("SIP/2.0 200") for start in starts) and not ended

    @property
    def transfers(self) -> bool:
        """Whether a REFER of ours was accepted and what came of it has not been told to the end (RFC 3515 2.4.5)."""
        messages = self.messages
        accepted = any(message.start.startswith("SIP/2.0 202") for message in messages)
        states = [m.header("Subscription-State") or "" for m in messages if m.start.startswith("NOTIFY ")]
        return accepted and not any(state.startswith("terminated") for state in states)

    @property
    def media(self) -> str:
        """`host:port` of Asterisk's media, by the last SDP from it."""
        body = [message.text for message in self.messages if message.arrived and "\r\nm=" in message.text][-1]
        host = re.search(r"^c=IN IP[46] (\S+)", body, re.MULTILINE)
        port = re.search(r"^m=(?:audio|image) (\d+)", body, re.MULTILINE)
        assert host
        assert port
        return f"[{host[1]}]:{port[1]}" if ":" in host[1] else f"{host[1]}:{port[1]}"

    def call(self, number: str, offer: str, *, user: str = "phone") -> None:
        """Send an INVITE to a number of node 2, with a user name of ours in From; waits for no response."""
        self._begin("CALL", number, offer, user)

    def call_late(self, number: str, answer: str, *, user: str = "phone") -> None:
        """Send an INVITE without an offer, whose answer our ACK will have; waits for no response."""
        self._begin("LATE-CALL", number, answer, user)

    def _begin(self, method: str, number: str, body: str, user: str) -> None:
        self._call_id = uuid4().hex
        them = f"sip:{number}@{NODE2}"
        me = f"<sip:{user}@{EDGE}:{self._port}>"
        self._do(method, body, f"X-Me: {me}", f"X-Them: <{them}>", f"X-Target: {them}")

    def answered(self) -> SipMessage:
        """Wait for the final response to our INVITE."""
        return self._response("INVITE")

    def alerted(self) -> SipMessage:
        """Wait for a response to our INVITE that says how the call goes on: 180 to 183."""
        return self._arrived(lambda message: message.start.startswith("SIP/2.0 18"), "ringing or progress")

    def invited(self) -> SipMessage:
        """Wait for an INVITE, the first or one within the call."""
        invite = self._arrived(lambda message: message.start.startswith("INVITE "), "an INVITE")
        self._call_id = invite.header("Call-ID") or ""
        return invite

    def progress(self, body: str) -> None:
        """Answer the INVITE that waits by 183, with early media."""
        self._do("PROGRESS", body)

    def answer(self, body: str) -> None:
        """Answer the INVITE that waits by 200."""
        self._do("ANSWER", body)

    def refuse(self) -> None:
        """Answer the INVITE that waits by 488: no such media here."""
        self._do("REFUSE")

    def collide(self) -> None:
        """Answer the INVITE that waits by 491: one of ours is under way (RFC 3261 14.1)."""
        self._do("GLARE")

    def offer(self, offer: str) -> None:
        """Offer other media by an INVITE within the call; waits for no response."""
        self._do("INVITE", offer)

    def reinvite(self, offer: str) -> SipMessage:
        """Offer other media by an INVITE within the call."""
        self.offer(offer)
        return self.answered()

    def reinvite_late(self, answer: str) -> SipMessage:
        """Send an INVITE within the call without an offer; our ACK answers that of the response (RFC 3261 14.1)."""
        self._do("LATE", answer)
        return self.answered()

    def update(self, offer: str) -> SipMessage:
        """Offer other media by UPDATE (RFC 3311)."""
        self._do("UPDATE", offer)
        return self._response("UPDATE")

    def refer(self, target: str) -> SipMessage:
        """Transfer the other party to a Refer-To (RFC 3515), such as `<sip:556@host>`."""
        self._do("REFER", "", f"X-Refer-To: {target}")
        return self._response("REFER")

    def leave(self) -> None:
        """Send a BYE; waits for no response."""
        self._do("BYE")

    def hang_up(self) -> SipMessage:
        """End the call."""
        self.leave()
        return self._response("BYE")

    def ended(self) -> SipMessage:
        """Wait for the BYE of the other side."""
        return self._arrived(lambda message: message.start.startswith("BYE "), "a BYE")

    def cancelled(self) -> SipMessage:
        """Wait for the CANCEL of an INVITE."""
        return self._arrived(lambda message: message.start.startswith("CANCEL "), "a CANCEL")

    def _do(self, method: str, body: str = "", *fields: str) -> None:
        """Tell SIPp what to do next in the call, and wait until it has.

        It drops what arrives between the message that it has just taken and the step that follows from it.
        """
        head = [
            f"DO-{method} sip:phone SIP/2.0",
            f"Call-ID: {self._call_id}",
            "To: phone",
            f"CSeq: 0 DO-{method}",
            f"X-Number: {next(self._requests)}",
        ]
        words = "\r\n".join([*head, *fields, "", body])
        self._seen = len(self.messages)
        for _ in range(_TRIES):
            execute("edge", "bash", "-c", _SEND, EDGE, str(self._port), words)
            with suppress(LabError):
                self._sent(_SENDS[method])
                return
        raise LabError(f"{self.name} does not {method} after {[m.start for m in self.messages[-4:]]}")

    def _response(self, method: str) -> SipMessage:
        def final(message: SipMessage) -> bool:
            answers = (message.header("CSeq") or "").endswith(f" {method}")
            return answers and bool(re.match(r"SIP/2\.0 [2-6]", message.start))

        return self._arrived(final, f"a response to {method}")

    def _arrived(self, wanted: Callable[[SipMessage], bool], what: str) -> SipMessage:
        """Wait for a message that has arrived since the test's last word, and take that as read."""

        def found() -> SipMessage | None:
            for number, message in enumerate(messages := self.messages):
                if number >= self._seen and message.arrived and wanted(message):
                    self._seen = number + 1
                    return messages[number]
            return None

        return wait_until(found, within=10, what=f"{what} at {self.name}")

    def _sent(self, start: str) -> None:
        wait_until(
            lambda: any(not m.arrived and m.start.startswith(start) for m in self.messages[self._seen :]),
            within=1,
            what=f"{self.name} to send {start}",
        )
