"""One call, from Stasis() to its last channel: executes the commands of the signalling machine (machine.py)."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from stasis_offload.asterisk.ari_events import Channel
from stasis_offload.asterisk.leg_report import UP
from stasis_offload.calls.ari_commands import carry_out, read, run_answer_sub, set_answered
from stasis_offload.calls.channel_variables import ChannelVariables
from stasis_offload.calls.diversions import set_diversion
from stasis_offload.calls.exclusion import Exclusion
from stasis_offload.calls.features import CallFeatures
from stasis_offload.calls.gateways import Gateways
from stasis_offload.calls.media_session import MediaSession
from stasis_offload.calls.repeating import carried_out
from stasis_offload.calls.runner import MachineRunner
from stasis_offload.media import events as media
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.state import Placement, Tuning
from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import events as sig
from stasis_offload.signalling import option_commands as opt
from stasis_offload.signalling.ari_mapping import event_from_result
from stasis_offload.signalling.call_ids import CALLER
from stasis_offload.signalling.causes import DialStatus
from stasis_offload.signalling.legs import LegEvent, Legs
from stasis_offload.signalling.machine import returns_media, step, supersedes
from stasis_offload.signalling.state import Dialing, Phase

# Seconds. The flows of a call are removed before its channels end, but a switch that does not answer must not delay a
# caller longer.
END_MEDIA_WITHIN = 1.0
_PHASE_LOGS = {
    Phase.DIALING: "call.dialing",
    Phase.TALKING: "call.talking",
    Phase.ENDING: "call.ending",
    Phase.OVER: "call.over",
}


class Call:
    """One call.

    `id` is the unique id of the channel that entered Stasis(), `left` whether the caller has left the application,
    `legs` the channel that each leg is now.
    """

    def __init__(
        self,
        caller: Channel,
        dialing: Dialing,
        *,
        gateways: Gateways,
        tuning: Tuning,
        blocks: frozenset[ReasonKind],
        on_connected: Callable[["Call"], None],
    ) -> None:
        log = structlog.get_logger(__name__).bind(call=caller.id)
        self.id = caller.id
        self.began = asyncio.get_running_loop().time()
        self._number = caller.caller
        self.left = False
        self.legs = Legs(caller, gateways.ids)
        self.media = MediaSession(
            caller.id,
            gateways=gateways,
            tuning=tuning,
            blocks=blocks,
            on_change=self._note_media,
            log=log,
        )
        self.features = CallFeatures(
            dialing,
            ari=gateways.ari,
            channel=self._channel_of,
            post=self.post,
            post_media=self.media.post,
            log=log,
        )
        self.exclusion = Exclusion(
            caller.id, ari=gateways.ari, legs=self.legs, rules=gateways.rules, post=self.media.post
        )
        self._on_connected = on_connected
        self._media_ended = False
        self._tasks = asyncio.TaskGroup()
        self._learning = gateways.learning
        self._statistics = gateways.statistics
        # Set once a target is dialled, or there is nothing to dial.
        self._set_up = asyncio.Event()
        if dialing.phase is not Phase.NEW:
            self._set_up.set()
        self._ari = gateways.ari
        self._bridge = gateways.ids.bridge(caller.id)
        self._log = log
        self._variables = ChannelVariables(
            caller.id,
            ari=gateways.ari,
            quality=partial(getattr, self.media, "quality"),  # without the call, which has this
            turns=gateways.variable_turns,
            log=log,
        )
        self._machine = MachineRunner[Dialing, sig.Event, cmd.Command](
            dialing,
            step=self._step,
            execute=self._execute,
            expired=sig.DialTimedOut(),
            supersedes=supersedes,
        )

    @property
    def dialing(self) -> Dialing:
        """The present signalling state."""
        return self._machine.state

    @property
    def parties(self) -> dict[int, str]:
        """The names of the two channels in the bridge, by their legs; none while the call is not answered."""
        winner = self.dialing.winner
        if self.dialing.phase is not Phase.TALKING or not winner or not self.media.started:
            return {}
        return {leg: self.legs.name(leg) or "" for leg in (CALLER, winner)}

    def on_ari_event(self, event: LegEvent) -> str | None:
        """Handle an event about a channel; return the replacement that has become a leg by it, or None."""
        return self._take(self.legs.translate(event))

    def on_entered_bridge(self, channel: str) -> str | None:
        """Handle the entry of a channel into the bridge; return as `on_ari_event` does."""
        return self._take(self.legs.on_entered_bridge(channel))

    def pick_up(self, replacement: Channel, *, replaces: str) -> bool:
        """Make a channel the callee that `replaces` is; return False if it is not up, or `replaces` is not ringing."""
        if self.dialing.phase is not Phase.DIALING or replacement.state != UP:
            return False
        event = self.legs.pick_up(replacement, replaces=replaces)
        if event:
            self._log.debug("leg.picked_up", by=replacement.name, was=replaces)
            self.post(event)
        return event is not None

    def announce_replacement(self, replacement: str, name: str, *, replaces: str) -> bool:
        """Register a pending replacement for the leg that `replaces` is; return False if the call has no such leg."""
        if self.dialing.over or not self.legs.announce_replacement(replacement, name, replaces=replaces):
            return False
        self._log.debug("leg.replacement_announced", channel=name, replaces=replaces)
        self.on_bridge_changed()
        return True

    def on_bridge_changed(self, *, rebuilt: bool = False) -> None:
        """Return the media to Asterisk, to be learned again: the bridge or a session has changed.

        If the bridge was `rebuilt`, which is what every re-INVITE causes, return it only if the legs are not as before.
        """
        if not (rebuilt and self.features.explains_rebuilding()):
            self.media.post(media.BridgeRebuilt() if rebuilt else media.BridgeChanged())

    def join_exclusion(self, other: "Call") -> None:
        """Keep this call with Asterisk as far as another one's OFFLOAD does: the two become this one."""
        self.exclusion.join(other.exclusion)
        self._variables.keep_offload(self.exclusion.variable)

    def _channel_of(self, leg: Leg) -> str:
        return self.legs.channel(CALLER if leg is Leg.CALLER else self.dialing.winner or CALLER)

    async def write_variables(self) -> None:
        """Write the present values of the caller's OFFLOAD_ variables."""
        await self._variables.write()

    def drop_leg(self, channel: str) -> None:
        """Treat a leg as having left: its channel belongs to another call from now on."""
        leg = self.legs.leg(channel)
        if leg is not None:
            self.post(sig.CallerLeft(0) if leg == CALLER else sig.CalleeLeftStasis(leg))

    def _take(self, event: sig.Event | None) -> str | None:
        if event:
            self.post(event)
        if not isinstance(event, sig.CalleeReplaced | sig.CallerReplaced):
            return None
        leg = event.n if isinstance(event, sig.CalleeReplaced) else CALLER
        self._log.debug("leg.replaced", by=self.legs.name(leg), was=event.old)
        return self.legs.channel(leg)

    def post(self, event: sig.Event) -> None:
        """Post an event to the signalling machine; return the media at once if a leg is leaving."""
        if isinstance(event, sig.CallerLeft):
            self.left = True
            self._variables.leave()
        elif isinstance(event, sig.CallerSentDigit) and self.dialing.phase is Phase.DIALING:
            self.features.on_digit(Leg.CALLER, event.digit)
        if returns_media(self.dialing, event):
            self.media.relay_until_start()
        self._machine.post(event)

    async def run(self) -> None:
        """Run the call until neither a channel nor a flow of it is left."""
        self._note_media(self.media.placement)
        async with self._tasks as tasks:
            session = tasks.create_task(self.media.run())
            tasks.create_task(self._note_beside())
            features = tasks.create_task(self.features.run())
            try:
                await self._machine.run()
            except Exception:  # noqa: BLE001 - a defect ends the application's part in the call, not the call
                self._log.exception("call.defect")
            self._end_set_up(dialled=False)
            await self._end_media()
            self._variables.stop()
            session.cancel()
            features.cancel()
            self.features.stop()
        self._summarise()

    def _summarise(self) -> None:
        """Log the one line that level info has of the call."""
        now = asyncio.get_running_loop().time()
        self._log.info(
            "call.summary",
            caller=self.legs.name(CALLER),
            callee=self.legs.name(self.dialing.winner or -1),
            number=self._number,
            duration=round(now - self.began, 1),
            **self.media.record.summary(self.media.placement, self.media.quality, now),
        )

    async def _note_beside(self) -> None:
        """Read and write the caller's variables, which what the caller waits for need not wait for."""
        await self._set_up.wait()
        await self.features.prepare()
        await self.exclusion.read_early()
        await self._variables.run()

    def _end_set_up(self, *, dialled: bool) -> None:
        if dialled and not self._set_up.is_set():
            self._statistics.set_up.observe(asyncio.get_running_loop().time() - self.began)
        self._set_up.set()
        self._learning.end_set_up(self.id)

    def _step(
        self, dialing: Dialing, event: sig.Event, now: float
    ) -> tuple[Dialing, tuple[cmd.Command, ...]]:
        after, commands = step(dialing, event, now)
        if isinstance(event, sig.BridgeRefused) and after.phase is not dialing.phase:
            self._statistics.passed_by[ReasonKind.NO_BRIDGE] += 1
        if after.phase is not dialing.phase:
            self._log.debug(_PHASE_LOGS[after.phase], callee=self.legs.name(after.winner or -1))
        return after, commands

    async def _execute(self, commands: tuple[cmd.Command, ...]) -> list[sig.Event]:
        answers = []
        for command in commands:
            done = await carried_out(command, self._carry_out, tasks=self._tasks, log=self._log)
            answer = event_from_result(command, done=done)
            if answer is not None:
                answers.append(answer)
            if not done and answer is not None and not isinstance(command, cmd.Create | cmd.CreateDiverted):
                break  # the rest depends on what failed; other targets do not depend on one that is missing
        return answers

    async def _carry_out(self, command: cmd.Command) -> None:
        match command:
            case cmd.SetStatus(DialStatus.ANSWER):
                await set_answered(self._ari, self.dialing, self.legs)
            case cmd.StartMedia(n):
                await self.exclusion.begin(n)
                await self.features.begin()
                self.media.start(
                    caller=self.legs.channel(CALLER), callee=self.legs.channel(n), features=self.features
                )
                self._on_connected(self)
            case cmd.ReturnMedia():
                await self._within_limit(self.media.relay_until_start().wait())
            case cmd.EndMedia():
                await self._end_media()
            case opt.ReadLimitSounds() | opt.FindExit():
                if answer := await read(self._ari, self.legs.channel(CALLER), command):
                    self.post(answer)
            case opt.RunAnswerSub(n, sub):
                await self._run_answer_sub(n, sub)
            case cmd.HangUpReplaced(old, cause):
                await self._move_variables_from(old)
                await self._ari.hang_up(old, cause=cause)
            case cmd.SetDiversion():
                await set_diversion(self._ari, command, self.legs)
            case cmd.Dial():
                try:
                    await carry_out(self._ari, command, channel=self.legs.channel, bridge=self._bridge)
                finally:
                    self._end_set_up(dialled=True)
            case _:
                await carry_out(self._ari, command, channel=self.legs.channel, bridge=self._bridge)

    async def _run_answer_sub(self, n: int, sub: str) -> None:
        result = ""
        try:
            result = await run_answer_sub(
                self._ari, self.legs.channel(n), sub=sub, caller=self.legs.channel(CALLER)
            )
        finally:
            self.post(sig.SubReturned(n, result))

    async def _end_media(self) -> None:
        """End the media for good, and write the final variables while the caller exists."""
        if self._media_ended:
            return
        self._media_ended = True
        await self._within_limit(self.media.end())
        if self.dialing.phase is not Phase.OVER:
            self._note_media(self.media.placement)
            await self._variables.write()

    async def _within_limit(self, flows_removed: Awaitable[object]) -> None:
        """Wait until the flows are removed; a switch that does not answer holds up a hang-up for so long only."""
        try:
            async with asyncio.timeout(END_MEDIA_WITHIN):
                await flows_removed
        except TimeoutError:
            self._log.error("flows.removal_timeout", within=END_MEDIA_WITHIN)

    async def _move_variables_from(self, old: str) -> None:
        """Write a replaced caller's variables, then move them to its replacement."""
        if self._variables.channel == old:
            await self._variables.write()
            self._variables.keep_offload(self.exclusion.variable)
            self._variables.move_to(self.legs.channel(CALLER))
            self._note_media(self.media.placement)

    def _note_media(self, placement: Placement) -> None:
        self.features.note_media(placement)
        leaving = self.legs.has_pending(CALLER) or self._variables.channel != self.legs.channel(CALLER)
        self._variables.update(placement, leaving=leaving)
