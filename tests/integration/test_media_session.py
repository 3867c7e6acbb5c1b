"""The media of one call at a real Open vSwitch, with an Asterisk of which there is only the CLI socket."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path

import pytest
import structlog

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.asterisk.control_socket import ask
from stasis_offload.asterisk.leg_report import LegReport
from stasis_offload.asterisk.rtpstreams import RtpStreams
from stasis_offload.calls import leg_queries
from stasis_offload.calls.gateways import Gateways
from stasis_offload.calls.hep_sender import HepSender
from stasis_offload.calls.learning_queue import LearningQueue
from stasis_offload.calls.media_session import MediaSession
from stasis_offload.media import events as ev
from stasis_offload.media import rechecking
from stasis_offload.media.path import Leg
from stasis_offload.media.quality import Quality
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.roles import Duty, Role, call_cookie
from stasis_offload.media.state import Phase, Placement, State, Tuning
from stasis_offload.openflow.gate import RENEW_EVERY
from stasis_offload.openflow.switch import Switch
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Datagram, build_udp
from tests.support.fake_asterisk import IDS
from tests.support.kept_captures import KeptCaptures
from tests.support.leg_reports import CALLEE, CALLER, passed_on
from tests.support.ovs_container import Bridge
from tests.support.packets import at, rtp
from tests.support.placements import rtcp_of
from tests.support.switch_events import SECONDS, Kind, connected, tapped

# An audit every second. What is mirrored here does not pass the switch, whose flows are idle.
TUNING = Tuning(recheck=1.0, idle_timeout=600)
REPORTS = {Leg.CALLER: CALLER, Leg.CALLEE: CALLEE}
_NAMES = {
    "ptime": "framing_ms",
    "idle": "idle_s",
    "rtp_timeout": "rtp_timeout_s",
    "rtp_keepalive": "rtp_keepalive_s",
}


@dataclass
class Cli:
    """Asterisk's CLI socket: prints the reports of both legs, unless it hangs, until `ended` is set."""

    hangs: bool = False
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"asterisk/1/22\n")
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\0")
            self.asked.set()
            if self.hangs:
                await self.ended.wait()
            else:
                writer.write("".join(printed(report) for report in REPORTS.values()).encode())
                await writer.drain()
        writer.close()


def printed(report: LegReport) -> str:
    """Print a report as `rtpstreams json` does (asterisk-module/README.md)."""
    values = {
        _NAMES.get(key, key): str(value) if isinstance(value, Address) else value
        for key, value in ((name, getattr(report, name)) for name in asdict(report))
    }
    return json.dumps(values) + "\n"


@asynccontextmanager
async def session(
    bridge: Bridge,
    folder: Path,
    *,
    on_change: Callable[[Placement], None] = lambda _: None,
    learning: LearningQueue | None = None,
    hep: HepSender | None = None,
    others: Sequence[Switch] = (),
) -> AsyncIterator[tuple[MediaSession, Cli, Counter[int]]]:
    """Run the media of one call that is about to be connected; yields the session, Asterisk, and what the first switch was sent."""
    cli = Cli()
    path = folder / "asterisk.ctl"
    async with (
        await asyncio.start_unix_server(cli.serve, path),
        tapped(bridge.management) as (endpoint, sent),
        connected(endpoint) as (switch, _),
    ):
        ari = AriClient(url="http://127.0.0.1:1", username="", password="", app="", on_event=lambda _: None)
        media = MediaSession(
            "call",
            gateways=Gateways(
                ari,
                (switch, *others),
                RtpStreams(path, deadline=SECONDS),
                IDS,
                learning=learning or LearningQueue(),
                hep=hep or HepSender(),
            ),
            tuning=TUNING,
            blocks=frozenset(),
            on_change=on_change,
            log=structlog.get_logger(),
        )
        before = asyncio.all_tasks()
        running = asyncio.create_task(media.run(), name="media")
        media.start(caller=CALLER.channel_id, callee=CALLEE.channel_id)
        yield media, cli, sent
        media.post(ev.CallEnded())
        await asyncio.wait([running])
        cli.ended.set()
        # What asks Asterisk goes on until that answers. Not all that has begun: the switch may have been connected anew.
        begun = asyncio.all_tasks() - before
        if asking := [task for task in begun if getattr(task.get_coro(), "__name__", "") == ask.__name__]:
            await asyncio.wait(asking, timeout=SECONDS)


async def test_a_session_that_is_broken_off_leaves_its_flows_to_whoever_comes_next(
    bridge: Bridge, tmp_path: Path
) -> None:
    """Another program that has taken our place may have them under the same cookies."""
    async with session(bridge, tmp_path) as (media, _, _):
        await offload(media)
        present = bridge.cookies()
        [run] = [task for task in asyncio.all_tasks() if task.get_name() == "media"]
        run.cancel()
        await media.end()
        assert present
        assert bridge.cookies() == present


async def test_what_a_session_that_is_broken_off_leaves_is_removed_if_the_application_goes_on(
    bridge: Bridge, tmp_path: Path
) -> None:
    async with session(bridge, tmp_path) as (media, _, _):
        await offload(media)
        [run] = [task for task in asyncio.all_tasks() if task.get_name() == "media"]
        run.cancel()
        await media.end()
        async with asyncio.timeout(SECONDS):
            while bridge.cookies():  # noqa: ASYNC110 - the switch is what is looked at
                await asyncio.sleep(0.1)


async def test_a_call_waits_until_there_is_room_to_learn_it(bridge: Bridge, tmp_path: Path) -> None:
    queue, reasons = LearningQueue(most=1), list[str]()
    queue.add("other")

    def note(placement: Placement) -> None:
        reasons.append(str(placement.reason))
        if placement.reason == Reason(ReasonKind.QUEUED):
            queue.remove("other")

    async with session(bridge, tmp_path, on_change=note, learning=queue) as (media, _, _):
        await offload(media)
        assert "queued" in reasons
        assert queue.has_room("other")


async def until(media: MediaSession, phase: Phase) -> None:
    async with asyncio.timeout(SECONDS):
        while media.placement.phase is not phase:  # noqa: ASYNC110 - a placement has no event
            await asyncio.sleep(0.001)


def frames(duty: Duty, sequence: int) -> Iterator[tuple[Role, bytes]]:
    """Yield a packet of each leg as a flow of that duty mirrors it."""
    for leg, report in REPORTS.items():
        near, far = report, REPORTS[leg.other]
        out = duty is Duty.LEARN_OUT
        source, destination = (far.local, far.remote) if out else (near.remote, near.local)
        assert source
        assert destination
        payload = rtp(sequence=sequence, ssrc=report.ssrc_rx or 0)
        datagram = Datagram(
            eth_src="02:00:00:00:00:0a",
            eth_dst="02:00:00:00:00:01",
            tag=None,
            source=source,
            destination=destination,
            ttl=64,
            size=len(payload),
            payload=payload,
        )
        yield Role.of(duty, leg.other if out else leg), build_udp(datagram)


def mirror(media: MediaSession, duty: Duty, sequence: int) -> None:
    for role, frame in frames(duty, sequence):
        media.on_packet_in(role, in_port=at(1), frame=frame)


async def offload(media: MediaSession) -> None:
    """Bring a call into the switch as its packets would, up to a phase that precedes the guards.

    They go on until it is there, as on a busy machine the first ones may be too old: one of each leg every 20 ms.
    """
    async with asyncio.timeout(SECONDS):
        for sequence in count(7):
            match media.placement.phase:
                case Phase.LEARNING | Phase.CUTTING_OVER:
                    mirror(media, Duty.LEARN_IN, sequence)
                    mirror(media, Duty.LEARN_OUT, sequence)
                case Phase.UNVERIFIED:
                    mirror(media, Duty.VERIFY, sequence)
                case Phase.VERIFIED | Phase.GUARDED | Phase.ENDED:
                    break
            await asyncio.sleep(0.02)
    await carried_out(media)


async def carried_out(media: MediaSession) -> None:
    """Wait until the switch has all that was sent to it."""
    await media.post(
        ev.PacketRelayed(Leg.CALLER, passed_on(Leg.CALLER))
    ).wait()  # which is nothing new by now


async def test_an_event_that_interrupts_an_audit_takes_the_flows_out_and_nothing_else_is_sent(
    bridge: Bridge, tmp_path: Path
) -> None:
    async with session(bridge, tmp_path) as (media, cli, sent):
        await offload(media)
        await until(media, Phase.GUARDED)
        mirror(media, Duty.VERIFY, 1000)
        cli.hangs = True
        cli.asked.clear()
        await cli.asked.wait()  # the audit has begun, and gets no answer
        before, carried = dict(sent), bridge.cookies()
        media.post(ev.Blocked(ReasonKind.OPERATOR))
        await until(media, Phase.RELAYED)
        assert await media.post(ev.Unblocked(ReasonKind.STOPPING)).wait()
        left = [Role.RTCP_DROP_CALLER, Role.RTCP_DROP_CALLEE]
        assert bridge.cookies() == {call_cookie("call") | role for role in left}
        # The counters of the two flows that forward, and one bundle, which removes all flows but two and changes these. Beside
        # them all flows of the switch may be compared, once for each renewal of the lease.
        more = {kind: sent[kind] - before[kind] for kind in before}
        assert 0 <= more[Kind.MULTIPART_REQUEST] - 2 <= more[Kind.PACKET_OUT] + 1
        assert more[Kind.EXPERIMENTER] == len(carried) + 2
        cli.hangs = False


@pytest.mark.parametrize("audited", [False, True], ids=["alone", "during an audit"])
async def test_a_bridge_that_was_rebuilt_keeps_the_flows_for_a_moment_only_if_asterisk_does_not_answer(
    bridge: Bridge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, audited: bool
) -> None:
    for module in (rechecking, leg_queries):  # in which a busy machine answers
        monkeypatch.setattr(module, "CHECK_WITHIN", 1.0)
    async with session(bridge, tmp_path) as (media, cli, _):
        await offload(media)
        await until(media, Phase.GUARDED)
        await media.post(ev.BridgeRebuilt()).wait()
        assert media.placement.state is State.OFFLOADED
        carried = bridge.cookies()
        assert {call_cookie("call") | role for role in (Role.FORWARD_CALLER, Role.FORWARD_CALLEE)} <= carried
        cli.hangs = True
        cli.asked.clear()
        if audited:
            await cli.asked.wait()
        began = asyncio.get_running_loop().time()
        media.post(ev.BridgeRebuilt())
        await cli.asked.wait()
        assert bridge.cookies() == carried
        await until(media, Phase.RELAYED)
        assert media.placement.reason == Reason(ReasonKind.CALL_CHANGED)
        assert asyncio.get_running_loop().time() - began >= rechecking.CHECK_WITHIN
        cli.hangs = False


async def test_a_defect_leaves_the_call_with_asterisk_and_says_so(bridge: Bridge, tmp_path: Path) -> None:
    def fail(placement: Placement) -> None:
        if placement.phase is Phase.GUARDED:
            raise RuntimeError("as planned")

    async with session(bridge, tmp_path, on_change=fail) as (media, _, _):
        await offload(media)
        await until(media, Phase.ENDED)
        await media.end()
        assert bridge.cookies() == set()
        assert (media.placement.state, media.placement.reason) == (State.RELAYED, Reason(ReasonKind.DEFECT))


async def test_rtcp_goes_on_while_asterisk_does_not_answer_a_query(bridge: Bridge, tmp_path: Path) -> None:
    async with session(bridge, tmp_path) as (media, cli, sent):
        await offload(media)
        await until(media, Phase.GUARDED)
        cli.hangs = True
        cli.asked.clear()
        await cli.asked.wait()
        before, path = sent[Kind.PACKET_OUT], media.placement.path
        began = asyncio.get_running_loop().time()
        assert path
        media.post(ev.RtcpSent(Leg.CALLEE, path.callee.received, b"", cname=b"asterisk"))
        async with asyncio.timeout(SECONDS):
            await media.post(rtcp_of(Leg.CALLER)).wait()
            for _ in range(2):
                report = build_udp(rtcp_of(Leg.CALLER).datagram)
                media.on_packet_in(Role.RTCP_CALLER, in_port=at(1), frame=report)
            while sent[Kind.PACKET_OUT] - before < 3:  # noqa: ASYNC110 - the switch is what is looked at
                await asyncio.sleep(0.001)
        # Meanwhile the lease may have been renewed.
        renewals = 1 + (asyncio.get_running_loop().time() - began) // RENEW_EVERY
        assert 0 <= sent[Kind.PACKET_OUT] - before - 3 <= renewals
        assert media.placement.state is State.OFFLOADED
        cli.hangs = False


async def test_a_leg_ends_with_another_party_in_its_place_and_not_with_an_announcement(
    bridge: Bridge, tmp_path: Path
) -> None:
    """Dial()'s option L has the media return for each warning, after which the same two go on."""

    def ended() -> list[str | None]:
        return [leg for leg, report in hep.reports if report["TYPE"] == "HANGUP"]

    hep = KeptCaptures()
    async with session(bridge, tmp_path, hep=hep) as (media, _, _):
        await offload(media)
        await until(media, Phase.GUARDED)
        await media.relay_until_start().wait()
        assert media.placement.state is State.RELAYED
        quality = media.quality
        assert quality != Quality()
        media.start(caller=CALLER.channel_id, callee=CALLEE.channel_id)
        assert (media.quality, ended()) == (quality, [])
        await offload(media)
        await media.relay_until_start().wait()
        media.start(caller="another", callee=CALLEE.channel_id)
        assert (media.quality, ended()) == (Quality(), [CALLER.channel, CALLEE.channel])
