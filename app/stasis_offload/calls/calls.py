"""Every call there is: hands what happens in Asterisk and in the switch to the one call it concerns."""

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from typing import assert_never

import structlog

from stasis_offload.asterisk.ari_events import (
    AriDown,
    AriReplaced,
    AriUp,
    BridgeDestroyed,
    BridgePeer,
    Channel,
    ChannelDestroyed,
    DialChanged,
    EnteredBridge,
    Event,
    HangupRequested,
    Held,
    LeftBridge,
    StasisEnd,
    StasisStart,
    Transferred,
)
from stasis_offload.calls.call import Call, leave
from stasis_offload.calls.gateways import Gateways
from stasis_offload.calls.newcomers import Replacements
from stasis_offload.errors import AriError, ModuleError
from stasis_offload.media import events as media
from stasis_offload.media.flows import call_cookie, role_of
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.state import Policy
from stasis_offload.openflow.events import Event as SwitchEvent
from stasis_offload.openflow.events import FlowRemoved, PacketIn, SwitchDown, SwitchUp
from stasis_offload.openflow.flow import COOKIE_OWNER_MASK
from stasis_offload.signalling import events as sig
from stasis_offload.signalling.call_ids import bridge_id, call_of_bridge, call_of_callee
from stasis_offload.signalling.causes import Cause, DialStatus
from stasis_offload.signalling.dial_args import DialArgumentError, parse_dial
from stasis_offload.signalling.legs import LegEvent
from stasis_offload.signalling.local_channels import LocalPair, can_optimize, find_local_pair
from stasis_offload.signalling.state import Dialing

# From one call that may be offloaded again to the next (s): 100 calls a second.
PACE = 0.01


class Calls:
    """The calls of one Asterisk, by the unique id of the caller's channel.

    `blocks` is why all of them, new ones too, must be relayed; `problems` says it in sentences, for /healthz.

    Events are taken synchronously and in order; whatever takes time runs in `tasks`.
    """

    def __init__(
        self,
        *,
        gateways: Gateways,
        policy: Policy,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self.ari = gateways.ari
        self.switch = gateways.switch
        self._gateways = gateways
        self.problems: dict[str, str] = {"asterisk": "not reached yet", "switch": "not reached yet"}
        self.replaced = False
        self.blocks = {ReasonKind.ASTERISK_UNREACHABLE, ReasonKind.SWITCH_UNREACHABLE}
        self._policy = policy
        self._tasks = tasks
        self._calls: dict[str, Call] = {}
        self._by_cookie: dict[int, Call] = {}
        self._newcomers = Replacements()
        self._back: dict[str, StasisStart] = {}
        self._held: dict[ReasonKind, deque[Call]] = {}
        self._log = structlog.get_logger(__name__)

    def __iter__(self) -> Iterator[Call]:
        return iter(tuple(self._calls.values()))

    def __len__(self) -> int:
        return len(self._calls)

    def get(self, call: str) -> Call | None:
        """Find a call by its id."""
        return self._calls.get(call)

    def on_ari(self, event: Event) -> None:
        """Take what Asterisk says."""
        match event:
            case AriUp(asterisk=version):
                self._log.info("ari.up", asterisk=version)
                self.problems.pop("asterisk", None)
                self.unblock(ReasonKind.ASTERISK_UNREACHABLE)
            case AriDown(reason):
                self._log.warning("ari.down", reason=reason)
                self.problems["asterisk"] = reason
                self._block(ReasonKind.ASTERISK_UNREACHABLE)
            case AriReplaced():
                self._log.error("ari.replaced")
                self.replaced = True
                self.problems["asterisk"] = "another program took over the Stasis application"
            case StasisStart():
                self._on_start(event)
            case (
                StasisEnd(channel)
                | ChannelDestroyed(channel)
                | HangupRequested(channel)
                | DialChanged(channel)
            ):
                self._hear(channel, event)
            case BridgePeer(channel) | Held(channel):
                self._disturb(self._of_channel(channel))
            case EnteredBridge(bridge, channel):
                self._on_entered(self._calls.get(call_of_bridge(bridge) or ""), channel)
            case LeftBridge(bridge=bridge) | BridgeDestroyed(bridge):
                self._disturb(self._calls.get(call_of_bridge(bridge) or ""))
            case Transferred(bridges, channels):
                for call in {self._calls.get(call_of_bridge(bridge) or "") for bridge in bridges} | {
                    self._of_channel(channel) for channel in channels
                }:
                    self._disturb(call)
            case _:
                assert_never(event)

    def on_switch(self, event: SwitchEvent) -> None:
        """Take what the switch says."""
        match event:
            case SwitchUp(description):
                self._log.info("switch.up", datapath=f"{description.datapath_id:016x}")
                self.problems.pop("switch", None)
                self.unblock(ReasonKind.SWITCH_UNREACHABLE)
            case SwitchDown(reason):
                self._log.warning("switch.down", reason=reason)
                self.problems["switch"] = reason
                self._block(ReasonKind.SWITCH_UNREACHABLE)
            case PacketIn(cookie, in_port, frame):
                call, role = self._by_cookie.get(cookie & COOKIE_OWNER_MASK), role_of(cookie)
                if call and role:
                    call.media.on_packet_in(role, in_port=in_port, frame=frame)
            case FlowRemoved(cookie):
                call, role = self._by_cookie.get(cookie & COOKIE_OWNER_MASK), role_of(cookie)
                if call and role:
                    call.media.on_flow_removed(role, event)
            case _:
                assert_never(event)

    def own(self, caller: Channel, dialing: Dialing) -> Call:
        """Take a call over, from its first moment or from an earlier process of ours."""
        call = Call(
            caller,
            dialing,
            gateways=self._gateways,
            policy=self._policy,
            blocks=frozenset(self.blocks),
            on_connected=self._splice,
        )
        self._calls[call.id] = call
        self._by_cookie[call_cookie(call.id)] = call
        self._tasks.create_task(self._run(call))
        return call

    def hang_up_orphan(self, channel: str) -> None:
        """Hang up a channel that was to be a leg of a call that is no more."""
        self._log.warning("channel.orphan", channel=channel)
        cause = Cause.NORMAL_CLEARING
        self._tasks.create_task(self._guard(self.ari.hang_up(channel, cause=cause), channel=channel))

    def refuse(self, caller: str, error: DialArgumentError) -> None:
        """Send a caller on in the dialplan because of arguments that cannot be dialled, as Dial() would."""
        self._log.warning("call.refused", call=caller, error=str(error))
        status = DialStatus.INVALIDARGS
        self._tasks.create_task(self._guard(leave(self.ari, caller, status=status, cause=0), call=caller))

    async def _run(self, call: Call) -> None:
        try:
            await call.run()
        except Exception:  # noqa: BLE001 - a defect in one call is not the others'
            self._log.exception("call.defect", call=call.id)
        finally:
            del self._calls[call.id]
            self._by_cookie.pop(call_cookie(call.id), None)
            self._newcomers.drop(call)
        again = self._back.pop(call.id, None)
        if again:
            self._begin(again.channel, again.args)

    async def _guard(self, work: Coroutine[None, None, None], **about: str) -> None:
        try:
            await work
        except (AriError, ModuleError) as error:
            self._log.warning("task.refused", error=str(error), **about)
        except Exception:  # noqa: BLE001 - as above
            self._log.exception("task.defect", **about)

    def _on_start(self, event: StasisStart) -> None:
        channel = event.channel
        call = self._of_channel(channel.id)
        if event.replaces is not None:
            self._on_newcomer(channel, event.replaces)
        elif call_of_callee(channel.id):
            if call is None or call.dialing.over:
                self.hang_up_orphan(channel.id)
            else:
                call.legs.set_name(channel.id, channel.name)
                call.on_ari_event(event)
        elif call is None:
            self._begin(channel, event.args)
        elif call.left:
            # Its next Stasis() came before its last call was over. The ids are the same: one after the other.
            self._back[channel.id] = event

    def _hear(self, channel: str, event: LegEvent) -> None:
        if isinstance(event, StasisEnd | ChannelDestroyed):
            self._back.pop(channel, None)
            self._newcomers.cancel(channel)
        call = self._of_channel(channel)
        newcomer = call.on_ari_event(event) if call else None
        if call and newcomer:
            self._newcomers.commit(call, newcomer, was=self._of_channel(newcomer))

    def _on_newcomer(self, newcomer: Channel, replaces: str) -> None:
        """Asterisk is about to swap a newcomer in for a channel: a transfer, an INVITE with Replaces, a pickup."""
        call = self._of_channel(replaces)
        if not call or not self._newcomers.announce(call, newcomer.id, newcomer.name, replaces=replaces):
            self.hang_up_orphan(newcomer.id)

    def _on_entered(self, call: Call | None, channel: str) -> None:
        newcomer = call.on_entered_bridge(channel) if call else None
        if call and newcomer:
            self._newcomers.commit(call, newcomer, was=self._of_channel(newcomer))
        self._disturb(call)

    def replace(self, call: Call, leg: int, newcomer: Channel) -> None:
        """Take it that a newcomer that nobody announced to us is in a call's bridge, in the place of a leg."""
        self._newcomers.cancel(newcomer.id)
        if self._newcomers.announce(call, newcomer.id, newcomer.name, replaces=call.legs.channel(leg)):
            self._on_entered(call, newcomer.id)

    def _joint(self, call: Call) -> LocalPair | None:
        return find_local_pair(call.id, call.parties, ((o.id, o.parties) for o in self if o is not call))

    def _splice(self, call: Call) -> None:
        joint = self._joint(call)
        if joint:
            self._tasks.create_task(self._guard(self._splice_at(joint), call=joint.near))

    async def _splice_at(self, joint: LocalPair) -> None:
        """Put the far leg into the near bridge; both calls hear of it when it is there (`_on_entered`)."""
        bridges = [
            await self._gateways.rtpstreams.report(bridge_id(call)) for call in (joint.near, joint.far)
        ]
        near, far = self._calls.get(joint.near), self._calls.get(joint.far)
        if not (near and far and self._joint(near) == joint and can_optimize(*bridges)):
            return
        leg = next(leg for leg in far.parties if leg != joint.far_leg)
        moving = far.legs.channel(leg)
        replaces = near.legs.channel(joint.near_leg)
        if not self._newcomers.announce(near, moving, far.parties[leg], replaces=replaces):
            return
        try:
            await self.ari.join(bridge=bridge_id(near.id), channel=moving)
        except AriError:
            self._newcomers.cancel(moving)
            raise

    def _begin(self, channel: Channel, args: tuple[str, ...]) -> None:
        try:
            request = parse_dial(args)
        except DialArgumentError as error:
            self.refuse(channel.id, error)
            return
        self._log.info(
            "call.new",
            call=channel.id,
            caller=channel.name,
            number=channel.caller,
            targets=list(request.targets),
        )
        self.own(channel, Dialing(request)).post(sig.Started())

    def _of_channel(self, channel: str) -> Call | None:
        dialled = call_of_callee(channel)
        return self._newcomers.call_of(channel) or self._calls.get(dialled[0] if dialled else channel)

    def _disturb(self, call: Call | None) -> None:
        if call:
            call.media.post(media.Signal.DISTURBED)
            self._splice(call)

    def _block(self, kind: ReasonKind) -> None:
        self.blocks.add(kind)
        for call in self:
            call.media.post(media.Blocked(kind))

    def unblock(self, kind: ReasonKind) -> None:
        """Let every call be offloaded again, as far as this was what spoke against it: one after the other.

        To take a call over unnoticed, Asterisk must have sent on what it had read, before the next packet comes: it
        could not, if all calls were looked at in the same moment.
        """
        self.blocks.discard(kind)
        self._held[kind] = deque(self)
        self._tasks.create_task(self._let_go(kind, self._held[kind]))

    async def block(self, call: Call, kind: ReasonKind) -> None:
        """Hold one call's media in Asterisk; when this returns, what can be done is done."""
        with suppress(KeyError, ValueError):
            self._held[kind].remove(call)
        await call.media.block(kind)

    async def _let_go(self, kind: ReasonKind, held: deque[Call]) -> None:
        while held and self._held[kind] is held and kind not in self.blocks:
            held.popleft().media.post(media.Unblocked(kind))
            await asyncio.sleep(PACE)
