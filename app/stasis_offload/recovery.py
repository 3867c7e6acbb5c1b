"""Asterisk is the state: after a lost connection, or a restart of ours, what it holds is read and put right."""

import asyncio
from collections.abc import Iterable, Mapping

import structlog

from stasis_offload.calls import Calls
from stasis_offload.dialing import Dialing, Phase, missed, resume
from stasis_offload.dialstring import DialArgumentError, call_of_bridge, call_of_callee, parse_dial
from stasis_offload.eligibility import UP
from stasis_offload.errors import AriError
from stasis_offload.events import Channel
from stasis_offload.signals import DialStatus, Started

STASIS = "Stasis"
# A reading that failed is tried again at this interval (s), until the next connection begins another.
TRY_AGAIN = 1.0


class Recovery:
    """Compares the calls we know with the channels that Asterisk has, whenever we may have missed something."""

    def __init__(self, calls: Calls, *, app: str, tasks: asyncio.TaskGroup) -> None:
        self._calls = calls
        self._app = app
        self._tasks = tasks
        self._running: asyncio.Task[None] | None = None
        self._log = structlog.get_logger(__name__)

    def begin(self) -> None:
        """Start over: events are delivered again from this moment on."""
        if self._running:
            self._running.cancel()
        known = frozenset(call.id for call in self._calls)
        self._running = self._tasks.create_task(self._run(known))

    async def _run(self, known: frozenset[str]) -> None:
        while True:
            try:
                await self._recover(known)
            except AriError as error:
                self._log.warning("recovery.failed", error=str(error))
            else:
                return
            await asyncio.sleep(TRY_AGAIN)

    async def _recover(self, known: frozenset[str]) -> None:
        """Take over calls of an earlier process, tell calls what they missed, hang up what has no call.

        What happens to a call once it is ours comes as an event; what happened before is in the second reading.
        """
        channels = await self._channels()
        callees = _callees(channels.values())
        taken = set()
        for channel in channels.values():
            if self._is_left_behind(channel) and await self._take_over(channel, callees.get(channel.id, {})):
                taken.add(channel.id)
        channels = await self._channels()
        callees = _callees(channels.values())
        for call in self._calls:
            if call.id in known | taken:
                up = {n: channel.state == UP for n, channel in callees.get(call.id, {}).items()}
                here = self._arguments(channels.get(call.id)) is not None
                for event in missed(call.dialing, caller_here=here, callees=up):
                    call.post(event)
                if call.dialing.phase is Phase.NEW:
                    call.post(Started())
        await self._clear(channels, callees)

    def _is_left_behind(self, channel: Channel) -> bool:
        return self._arguments(channel) is not None and self._calls.get(channel.id) is None

    async def _take_over(self, caller: Channel, mine: Mapping[int, Channel]) -> bool:
        """Own a call that an earlier process began, or that entered while nobody listened."""
        try:
            request = parse_dial(self._arguments(caller) or ())
        except DialArgumentError as error:
            if not mine:
                self._calls.refuse(caller.id, error)
            return False
        status = await self._calls.ari.get_variable(caller.id, "DIALSTATUS")
        answered = status == DialStatus.ANSWER
        up = {n: channel.state == UP for n, channel in mine.items()}
        if self._calls.get(caller.id):
            return False
        self._log.info("call.taken_over", call=caller.id, answered=answered)
        if not mine and not status:
            self._calls.own(caller, Dialing(request))
            return True
        now = asyncio.get_running_loop().time()
        dialing = resume(request, answered=answered, callees=up, now=now)
        call = self._calls.own(caller, dialing)
        for n, channel in mine.items():
            call.note_callee(n, channel)
        if answered and dialing.winner is not None and up.get(dialing.winner):
            call.mover.connect(caller=caller.id, callee=mine[dialing.winner].id)
        return True

    async def _clear(
        self, channels: Mapping[str, Channel], callees: Mapping[str, Mapping[int, Channel]]
    ) -> None:
        """Hang up callees and destroy bridges whose caller is in nobody's application any more."""
        owned = {channel.id for channel in channels.values() if channel.application == STASIS}
        for call, mine in callees.items():
            if call not in owned and self._calls.get(call) is None:
                for channel in mine.values():
                    self._calls.hang_up_orphan(channel.id)
        for bridge in await self._calls.ari.bridges():
            owner = call_of_bridge(bridge.id)
            if owner and owner not in owned and self._calls.get(owner) is None:
                await self._calls.ari.destroy_bridge(bridge.id)

    async def _channels(self) -> dict[str, Channel]:
        return {channel.id: channel for channel in await self._calls.ari.channels()}

    def _arguments(self, channel: Channel | None) -> list[str] | None:
        """Return the arguments of our application that a channel is in; None when it is in none of ours."""
        if channel is None or channel.application != STASIS or call_of_callee(channel.id):
            return None
        app, *arguments = channel.arguments.split(",")
        return arguments if app == self._app else None


def _callees(channels: Iterable[Channel]) -> dict[str, dict[int, Channel]]:
    """Sort the channels that we dialled by call and number of the target."""
    found: dict[str, dict[int, Channel]] = {}
    for channel in channels:
        dialled = call_of_callee(channel.id)
        if dialled:
            found.setdefault(dialled[0], {})[dialled[1]] = channel
    return found
