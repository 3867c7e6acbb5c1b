"""A request on its way: what has come of its reply, and how it ends."""

import asyncio
from dataclasses import dataclass, field

from stasis_offload.errors import OpenFlowError, SwitchUnavailableError
from stasis_offload.openflow import decode
from stasis_offload.openflow.decode import Message, MessageKind

MAX_ANSWER = 1 << 26  # bytes of one multipart reply; 64 MiB is more than 200,000 flows

Reply = list[Message] | OpenFlowError
"""The result of one transaction: the messages of the requested kind, or the error."""


@dataclass(slots=True)
class PendingRequest:
    """A request without its reply yet: one message of `kind`, or several if it is a multipart reply."""

    kind: MessageKind
    answer: asyncio.Future[Reply]
    _parts: list[Message] = field(default_factory=list)
    _size: int = 0
    _refusal: OpenFlowError | None = None

    def fail(self, reason: str) -> None:
        """Answer that there is no answer, unless there is one."""
        if not self.answer.done():
            self.answer.set_result(SwitchUnavailableError(reason))

    def accept(self, message: Message) -> None:
        """Take what the switch sent in this transaction: a part of the reply, or an error.

        Of several errors the first counts. A barrier is answered after the errors of all that was sent before it, so that is
        waited for: else the errors that follow would be nobody's.

        Raises:
            OpenFlowError: the reply is longer than MAX_ANSWER.

        """
        if self.answer.done():
            return
        if message.kind == MessageKind.ERROR:
            self._refusal = self._refusal or decode.refusal(message)
            if self.kind != MessageKind.BARRIER_REPLY:
                self.answer.set_result(self._refusal)
        elif message.kind == self.kind:
            self._parts.append(message)
            self._size += len(message.body)
            if self._size > MAX_ANSWER:
                raise OpenFlowError(f"the switch's answer is larger than {MAX_ANSWER >> 20} MiB")
            if message.kind != MessageKind.MULTIPART_REPLY or not decode.has_more(message):
                self.answer.set_result(self._refusal or self._parts)
