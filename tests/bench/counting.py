"""A switch and an Asterisk module that answer at once and count, for calls on the control side alone.

The calls speak as the machine needs to see them: a packet each 20 ms while a leg is learned, one when a flow is to be verified
or sampled, and an RTCP report every five seconds. What a switch does with flows costs nothing here.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from stasis_offload.asterisk.leg_report import LegReport
from stasis_offload.asterisk.rtpstreams import RtpStreams
from stasis_offload.media.path import Leg
from stasis_offload.media.roles import Duty, Role, owner_of
from stasis_offload.openflow.events import Event, PacketIn
from stasis_offload.openflow.flow import Flow, FlowCount, owner_in
from stasis_offload.openflow.flow_table import FlowTable
from stasis_offload.openflow.switch import Switch
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Datagram, build_udp
from tests.support.fake_asterisk import IDS, NOWHERE
from tests.support.leg_reports import CALLEE, CALLER
from tests.support.packets import rtp

PERIOD = 0.02
REPORTED_EVERY = 5.0
# An empty receiver report (RFC 3550 6.4.2).
_RTCP = bytes.fromhex("80c90001 0000beef")


def reports_of(call: str, number: int) -> dict[Leg, LegReport]:
    """Return the legs of one of many calls, each at ports of its own."""
    host, port = divmod(2 * number, 20000)

    def address(base: str, offset: int) -> Address:
        return Address.parse(f"{base}{host + 1}:{10000 + port + offset}")

    both = {}
    for leg, report, offset in ((Leg.CALLER, CALLER, 0), (Leg.CALLEE, CALLEE, 30000)):
        remote = address("198.18.1." if leg is Leg.CALLER else "198.18.2.", 0)
        both[leg] = replace(
            report,
            channel_id=call if leg is Leg.CALLER else IDS.callee(call, 1),
            peer_id=IDS.callee(call, 1) if leg is Leg.CALLER else call,
            bridge_id=IDS.bridge(call),
            local=address("198.18.0.", offset),
            remote=remote,
            sdp=remote,
        )
    return both


class CountingModule(RtpStreams):
    """Asterisk's reports of the calls; `queries` is how often it was asked."""

    def __init__(self, calls: Sequence[str]) -> None:
        super().__init__(Path(NOWHERE.path))
        self.queries = 0
        self.legs = {IDS.bridge(call): reports_of(call, n) for n, call in enumerate(calls)}

    async def report(self, bridge_id: str) -> tuple[LegReport, ...]:
        self.queries += 1
        await asyncio.sleep(0)
        return tuple(self.legs[bridge_id].values())


class CountingSwitch(Switch):
    """A switch that has what it is told, and shows packets; `changes` is how often it was told."""

    def __init__(self, calls: Sequence[str], on_event: Callable[[Event], None]) -> None:
        super().__init__(NOWHERE, on_event)
        legs = {owner_of(call): reports_of(call, n) for n, call in enumerate(calls)}
        self.counting = CountingTable(legs, on_event)

    @property
    def flow_table(self) -> FlowTable:
        return self.counting

    async def probe(self) -> None:
        await asyncio.sleep(0)


class CountingTable(FlowTable):
    """The flows of every call, and the packets that they show."""

    def __init__(self, legs: dict[int, dict[Leg, LegReport]], on_event: Callable[[Event], None]) -> None:
        self.changes = 0
        self.sampler = CountingSampler(self.show)  # type: ignore[assignment] # it needs no connection
        self.flows: dict[int, dict[Duty, tuple[Flow, ...]]] = {}
        self._legs = legs
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()

    async def set_flows(self, owner: int, flows: Sequence[Flow]) -> None:
        self.changes += 1
        before = self.flows.pop(owner, {})
        now: dict[Duty, tuple[Flow, ...]] = {}
        for flow in flows:
            duty = Role(flow.cookie & 0xFF).duty
            now[duty] = (*now.get(duty, ()), flow)
        if now:
            self.flows[owner] = now
        await asyncio.sleep(0)
        if Duty.LEARN_IN in now and Duty.LEARN_IN not in before:
            self._speak(owner)
        if Duty.VERIFY in now and Duty.VERIFY not in before:
            self._loop.call_later(PERIOD, self.show, now[Duty.VERIFY])
        if Duty.RTCP in now and Duty.RTCP not in before:
            self._loop.call_later(REPORTED_EVERY, self._report, owner)

    async def remove_flows(
        self, owner: int, roles: Collection[int], *, but: Sequence[Flow] = ()
    ) -> dict[int, FlowCount]:
        counts = await self.counts(owner, roles)
        await self.set_flows(owner, but)
        return counts

    async def counts(self, owner: int, roles: Collection[int]) -> dict[int, FlowCount]:
        await asyncio.sleep(0)
        packets = self._number
        return {role: FlowCount(packets, 214 * packets) for role in roles} if owner in self.flows else {}

    async def inject(self, in_port: int, frame: bytes) -> None:  # noqa: ARG002 - the switch's
        await asyncio.sleep(0)

    def show(self, flows: Iterable[Flow]) -> None:
        """Show a packet of each leg that these flows are of."""
        for flow in flows:
            role = Role(flow.cookie & 0xFF)
            self._emit(flow.cookie, self._packet(owner_in(flow.cookie), role.leg))

    @property
    def _number(self) -> int:
        return int((self._loop.time() - self._began) / PERIOD)

    def _speak(self, owner: int) -> None:
        """Show the packet of each leg of this moment, as it comes in and as Asterisk has passed it on."""
        flows = self.flows.get(owner, {})
        if Duty.LEARN_IN not in flows:
            return
        self.show(flows[Duty.LEARN_IN])
        for flow in flows.get(Duty.LEARN_OUT, ()):
            leg = Role(flow.cookie & 0xFF).leg
            self._emit(flow.cookie, self._packet(owner, leg.other, by_asterisk=True))
        self._loop.call_later(PERIOD, self._speak, owner)

    def _report(self, owner: int) -> None:
        """Show an RTCP report of each leg."""
        for flow in self.flows.get(owner, {}).get(Duty.RTCP, ()):
            leg = Role(flow.cookie & 0xFF).leg
            self._emit(flow.cookie, self._packet(owner, leg, rtcp=True))
            self._loop.call_later(REPORTED_EVERY, self._report, owner) if leg is Leg.CALLER else None

    def _packet(self, owner: int, leg: Leg, *, by_asterisk: bool = False, rtcp: bool = False) -> bytes:
        near, far = self._legs[owner][leg], self._legs[owner][leg.other]
        source, destination = (far.local, far.remote) if by_asterisk else (near.remote, near.local)
        assert source
        assert destination
        payload = _RTCP if rtcp else rtp(sequence=self._number & 0xFFFF, ssrc=near.ssrc_rx or 0)
        phone, node2 = ("02:00:00:00:00:0a", "02:00:00:00:00:01")
        return build_udp(
            Datagram(
                eth_src=node2 if by_asterisk else phone,
                eth_dst=phone if by_asterisk else node2,
                tag=None,
                source=replace(source, port=source.port + rtcp),
                destination=replace(destination, port=destination.port + rtcp),
                ttl=64,
                size=len(payload),
                payload=payload,
            )
        )

    def _emit(self, cookie: int, frame: bytes) -> None:
        self._on_event(PacketIn(cookie=cookie, in_port=1, frame=frame))


class CountingSampler:
    """Shows what is to be sampled a moment later."""

    def __init__(self, show: Callable[[Iterable[Flow]], None]) -> None:
        self._show = show

    def request(self, flows: Iterable[Flow]) -> None:
        asyncio.get_running_loop().call_later(PERIOD, self._show, tuple(flows))

    def forget(self, owner: int) -> None:
        """Show no packets of the owner."""
