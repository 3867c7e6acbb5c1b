"""Asterisk is the state: after a lost connection, or a restart of ours, what it holds is read and put right."""

import asyncio
from collections.abc import Iterable, Mapping

import structlog

from stasis_offload.calls import Calls
from stasis_offload.dialing import missed, resume
from stasis_offload.dialstring import DialArgumentError, call_of_bridge, call_of_callee, parse_dial
from stasis_offload.eligibility import UP
from stasis_offload.events import Channel
from stasis_offload.signals import DialStatus

STASIS = "Stasis"


class Recovery:
    """Compares the calls we know with the channels that Asterisk has."""

    def __init__(self, calls: Calls, *, app: str) -> None:
        self._calls = calls
        self._app = app
        self._log = structlog.get_logger(__name__)

    async def run(self) -> None:
        """Tell known calls what they missed, take over calls of an earlier process, dismiss what has no call.

        Raises:
            AriError: Asterisk could not be read; the next connection tries again.

        """
        known = {call.id for call in self._calls}
        channels = {channel.id: channel for channel in await self._calls.ari.channels()}
        bridges = await self._calls.ari.bridges()
        callees = _callees(channels.values())
        for call in self._calls:
            if call.id not in known:
                continue  # began after the reading
            mine = callees.get(call.id, {})
            here = self._arguments(channels.get(call.id)) is not None
            up = {n: channel.state == UP for n, channel in mine.items()}
            for event in missed(call.dialing, caller_here=here, callees=up):
                call.post(event)
        for id_, channel in channels.items():
            arguments = self._arguments(channel)
            if arguments is not None and id_ not in known and self._calls.get(id_) is None:
                await self._take_over(channel, arguments, callees.get(id_, {}))
        for id_, mine in callees.items():
            if self._calls.get(id_) is None:
                for channel in mine.values():
                    self._calls.dismiss(channel.id)
        for bridge in bridges:
            owner = call_of_bridge(bridge.id)
            if owner and self._calls.get(owner) is None:
                await self._calls.ari.destroy_bridge(bridge.id)

    def _arguments(self, channel: Channel | None) -> list[str] | None:
        """Return the arguments of our application that a channel is in; None when it is in none of ours."""
        if channel is None or channel.application != STASIS or call_of_callee(channel.id):
            return None
        app, *arguments = channel.arguments.split(",")
        return arguments if app == self._app else None

    async def _take_over(self, caller: Channel, arguments: list[str], mine: Mapping[int, Channel]) -> None:
        try:
            request = parse_dial(arguments)
        except DialArgumentError as error:
            self._log.warning("call.not_taken_over", call=caller.id, error=str(error))
            return
        status = await self._calls.ari.get_variable(caller.id, "DIALSTATUS")
        up = {n: channel.state == UP for n, channel in mine.items()}
        answered = status == DialStatus.ANSWER
        now = asyncio.get_running_loop().time()
        dialing = resume(request, answered=answered, callees=up, now=now)
        if self._calls.get(caller.id):
            return
        self._log.info("call.taken_over", call=caller.id, answered=answered)
        call = self._calls.own(caller, dialing)
        for n, channel in mine.items():
            call.note_callee(n, channel)
        for event in missed(dialing, caller_here=True, callees=up):
            call.post(event)
        if answered and dialing.winner is not None and up.get(dialing.winner):
            call.mover.connect(caller=caller.id, callee=mine[dialing.winner].id)


def _callees(channels: Iterable[Channel]) -> dict[str, dict[int, Channel]]:
    """Sort the channels that we dialled by call and number of the target."""
    found: dict[str, dict[int, Channel]] = {}
    for channel in channels:
        dialled = call_of_callee(channel.id)
        if dialled:
            found.setdefault(dialled[0], {})[dialled[1]] = channel
    return found
