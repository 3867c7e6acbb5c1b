"""One OpenFlow 1.3 connection. Every request ends with its reply, the switch's error, or a timeout."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NoReturn

from stasis_offload.errors import OpenFlowError, SwitchUnavailableError
from stasis_offload.measures import Requests
from stasis_offload.openflow import decode, encode
from stasis_offload.openflow.decode import VERSION, VERSION_NAMES, Framer, Message, MessageKind
from stasis_offload.openflow.endpoint import Endpoint
from stasis_offload.openflow.pending import PendingRequest, Reply
from stasis_offload.openflow.transport import cause_of, connect

MAX_UNSENT = 1 << 24  # bytes that the switch has yet to read; 16 MiB is more than 50,000 flows
MAX_XID = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts in seconds: connect and hello, reply, and idle time before an echo request.

    A switch that is busy answers late, and does then what it was asked. So a reply is waited for as long as the switch may be
    silent altogether: sooner, its outcome would be unknown for nothing.
    """

    connect: float = 5.0
    answer: float = 10.0
    silence: float = 5.0


@asynccontextmanager
async def open_channel(
    endpoint: Endpoint, *, on_message: Callable[[Message], None], timeouts: Timeouts
) -> AsyncIterator["Channel"]:
    """Connect, negotiate OpenFlow 1.3 and yield the channel; when the connection ends, the block is cancelled.

    `on_message` gets every packet-in, flow-removed and port-status, in order, and errors of which no request is told.

    Raises:
        SwitchUnavailableError: the switch was not reached, or the connection ended.
        OpenFlowError: there is no common version, or the switch does not send OpenFlow.

    """

    def accept() -> Channel:
        return Channel(on_message=on_message, timeouts=timeouts)

    channel = await connect(endpoint, accept, deadline=timeouts.connect)
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(channel.run())
            await channel.handshake()
            yield channel
            reading.cancel()
    except BaseExceptionGroup as group:
        expected, defects = group.split(OpenFlowError)
        if expected is None or defects is not None:
            raise
        # Python 3.11's task group drops a cancellation when a task of it fails.
        if task and task.cancelling() > before:
            raise asyncio.CancelledError from None
        # What ended the connection, rather than a request that got no answer by that.
        raise (channel.failure or _first(expected)) from None
    finally:
        channel.close()


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


class Channel(asyncio.Protocol):
    """Requests and messages of one connection. Requests may overlap; each has its own transaction id.

    What arrives is handled where it is received: a task that wakes for it would cost more than most of the messages. `failure`
    is why the connection ended, if it has; `measured` is of its requests.
    """

    _transport: asyncio.Transport

    def __init__(self, *, on_message: Callable[[Message], None], timeouts: Timeouts) -> None:
        self._on_message = on_message
        self._timeouts = timeouts
        self._framer = Framer()
        self._received_at = 0.0
        self.failure: Exception | None = None
        self.measured = Requests()
        self._lost = asyncio.Event()
        self._later: list[bytes] | None = None
        self._xid = 0
        self._pending: dict[int, PendingRequest] = {}
        self._greeted = asyncio.Event()
        self._closed = asyncio.Event()
        self._ended = ""

    def new_xid(self) -> int:
        """Return a transaction id that no pending request uses."""
        self._xid = self._xid % MAX_XID + 1
        return self._xid

    def send(self, data: bytes) -> None:
        """Send messages without waiting for a reply.

        Raises:
            SwitchUnavailableError: the connection ended, or the switch has stopped reading it.

        """
        if self._closed.is_set() or self.failure:
            raise SwitchUnavailableError(self._ended or str(self.failure))
        if self._transport.get_write_buffer_size() > MAX_UNSENT:
            self.close(f"the switch has not read the last {MAX_UNSENT >> 20} MiB sent to it")
            raise SwitchUnavailableError(self._ended)
        if self._later is None:
            self._transport.write(data)
            self._later = []
            asyncio.get_running_loop().call_soon(self._write_buffer)
        else:
            self._later.append(data)

    def _write_buffer(self) -> None:
        """Write all but the first message of one event loop iteration, for many changes, in one system call."""
        if self._later and not self._closed.is_set():
            self._transport.write(b"".join(self._later))
        self._later = None

    async def send_and_confirm(self, xid: int, data: bytes) -> None:
        """Send messages of one transaction; return when the switch has carried out all of them.

        Raises:
            OpenFlowError: the switch refused one; those before and after it may have been carried out.
            SwitchUnavailableError: the connection ended, or the reply timed out; any may have been carried out.

        """
        await self.request(xid, data + encode.barrier(xid), MessageKind.BARRIER_REPLY)

    async def send_and_confirm_each(self, *transactions: tuple[int, bytes]) -> list[OpenFlowError | None]:
        """Send transactions together; return the error of each, or None, when all are carried out.

        Raises:
            SwitchUnavailableError: as `send_and_confirm`.

        """
        barriers = b"".join(encode.barrier(xid) for xid, _ in transactions)
        data = b"".join(data for _, data in transactions) + barriers
        answers = await self._exchange(
            data, dict.fromkeys((xid for xid, _ in transactions), MessageKind.BARRIER_REPLY)
        )
        for answer in answers:
            if isinstance(answer, SwitchUnavailableError):
                raise answer
        return [answer if isinstance(answer, OpenFlowError) else None for answer in answers]

    async def request(self, xid: int, data: bytes, kind: MessageKind) -> list[Message]:
        """Send messages of one transaction; return the reply of that kind, with all its parts.

        Raises:
            OpenFlowError: the switch refused a message.
            SwitchUnavailableError: the connection ended, or the reply timed out.

        """
        (answer,) = await self._exchange(data, {xid: kind})
        if isinstance(answer, OpenFlowError):
            raise answer
        return answer

    def request_now(self, requests: Mapping[int, bytes], kind: MessageKind) -> asyncio.Task[list[Reply]]:
        """Send requests at once, before anything sent later; the task returns each reply of that kind, or its error."""
        waiting = self._send(b"".join(requests.values()), dict.fromkeys(requests, kind))
        return asyncio.ensure_future(self._answers(waiting))

    async def _exchange(self, data: bytes, kinds: Mapping[int, MessageKind]) -> list[Reply]:
        """Send messages; return the result of each transaction."""
        return await self._answers(self._send(data, kinds))

    def _send(self, data: bytes, kinds: Mapping[int, MessageKind]) -> dict[int, PendingRequest]:
        create = asyncio.get_running_loop().create_future
        waiting = {xid: PendingRequest(kind, create()) for xid, kind in kinds.items()}
        self.send(data)
        self._pending.update(waiting)
        return waiting

    async def _answers(self, waiting: Mapping[int, PendingRequest]) -> list[Reply]:
        loop = asyncio.get_running_loop()
        late, began = loop.call_later(self._timeouts.answer, self._give_up, waiting), loop.time()
        try:
            answers = [await each.answer for each in waiting.values()]
        finally:
            late.cancel()
            for xid in waiting:
                del self._pending[xid]
        for answer in answers:
            if isinstance(answer, SwitchUnavailableError):
                self.measured.unanswered()
            elif isinstance(answer, OpenFlowError):
                self.measured.refused(loop.time() - began)
            else:
                self.measured.answered(loop.time() - began)
        return answers

    def _give_up(self, waiting: Mapping[int, PendingRequest]) -> None:
        for each in waiting.values():
            each.fail(f"no answer from the switch within {self._timeouts.answer:g} s")

    async def handshake(self) -> None:
        """Negotiate OpenFlow 1.3 with the switch.

        Raises:
            SwitchUnavailableError: no hello before the timeout.

        """
        self.send(encode.hello(self.new_xid()))
        try:
            async with asyncio.timeout(self._timeouts.connect):
                await self._greeted.wait()
        except TimeoutError:
            raise SwitchUnavailableError(
                f"no OpenFlow hello from the switch within {self._timeouts.connect:g} s"
            ) from None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Use a connection that has just been made."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"a stream is needed, not {transport!r}")
        self._transport = transport
        self._received_at = asyncio.get_running_loop().time()

    def data_received(self, data: bytes) -> None:
        """Handle what has been received."""
        self._received_at = asyncio.get_running_loop().time()
        try:
            for message in self._framer.feed(data):
                self._handle(message)
        except Exception as error:  # noqa: BLE001 - `run` raises it
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Record that the connection has ended."""
        if isinstance(exc, OSError):
            self._fail(SwitchUnavailableError(f"the connection to the switch broke: {cause_of(exc)}"))
        else:
            self._fail(exc or SwitchUnavailableError(self._ended or "the switch closed the connection"))

    def _fail(self, error: Exception) -> None:
        self.failure = self.failure or error
        self._lost.set()
        self._transport.abort()

    async def run(self) -> NoReturn:
        """Wait until the connection ends; detect a dead peer by echo requests.

        Raises:
            SwitchUnavailableError: the connection ended.
            OpenFlowError: the switch sent something other than OpenFlow 1.3.

        """
        probed_at = 0.0
        silence = self._timeouts.silence
        while self.failure is None:
            probing = probed_at > self._received_at
            try:
                async with asyncio.timeout_at((probed_at if probing else self._received_at) + silence):
                    await self._lost.wait()
            except TimeoutError:
                now = asyncio.get_running_loop().time()
                if probing and probed_at > self._received_at:
                    raise SwitchUnavailableError(
                        f"nothing received from the switch for {2 * silence:g} s"
                    ) from None
                if now >= self._received_at + silence:
                    self.send(encode.echo_request(self.new_xid()))
                    probed_at = now
        raise self.failure

    async def closed(self) -> NoReturn:
        """Wait until the connection ends, which cancels the `open_channel` block."""
        await self._closed.wait()
        raise SwitchUnavailableError(self._ended)

    def close(self, reason: str = "the connection to the switch ended") -> None:
        """Close the connection at once; every pending request fails."""
        self._ended = reason
        self._closed.set()
        self._transport.abort()
        for waiting in self._pending.values():
            waiting.fail("the connection to the switch ended before its answer came")

    def _handle(self, message: Message) -> None:
        if not self._greeted.is_set():
            self._negotiate(message)
            return
        if message.version != VERSION:
            name = VERSION_NAMES[message.version]
            raise OpenFlowError(f"the switch sent OpenFlow {name} after agreeing on 1.3")
        waiting = self._pending.get(message.xid)
        match message.kind:
            case MessageKind.ECHO_REQUEST:
                self.send(encode.echo_reply(message.xid, message.body))
            case MessageKind.PACKET_IN | MessageKind.FLOW_REMOVED | MessageKind.PORT_STATUS:
                self._on_message(message)
            case _ if waiting is not None:
                waiting.accept(message)
            case MessageKind.ERROR:
                self._on_message(message)

    def _negotiate(self, message: Message) -> None:
        match message.kind:
            case MessageKind.HELLO:
                versions = decode.parse_hello(message)
            case MessageKind.ERROR:
                raise OpenFlowError(decode.parse_error(message))
            case _:
                raise OpenFlowError(f"the switch began with message type {message.kind} instead of a hello")
        if VERSION not in versions:
            self.send(encode.hello_failed(message.xid))
            offers = ", ".join(VERSION_NAMES.get(version, f"0x{version:02x}") for version in sorted(versions))
            raise OpenFlowError(
                f"the switch offers OpenFlow {offers or 'nothing'}, but not 1.3"
                " (ovs-vsctl set bridge BRIDGE protocols=OpenFlow13)"
            )
        self._greeted.set()
