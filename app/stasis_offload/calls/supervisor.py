"""Starts and adopts calls; rejects callers, and hangs up orphans."""

import asyncio

import structlog

from stasis_offload.asterisk.ari_events import Channel, StasisStart
from stasis_offload.calls.ari_commands import leave_to_dial
from stasis_offload.calls.background import Background
from stasis_offload.calls.call import Call
from stasis_offload.calls.call_views import ended_call
from stasis_offload.calls.gateways import Gateways
from stasis_offload.calls.learning_queue import SET_UP_WITHIN
from stasis_offload.calls.offload_gate import OffloadGate
from stasis_offload.calls.registry import Registry
from stasis_offload.calls.transfers import Transfers
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.state import Tuning
from stasis_offload.signalling.ari_mapping import started
from stasis_offload.signalling.causes import Cause
from stasis_offload.signalling.dial_args import parse_dial
from stasis_offload.signalling.option_arguments import DialArgumentError
from stasis_offload.signalling.state import Dialing

# Callers whose calls are counted: those that came last. Of others no callee is left.
_COUNTED = 10_000


class Supervisor:
    """Runs every call from its start, or its adoption after a restart, to its end; `tuning` is that of those to come."""

    def __init__(
        self,
        registry: Registry,
        *,
        gateways: Gateways,
        tuning: Tuning,
        gate: OffloadGate,
        transfers: Transfers,
        background: Background,
    ) -> None:
        self._registry = registry
        self._gateways = gateways
        self.tuning = tuning
        self._gate = gate
        self._transfers = transfers
        self._background = background
        self._reentries: dict[str, StasisStart] = {}
        self._entries: dict[str, int] = {}
        self._log = structlog.get_logger(__name__)

    def start(self, channel: Channel, args: tuple[str, ...]) -> None:
        """Start the call of a channel that entered the application with these arguments."""
        try:
            request = parse_dial(args, channel.place)
        except DialArgumentError as error:
            self.reject(channel.id, error)
            return
        self._log.debug(
            "call.new",
            call=channel.id,
            caller=channel.name,
            number=channel.caller,
            targets=list(request.targets),
        )
        learning = self._gateways.learning
        learning.begin_set_up(channel.id)
        asyncio.get_running_loop().call_later(SET_UP_WITHIN, learning.end_set_up, channel.id)
        self.adopt(channel, Dialing(request)).post(started(channel))

    def adopt(
        self,
        caller: Channel,
        dialing: Dialing,
        *,
        earlier_packets: int | None = None,
        entry: int | None = None,
    ) -> Call:
        """Run a call from a signalling state: a new one, or one of an earlier process.

        Of the latter, `earlier_packets` is what was forwarded, and `entry` which of its caller's calls it is.
        """
        call = Call(
            caller,
            dialing,
            gateways=self._gateways,
            tuning=self.tuning,
            blocks=frozenset(self._gate.blocks),
            on_connected=self._transfers.optimize,
        )
        call.legs.entry = self._count(caller.id, entry)
        if earlier_packets is not None:
            call.media.continue_from(earlier_packets)
        self._registry.add(call)
        self._gateways.statistics.begun["new" if earlier_packets is None else "adopted"] += 1
        self._background.start(self._run(call), call=call.id)
        return call

    def _count(self, caller: str, entry: int | None) -> int:
        """Count a call of a caller; return which of its calls it is, from 0."""
        counted = self._entries.pop(caller, -1) + 1
        self._entries[caller] = counted if entry is None else entry
        if len(self._entries) > _COUNTED:
            del self._entries[next(iter(self._entries))]
        return self._entries[caller]

    def restart_later(self, event: StasisStart) -> None:
        """Start the next call of a caller once its present call is over, because both have the same id."""
        self._reentries[event.channel.id] = event

    def cancel_restart(self, channel: str) -> None:
        """Cancel `restart_later`: the channel has left."""
        self._reentries.pop(channel, None)

    def hang_up_orphan(self, channel: str) -> None:
        """Hang up a channel whose call no longer exists."""
        self._log.warning("channel.orphan", channel=channel)
        hang_up = self._gateways.ari.hang_up(channel, cause=Cause.NORMAL_CLEARING)
        self._background.start(hang_up, channel=channel)

    def reject(self, caller: str, error: DialArgumentError) -> None:
        """Continue a caller in the dialplan because its arguments cannot be dialled, as Dial() would."""
        self._gateways.statistics.passed_by[ReasonKind.ARGUMENTS] += 1
        self._log.info("call.refused", call=caller, error=str(error))
        rejected = leave_to_dial(self._gateways.ari, caller, ReasonKind.ARGUMENTS)
        self._background.start(rejected, call=caller)

    async def _run(self, call: Call) -> None:
        try:
            await call.run()
        except Exception:  # noqa: BLE001 - a defect in one call must not end the others
            self._log.exception("call.defect", call=call.id)
        finally:
            now = asyncio.get_running_loop().time()
            self._registry.remove(call)
            self._registry.ended.add(ended_call(call, now))
            call.media.record.note_end(call.media.placement, call.media.quality, now)
        again = self._reentries.pop(call.id, None)
        if again:
            self.start(again.channel, again.args)
