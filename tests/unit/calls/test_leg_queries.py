"""Queries of a call's legs to a module that does not answer, which end by themselves and by what cannot wait."""

import asyncio
import socket
import time
from pathlib import Path

import pytest
import structlog

from stasis_offload.asterisk.rtpstreams import RtpStreams
from stasis_offload.calls.gateways import Gateways
from stasis_offload.calls.leg_queries import LegQueries
from stasis_offload.calls.media_session import MediaSession
from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.path import Leg
from stasis_offload.media.state import Phase, Placement, State
from stasis_offload.openflow.switch import Switch
from tests.support.fake_asterisk import IDS, NOWHERE, FakeAsterisk
from tests.support.placements import GUARDED, TUNING, after, rtcp_of

WITHIN = 0.02


@pytest.mark.parametrize("phase", [Phase.RELAYED, Phase.GUARDED])
@pytest.mark.parametrize("event", [ev.CallEnded(), ev.BridgeRebuilt()])
async def test_an_event_in_the_moment_in_which_a_query_runs_out_of_time_changes_nothing_of_that(
    tmp_path: Path, event: ev.Event, phase: Phase
) -> None:
    path = tmp_path / "asterisk.ctl"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        switch = Switch(NOWHERE, lambda _: None)
        gateways = Gateways(ari=FakeAsterisk(), switches=(switch,), rtpstreams=RtpStreams(path), ids=IDS)
        queries = LegQueries("1700000000.1", gateways=gateways, log=structlog.get_logger())
        query = asyncio.create_task(queries.query(WITHIN))
        await asyncio.sleep(0)
        interrupted = asyncio.Event()

        def interrupt() -> None:
            queries.interrupt(event, placement=Placement(call="c", tuning=TUNING, phase=phase), queued=())
            interrupted.set()

        asyncio.get_running_loop().call_later(WITHIN, interrupt)
        time.sleep(2 * WITHIN)  # noqa: ASYNC251 - both times are up when the loop looks again, and it begins with the query's
        async with asyncio.timeout(60):
            await interrupted.wait()
            assert await query == ()


@pytest.mark.parametrize("command", [cmd.QueryLegs(), cmd.CheckLegs(5.0)])
async def test_rtcp_in_the_moment_in_which_a_query_is_interrupted_does_not_hide_that(
    tmp_path: Path, command: cmd.Command
) -> None:
    path = tmp_path / "asterisk.ctl"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        switch = Switch(NOWHERE, lambda _: None)
        gateways = Gateways(ari=FakeAsterisk(), switches=(switch,), rtpstreams=RtpStreams(path), ids=IDS)
        media = MediaSession(
            "c",
            gateways=gateways,
            tuning=TUNING,
            blocks=frozenset(),
            on_change=lambda _: None,
            log=structlog.get_logger(),
        )
        assert GUARDED.path
        sent = ev.RtcpSent(Leg.CALLEE, GUARDED.path.callee.received, b"", cname=b"asterisk")
        media._machine.state = after(sent, start=GUARDED, now=1.0)  # noqa: SLF001 - the way there needs a switch
        audit = asyncio.create_task(media._execute((command, cmd.ReadCounters())))  # noqa: SLF001
        await asyncio.sleep(WITHIN)
        media.post(ev.FlowDeleted(Leg.CALLER, None))
        media.post(rtcp_of(Leg.CALLER))
        async with asyncio.timeout(60):
            assert await audit == []
        assert media.placement.state is State.OFFLOADED
