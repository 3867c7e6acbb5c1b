"""Both ends of every call through an Asterisk: the callers and the callees, on one SIP port."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

from tests.bench.generator import sip
from tests.bench.generator.sip import Message
from tests.bench.generator.talker import Endpoint, Stream, Talker

# As node 2 knows them (lab/asterisk2/pjsip_phone.conf and extensions.conf).
SIP_PORT = 5070
ANSWERED_WITHIN = 20.0
# A request is sent again after so long, and then after twice as long each time (RFC 3261, 17.1.1.2: T1). A busy Asterisk
# ignores new calls and counts on it (distributor() in res/res_pjsip/pjsip_distributor.c).
AGAIN_AFTER = 0.5
# The SSRC tells whose stream it is: a call's number, and the leg in the lowest bit.
CALLER, CALLEE = 0, 1


class CallError(Exception):
    """A call did not come about; the text is one sentence."""


def ssrc_of(number: int, leg: int) -> int:
    """Choose the SSRC of one leg of a call."""
    return 0x5E00_0000 | number << 1 | leg


@dataclass(slots=True)
class Placed:
    """A call of ours: its INVITE, our stream, what came of the INVITE, and whether the BYE was answered."""

    invited: Message
    stream: Stream
    answer: asyncio.Future[Message]
    under_way: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Phones(asyncio.DatagramProtocol):
    """Phones that answer at once, and talk from then on."""

    def __init__(self, here: Endpoint, talker: Talker, *, prefix: str) -> None:
        self._here = here
        self._prefix = prefix
        self._talker = talker
        self._placed: dict[str, Placed] = {}
        self._answered: dict[str, tuple[Message, Stream]] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket (asyncio)."""
        if not isinstance(transport, asyncio.DatagramTransport):
            raise TypeError(transport)
        self._transport = transport

    async def call(self, number: int, server: Endpoint) -> Placed:
        """Call, and talk once it is answered.

        Raises:
            CallError: it is refused, or not answered in time.

        """
        call_id = f"{number}-{uuid4().hex}"
        stream = Stream(self._here[0], ssrc_of(number, CALLER))
        uri = sip.uri_of(f"{self._prefix}{number}", server)
        invited = sip.invite(uri, call_id=call_id, caller=str(number), here=self._here, media=stream.local)
        placed = Placed(invited, stream, asyncio.get_running_loop().create_future())
        self._placed[call_id] = placed
        try:
            async with asyncio.timeout(ANSWERED_WITHIN):
                await self._send_until(placed.under_way, invited, server)
                await placed.answer
        except TimeoutError:
            raise CallError(f"call {number} was not answered within {ANSWERED_WITHIN:g} s") from None
        return placed

    async def hang_up(self, placed: Placed, server: Endpoint) -> None:
        """End a call that was answered, and wait until that is confirmed.

        Raises:
            CallError: it is not confirmed in time.

        """
        placed.stream.end()
        bye = sip.within(placed.invited, placed.answer.result(), "BYE", here=self._here)
        try:
            async with asyncio.timeout(ANSWERED_WITHIN):
                await self._send_until(placed.over, bye, server)
        except TimeoutError:
            call_id = placed.invited.headers["call-id"]
            raise CallError(f"the end of {call_id} was not confirmed within {ANSWERED_WITHIN:g} s") from None

    def datagram_received(self, data: bytes, addr: Endpoint) -> None:
        """Do what a message asks for (asyncio)."""
        message = sip.parse(data)
        if message.status is not None:
            self._heard(message, message.status, addr)
        elif message.method == "INVITE":
            self._take(message, addr)
        elif message.method != "ACK":
            if message.method == "BYE" and message.headers["call-id"] in self._answered:
                self._answered[message.headers["call-id"]][1].end()
            self._answer(message, "200 OK", addr)

    def _heard(self, message: Message, status: int, sender: Endpoint) -> None:
        placed = self._placed.get(message.headers["call-id"])
        if placed is None:
            return
        placed.under_way.set()
        if status < 200:
            return
        if message.method == "BYE":
            placed.over.set()
        elif status >= 300:
            if not placed.answer.done():
                placed.answer.set_exception(CallError(f"a call was refused: {message.start}"))
        else:
            # Asterisk answers again until it sees this.
            self._send(sip.within(placed.invited, message, "ACK", here=self._here), sender)
            if not placed.answer.done():
                placed.stream.remote = sip.media_of(message.body)
                self._talker.add(placed.stream)
                placed.answer.set_result(message)

    def _take(self, message: Message, sender: Endpoint) -> None:
        call_id = message.headers["call-id"]
        if call_id in self._answered:
            self._send(self._answered[call_id][0], sender)
            return
        stream = Stream(self._here[0], ssrc_of(int(message.user), CALLEE), sip.media_of(message.body))
        answer = self._answer(message, "200 OK", sender, stream)
        self._answered[call_id] = (answer, stream)
        self._talker.add(stream)

    def _answer(self, request: Message, status: str, to: Endpoint, stream: Stream | None = None) -> Message:
        answer = sip.answer(
            request,
            status,
            contact=sip.uri_of("bench", self._here),
            tag="bench",
            media=stream.local if stream else None,
        )
        self._send(answer, to)
        return answer

    async def _send_until(self, heard: asyncio.Event, request: Message, to: Endpoint) -> None:
        """Send a request again and again, ever less often, until something is heard of it."""
        wait = AGAIN_AFTER
        while not heard.is_set():
            self._send(request, to)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await heard.wait()
            wait *= 2

    def _send(self, message: Message, to: Endpoint) -> None:
        if self._transport is None:
            raise CallError("not connected")
        self._transport.sendto(bytes(message), to)
