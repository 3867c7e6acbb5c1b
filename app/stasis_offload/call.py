"""One call, owned from Stasis() to the last channel: carries out what dialing.py decides, media withdrawn first."""

import asyncio
from typing import assert_never

from structlog.typing import FilteringBoundLogger

from stasis_offload.ari import Ari
from stasis_offload.dialing import Dialing, Phase, step
from stasis_offload.dialstring import bridge_id, callee_id
from stasis_offload.eligibility import Kind
from stasis_offload.errors import AriError, AriUnavailableError
from stasis_offload.events import Channel
from stasis_offload.machine import Machine
from stasis_offload.media import Leg
from stasis_offload.mover import Mover
from stasis_offload.moves import Policy
from stasis_offload.openflow.switch import Switch
from stasis_offload.rtpstreams import RtpStreams
from stasis_offload.signals import (
    Answer,
    CallerDying,
    CallerGone,
    Command,
    Connected,
    Continue,
    Create,
    DestroyBridge,
    Dial,
    DialStatus,
    Dying,
    Event,
    Gone,
    HangUp,
    HangUpCaller,
    Join,
    Left,
    MakeBridge,
    Ring,
    SetStatus,
    StopRing,
    TimedOut,
    outcome,
)
from stasis_offload.variables import Variables

# The flows of a call are taken out before its channels die, but a switch that does not answer must not keep
# a caller waiting longer than this (s).
WITHDRAW_WITHIN = 1.0
# While Asterisk is away, what must reach it is tried again at this interval (s).
TRY_AGAIN = 1.0

# Safe to repeat, and repeated until Asterisk has heard it: without it a party would hang in an empty bridge, or an
# answered call would end. A Create or a Dial that got no answer may have been carried out, and fails instead.
_REPEATED = (SetStatus, MakeBridge, Join, Answer, HangUp, HangUpCaller, Continue, DestroyBridge)


class Call:
    """One call. `id` is the unique id of the caller's channel; `left`, whether the caller has left us."""

    def __init__(  # noqa: PLR0913 - a call needs all of the outside world
        self,
        caller: Channel,
        dialing: Dialing,
        *,
        ari: Ari,
        switch: Switch,
        module: RtpStreams,
        policy: Policy,
        blocks: frozenset[Kind],
        log: FilteringBoundLogger,
    ) -> None:
        self.id = caller.id
        self.caller = caller.name
        self.began = asyncio.get_running_loop().time()
        self.left = False
        self.mover = Mover(
            caller.id,
            bridge=bridge_id(caller.id),
            policy=policy,
            blocks=blocks,
            module=module,
            switch=switch,
            on_change=self._note_media,
            log=log,
        )
        self._callees: dict[int, str] = {}
        self._withdrawn = False
        self._ari = ari
        self._bridge = bridge_id(caller.id)
        self._log = log
        self._variables = Variables(caller.id, ari=ari, log=log)
        self._machine = Machine[Dialing, Event, Command](
            dialing, step=self._step, execute=self._execute, expired=TimedOut()
        )

    @property
    def dialing(self) -> Dialing:
        """The signalling state of this moment."""
        return self._machine.state

    @property
    def callee(self) -> str | None:
        """The name of the channel that answered, or that is being dialled when there is just one."""
        names = self._callees
        if self.dialing.winner in names:
            return names[self.dialing.winner]
        return next(iter(names.values())) if len(names) == 1 else None

    def note_callee(self, n: int, channel: Channel) -> None:
        """Learn the name of a callee's channel."""
        self._callees[n] = channel.name

    def post(self, event: Event) -> None:
        """Hand in what happened to the call's channels."""
        match event:
            case CallerDying():
                self.mover.withdraw()
            case CallerGone():
                self.left = True
                self.mover.withdraw()
            case Dying(n) | Left(n) | Gone(n) if n == self.dialing.winner:
                self.mover.withdraw()
            case _:
                pass
        self._machine.post(event)

    async def run(self) -> None:
        """Own the call until none of its channels is left; at the end no flow of it is left either."""
        self._note_media()
        async with asyncio.TaskGroup() as tasks:
            media = tasks.create_task(self.mover.run())
            variables = tasks.create_task(self._variables.run())
            try:
                await self._machine.run()
            except Exception:  # noqa: BLE001 - a defect of ours ends our part in the call, not the call
                self._log.exception("call.defect")
            await self._withdraw()
            variables.cancel()
            media.cancel()
        forwarded = {f"from_{leg}": self.mover.placement.forwarded(leg).packets for leg in Leg}
        self._log.info("call.forwarded", **forwarded)

    def _step(self, dialing: Dialing, event: Event, now: float) -> tuple[Dialing, tuple[Command, ...]]:
        after, commands = step(dialing, event, now)
        if after.phase is not dialing.phase:
            self._log.info(f"call.{after.phase}", callee=self._callees.get(after.winner or 0))
        return after, commands

    async def _execute(self, commands: tuple[Command, ...]) -> list[Event]:
        answers = []
        for command in commands:
            done = await self._carried_out(command)
            answer = outcome(command, done=done)
            if answer is not None:
                answers.append(answer)
            if not done and answer is not None and not isinstance(command, Create):
                break  # the rest depends on what failed; other targets do not depend on one that is missing
        return answers

    async def _carried_out(self, command: Command) -> bool:
        """Carry out one command; False when Asterisk refused it."""
        while True:
            try:
                await self._carry_out(command)
            except AriUnavailableError as error:
                if not isinstance(command, _REPEATED):
                    self._log.warning("ari.unavailable", command=type(command).__name__, error=str(error))
                    return False
                await asyncio.sleep(TRY_AGAIN)
            except AriError as error:
                self._log.warning("ari.refused", command=type(command).__name__, error=str(error))
                return False
            else:
                return True

    async def _carry_out(self, command: Command) -> None:  # noqa: PLR0912 - one row a command
        ari = self._ari
        match command:
            case SetStatus(status):
                await ari.set_variable(self.id, name="DIALSTATUS", value=status)
            case MakeBridge():
                await ari.make_bridge(self._bridge)
            case Create(n, endpoint):
                await ari.create(callee_id(self.id, n), endpoint=endpoint, originator=self.id)
            case Join(n):
                await ari.join(bridge=self._bridge, channel=self.id)
                await ari.join(bridge=self._bridge, channel=callee_id(self.id, n))
            case Dial(n):
                await ari.dial(channel=callee_id(self.id, n), caller=self.id)
            case Ring():
                await ari.ring(self.id)
            case StopRing():
                await ari.stop_ring(self.id)
            case Answer():
                await ari.answer(self.id)
            case Connected(n):
                self.mover.connect(caller=self.id, callee=callee_id(self.id, n))
            case HangUp(n, cause):
                if n == self.dialing.winner:
                    await self._withdraw()
                await ari.hang_up(callee_id(self.id, n), cause=cause)
            case HangUpCaller(cause):
                await self._withdraw()
                await ari.hang_up(self.id, cause=cause)
            case Continue(status, cause):
                await self._withdraw()
                await leave(ari, self.id, status=status, cause=cause)
            case DestroyBridge():
                await self._withdraw()
                await ari.destroy_bridge(self._bridge)
            case _:
                assert_never(command)

    async def _withdraw(self) -> None:
        """Take the media back for good and write the final variables, as long as the caller is there."""
        if self._withdrawn:
            return
        self._withdrawn = True
        try:
            async with asyncio.timeout(WITHDRAW_WITHIN):
                await self.mover.end()
        except TimeoutError:
            self._log.error("flows.not_confirmed", within=WITHDRAW_WITHIN)
        if self.dialing.phase is not Phase.OVER:
            self._note_media()
            await self._variables.write()

    def _note_media(self) -> None:
        self._variables.note(self.mover.placement, self.mover.quality)


async def leave(ari: Ari, channel: str, *, status: DialStatus, cause: int) -> None:
    """Let a caller go on in the dialplan, with DIALSTATUS and hang-up cause as Dial() leaves them.

    ARI cannot set the hang-up cause of a channel; our dialplan function can (asterisk-module/README.md).
    """
    await ari.set_variable(channel, name="DIALSTATUS", value=status)
    if cause:
        await ari.set_variable(channel, name="OFFLOAD_HANGUPCAUSE()", value=str(int(cause)))
    await ari.continue_in_dialplan(channel)
