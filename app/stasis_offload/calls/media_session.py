"""Runs the media machine of one call: queries the module, sets flows, reads counters."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import assert_never

from structlog.typing import FilteringBoundLogger

from stasis_offload.calls.call_flows import CallFlows
from stasis_offload.calls.features import CallFeatures
from stasis_offload.calls.gateways import Gateways
from stasis_offload.calls.homer_reports import HomerReports
from stasis_offload.calls.leg_queries import LegQueries
from stasis_offload.calls.media_monitor import MediaMonitor
from stasis_offload.calls.media_record import MediaRecord
from stasis_offload.calls.packet_budget import PacketBudget
from stasis_offload.calls.runner import MachineRunner
from stasis_offload.calls.turns import Turns
from stasis_offload.errors import OpenFlowError, SwitchUnavailableError, TableFullError
from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.machine import passes_query, step, supersedes
from stasis_offload.media.mirrored import mirrored
from stasis_offload.media.path import Leg, SwitchPort
from stasis_offload.media.quality import Quality
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.relaying import Step, abandon
from stasis_offload.media.roles import Duty, Role
from stasis_offload.media.rtcp_relay import with_reports
from stasis_offload.media.state import Phase, Placement, State, Tuning
from stasis_offload.media.usual_rtcp import UsualRtcp
from stasis_offload.openflow.events import FlowRemoved, Removal
from stasis_offload.openflow.flow import FlowCount
from stasis_offload.packets.rtcp import Packet, parse_packets

# RTP of a call that is learned.
_SHOWN = ev.PacketObserved | ev.PacketRelayed

# While so many events wait, RTCP and answers to STUN are not passed on: nobody can keep a call busy with them, and its end
# waiting. A phone sends twelve STUN requests at once, each of which is three events.
_MAX_QUEUED = 64


class MediaSession:
    """The media of one call, from its start to its end; `record` is what is kept of it."""

    def __init__(
        self,
        call: str,
        *,
        gateways: Gateways,
        tuning: Tuning,
        blocks: frozenset[ReasonKind],
        on_change: Callable[[Placement], None],
        log: FilteringBoundLogger,
    ) -> None:
        self._call = call
        self._flows = CallFlows(call, gateways.switches)
        self._learning = gateways.learning
        self._turns = Turns(call, learning=gateways.learning, flows=self._flows, post=self.post)
        self._on_change = on_change
        self._features: CallFeatures | None = None
        self._log = log
        self.record = MediaRecord(gateways.statistics, log=log)
        self._legs = LegQueries(call, gateways=gateways, log=log)
        self._budget = PacketBudget()
        self._usual = UsualRtcp()
        self._reported: dict[Leg, float] = {}
        self._removed = asyncio.Event()
        self._monitor = MediaMonitor(log=log)
        self._homer = HomerReports(gateways.hep)
        self._machine = MachineRunner[Placement, ev.Event, cmd.Command](
            Placement(call=call, tuning=tuning, blocks=blocks),
            step=self._step,
            on_transition=self._on_transition,
            execute=self._execute,
            expired=ev.DeadlineReached(),
            supersedes=supersedes,
        )

    @property
    def placement(self) -> Placement:
        """The present placement."""
        return self._machine.state

    @property
    def carrier(self) -> str | None:
        """The name of the switch that carries the call, empty if there is but one; None if none does."""
        offloaded = self.placement.state is State.OFFLOADED
        return self._flows.name(self.placement.switch) if offloaded else None

    @property
    def quality(self) -> Quality:
        """The quality of each leg, as far as the switch has carried the call."""
        return self._monitor.quality

    def strangers(self, leg: Leg) -> int:
        """Return how many packets came to a leg's RTP port from elsewhere, as far as the switch showed them."""
        noted = self.placement.strangers.get(leg)
        return (noted.count if noted else 0) + self._budget.refused[Role.of(Duty.GUARD_IN, leg)]

    @property
    def started(self) -> bool:
        """Whether the two channels of the conversation have been in the bridge."""
        return bool(self._legs.channels)

    def continue_from(self, packets: int) -> None:
        """Record, before `run`, that an earlier process had so many packets of the call forwarded, or more."""
        self._machine.state = replace(self.placement, partial=True, earlier_packets=packets)

    def start(self, *, caller: str, callee: str, features: CallFeatures | None = None) -> None:
        """Connect the media machine for the two channels in the bridge; again after a return, or with a replacement.

        The quality is that of the present two channels alone.
        """
        channels = {caller: Leg.CALLER, callee: Leg.CALLEE}
        if channels != self._legs.channels:
            self._legs.channels = channels
            self._homer.end(self.placement, self.quality)
            self._monitor = MediaMonitor(log=self._log)
        self.record.note_answer(_now())
        if self.placement.state is State.RELAYED and not self._learning.has_room(self._call):
            self.post(ev.Blocked(ReasonKind.QUEUED))  # before Asterisk is asked about it
        self._features = features if features and features.featured else None
        self.post(ev.Connected(self._features.featured if self._features else frozenset()))

    def post(self, event: ev.Event) -> asyncio.Event:
        """Post an event to the media machine; return as `MachineRunner.post` does."""
        self._legs.interrupt(event, placement=self.placement, queued=self._machine.queued)
        return self._machine.post(event)

    def on_packet_in(self, role: Role, *, in_port: SwitchPort, frame: bytes) -> None:
        """Handle a packet that a flow of this call mirrored, unless there are too many; of another switch only RTP that is learned from."""
        now, is_own = _now(), in_port.switch == self.placement.switch
        self.record.note_packet_in(role)
        if not is_own and role.duty not in (Duty.LEARN_IN, Duty.LEARN_OUT):
            return
        if not self._budget.admits(role, now) or self._is_usual(role, in_port=in_port, frame=frame, now=now):
            return
        event = mirrored(role, in_port=in_port, frame=frame)
        if event is None or not (is_own or (isinstance(event, _SHOWN) and event.packet)):
            return
        if self._features and is_own:
            self._features.on_mirrored(self.placement, event)
        if isinstance(event, ev.PacketObserved) and event.packet is None:
            self._log.debug("media.not_rtp", leg=role.leg, source=str(event.source))
        if isinstance(event, ev.RtcpReceived | ev.OtherDropped) and len(self._machine.queued) >= _MAX_QUEUED:
            return  # lost, as on a link that is full
        self.post(event)
        if isinstance(event, ev.RtcpReceived):
            own = self._monitor.own_reports(event, placement=self.placement)
            if own:
                self._on_reports(role.leg, own, frame, now)

    def _on_reports(self, leg: Leg, reports: Sequence[Packet], frame: bytes, now: float) -> None:
        self._homer.on_rtcp(leg, reports, frame, self.placement)
        for news in self._monitor.on_report(leg, reports, placement=self.placement, now=now):
            self.post(news)

    def _is_usual(self, role: Role, *, in_port: SwitchPort, frame: bytes, now: float) -> bool:
        """Handle usual RTCP, without the machine: it changes nothing. Return False for all else."""
        if role.duty is not Duty.RTCP:
            known = role.duty in (Duty.RTCP_DROP, Duty.RTCP_OUT)
            return known and self._usual.is_known(self.placement, role.leg, in_port=in_port, frame=frame)
        passed = self._usual.pass_on(self.placement, role.leg, frame)
        if passed is None:
            return False
        self._inject(passed.command)
        self._reported[role.leg] = now
        self._on_reports(role.leg, parse_packets(passed.packets), frame, now)
        return True

    def _step(self, placement: Placement, event: ev.Event, now: float) -> Step:
        reported, self._reported = self._reported, {}
        if isinstance(event, ev.LegsReported):
            event = self._turns.with_room(event)
        return step(with_reports(placement, reported) if reported else placement, event, now)

    def on_flow_removed(self, role: Role, event: FlowRemoved, *, switch: int) -> None:
        """Handle the end of a flow in a switch: it timed out, or another program deleted it; in another switch it tells nothing."""
        if switch != self.placement.switch:
            return
        if event.reason is Removal.IDLE:
            self.post(ev.FlowIdle(role.leg, event.count))
        elif event.reason is Removal.HARD:
            self.post(ev.WithholdingEnded(role.leg))
        elif self.placement.state is State.LEARNING:
            self.post(ev.CommandFailed(ReasonKind.FLOW_LOST))  # nothing of the call is observed any more
        elif self.placement.state is State.OFFLOADED:
            self.record.note_deleted(role, event.reason)
            self.post(ev.FlowDeleted(role.leg, event.count if role.forwards else None))

    async def run(self) -> None:
        """Run the machine until the call ends, and remove what flows of the call are left.

        Cancelled, it leaves them to the end of the process, or to the program that has taken this one's place; if this one goes
        on, to the next comparison with the switch.
        """
        try:
            try:
                await self._machine.run()
                self._homer.end(self.placement, self.quality)
            except Exception:  # noqa: BLE001 - a defect must not end the call: Asterisk relays it
                self._log.exception("media.defect")
                before, self._machine.state = self.placement, abandon(self.placement, _now())
                self.record.note_step(before, self.placement, _now())
                self._on_change(self.placement)
            await self._flows.clear(self.placement.switch)
            self._removed.set()
            await self._flows.settled()
        finally:
            self._flows.abandon()
            self._turns.end()
            self._removed.set()
            self._features = None
            del self._turns, self._on_change  # the call's, which has this: as in runner.py

    def relay_until_start(self) -> asyncio.Event:
        """Return the media to Asterisk until `start`, if that comes; return as `MachineRunner.post` does."""
        return self.post(ev.Blocked(ReasonKind.ENDED))

    async def end(self) -> None:
        """End the media for good; wait until its flows are removed or that has failed."""
        self.post(ev.CallEnded())
        await self._removed.wait()

    def _note_counters(self, counts: Mapping[Role, FlowCount] | None, now: float) -> None:
        by_leg = self.placement.counted(counts or {})
        for event in self._monitor.on_counters(by_leg, now=now):
            self.post(event)

    def _on_transition(self, before: Placement, event: ev.Event, after: Placement, now: float) -> None:
        if isinstance(event, ev.PacketObserved):
            self._monitor.on_rtp_sample(event, placement=before, now=now)
        if isinstance(event, ev.DeadlineReached | ev.CountersRead):
            self._note_counters(event.counts if isinstance(event, ev.CountersRead) else None, now)
        self._homer.on_transition(before, after, self.quality)
        self._turns.follow(before, event, after)
        if before.state is State.OFFLOADED and after.state is not State.OFFLOADED:
            self._monitor.on_relayed()
        self.record.note_step(before, after, now)
        # Learning a call from its packets changes nothing that anybody else reads.
        learning = before.state is after.state is State.LEARNING and before.reason == after.reason
        if after is not before and not (learning and before.leaves_digits is after.leaves_digits):
            self._on_change(after)

    async def _execute(self, commands: tuple[cmd.Command, ...]) -> list[ev.Event]:
        """Carry out commands in their order; skip the rest of an interrupted audit, whose flows will be removed."""
        answers: list[ev.Event] = []
        for command in commands:
            answers += await self._carry_out(command)
            # What passes a query (`beside`) is executed meanwhile, and changes nothing of that.
            asked = isinstance(command, cmd.QueryLegs | cmd.CheckLegs)
            if asked and self._legs.interrupted and self.placement.state is State.OFFLOADED:
                break
        return answers

    async def _carry_out(self, command: cmd.Command) -> Sequence[ev.Event]:
        match command:
            case cmd.SetFlows():
                return await self._set_flows(command)
            case cmd.ProbeSwitch():
                return await self._probe()
            case cmd.SamplePackets():
                return self._sample(command)
            case cmd.InjectPacket():
                return self._inject(command)
            case cmd.QueryLegs():
                return await self._machine.beside(self._legs.query(), passes_query)
            case cmd.CheckLegs(within):
                return await self._machine.beside(self._legs.check(within), passes_query)
            case cmd.ReadCounters():
                return (ev.CountersRead(await self._counts()),)
            case cmd.RemoveFlows():
                return await self._remove_flows(command)
            case _:
                assert_never(command)

    async def _set_flows(self, command: cmd.SetFlows) -> Sequence[ev.Event]:
        before = _now()
        try:
            await self._flows.set(self.placement.switch, command.flows, elsewhere=command.elsewhere)
        except OpenFlowError as error:
            return (self._failed(error),)
        if self.placement.phase is Phase.UNVERIFIED:
            self._log.debug("flows.installed", flows=len(command.flows), ms=_milliseconds(_now() - before))
        return ()

    async def _remove_flows(self, command: cmd.RemoveFlows) -> Sequence[ev.Event]:
        before = _now()
        try:
            counts = await self._flows.remove(self.placement.switch, but=command.but)
        except OpenFlowError as error:
            return (ev.FinalCounters(None), self._failed(error))
        self.record.note_removed(_now())
        self._log.debug("flows.removed", ms=_milliseconds(_now() - before))
        return (ev.FinalCounters(counts or None),)  # of flows that were gone nothing is known

    async def _probe(self) -> Sequence[ev.Event]:
        before = _now()
        try:
            await self._flows.probe(self.placement.switch)
        except OpenFlowError as error:
            return (self._failed(error),)
        return (ev.SwitchAnswered(_now() - before),)

    def _failed(self, error: OpenFlowError) -> ev.CommandFailed | ev.Blocked:
        if isinstance(error, TableFullError):
            self._log.warning("flows.table_full", error=str(error))
            self._flows.room(self.placement.switch).note_refused(self._flows.owner)
            return ev.Blocked(ReasonKind.TABLE_FULL)
        unreachable = isinstance(error, SwitchUnavailableError)
        self._warn("flows.failed" if unreachable else "flows.refused", error)
        return ev.CommandFailed(ReasonKind.SWITCH_UNREACHABLE if unreachable else ReasonKind.SWITCH_REFUSED)

    def _sample(self, command: cmd.SamplePackets) -> Sequence[ev.Event]:
        with suppress(SwitchUnavailableError):  # which is reported by itself
            self._flows.sample(self.placement.switch, command.flows)
        return ()

    def _inject(self, command: cmd.InjectPacket) -> Sequence[ev.Event]:
        """Inject a packet; one that is lost is as one lost on the way."""
        with suppress(SwitchUnavailableError):  # which is reported by itself
            self._flows.inject(command.in_port, command.frame)
        return ()

    async def _counts(self) -> Mapping[Role, FlowCount] | None:
        try:
            return await self._flows.counts(self.placement.switch)
        except OpenFlowError as error:
            self._warn("flows.not_counted", error)
            return None

    def _warn(self, event: str, error: OpenFlowError) -> None:
        away = self.placement.switch not in self._flows.connected()  # `switch.down` has warned
        (self._log.debug if away else self._log.warning)(event, error=str(error))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)
