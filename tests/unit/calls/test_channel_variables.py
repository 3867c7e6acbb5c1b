"""The variables of a caller's channel, and the order in which they are written."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import pytest
import structlog

from stasis_offload.calls import channel_variables
from stasis_offload.calls.channel_variables import (
    SETTLED_AFTER,
    WRITERS,
    ChannelVariables,
    Settling,
    variables_of,
)
from stasis_offload.errors import AriUnavailableError
from stasis_offload.media import events as ev
from stasis_offload.media.path import Leg
from stasis_offload.media.quality import Quality
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.state import Placement
from stasis_offload.openflow.flow import FlowCount
from tests.support.fake_asterisk import FakeAsterisk
from tests.support.placements import BOTH_COUNT, CONNECTED, GUARDED, LEARNING, OFFLOADED, TUNING, after

RELAYED = after(ev.Blocked(ReasonKind.OPERATOR), start=GUARDED)
QUALITY = Quality()
NAMES = ("OFFLOAD_STATUS", "OFFLOAD_REASON")


def written(placement: Placement, before: Mapping[str, str]) -> list[tuple[str, str]]:
    """List status and reason in the order in which they are written."""
    variables = variables_of(placement, Quality(), before)
    return [(name, value) for name, value in variables.items() if name in NAMES]


@pytest.mark.parametrize("before", [OFFLOADED, RELAYED], ids=["offloaded", "relayed"])
@pytest.mark.parametrize("after_", [OFFLOADED, RELAYED], ids=["offloaded", "relayed"])
def test_a_relayed_call_has_its_reason_whichever_variable_was_written_last(
    before: Placement, after_: Placement
) -> None:
    now = dict(written(before, {}))
    for name, value in written(after_, now):
        now[name] = value
        assert now["OFFLOAD_STATUS"] == "offloaded" or now["OFFLOAD_REASON"] == "operator"


def test_a_call_that_is_only_passing_keeps_what_was_written() -> None:
    before = dict(written(RELAYED, {}))
    assert dict(written(LEARNING, before)) == before


def test_what_an_earlier_process_had_forwarded_is_part_of_the_packets() -> None:
    assert variables_of(replace(GUARDED, earlier_packets=1000), Quality(), {})["OFFLOAD_PACKETS"] == "1000"
    counted = after(ev.CountersRead(BOTH_COUNT), start=replace(GUARDED, earlier_packets=1000))
    assert variables_of(counted, Quality(), {})["OFFLOAD_PACKETS"] == "1009"


HANG_UP = after(ev.BridgeChanged(), start=GUARDED)
STOPPED = after(ev.Blocked(ReasonKind.STOPPING), start=GUARDED)


def test_what_a_hang_up_goes_through_is_not_written_and_what_lasts_is() -> None:
    settling = Settling().then(OFFLOADED, 10.0)
    assert settling.settled(10.0)
    assert settling.known
    leaving = settling.then(HANG_UP, 20.0)
    assert not leaving.settled(20.2)
    assert leaving.wait(20.2) == pytest.approx(SETTLED_AFTER - 0.2)
    assert not leaving.then(RELAYED, 20.3).settled(20.6)
    assert leaving.then(HANG_UP, 20.3).settled(20.5)


def test_an_application_that_stops_writes_so_at_once() -> None:
    assert Settling().then(OFFLOADED, 10.0).then(STOPPED, 20.0).settled(20.0)


def test_a_short_call_that_was_never_offloaded_has_its_reason_and_not_that_of_its_ringing() -> None:
    ringing = (
        Settling()
        .then(Placement(call="c", tuning=TUNING), 0.0)
        .then(Placement(call="c", tuning=TUNING), 20.0)
    )
    assert not ringing.known
    assert not ringing.then(CONNECTED, 20.0).known
    assert ringing.then(RELAYED, 20.0).then(RELAYED, 21.0).known


class SlowAsterisk(FakeAsterisk):
    """It notes the variables, answers when `answering` is set, and loses the first `lost` requests."""

    def __init__(self, *, lost: int = 0) -> None:
        super().__init__()
        self.answering = asyncio.Event()
        self.lost = lost
        self.asked = 0
        self.found: dict[tuple[str, str], str | None] = {}

    async def set_variable(self, channel: str, *, name: str, value: str | None) -> None:
        self.asked += 1
        await self.answering.wait()
        if self.lost:
            self.lost -= 1
            raise AriUnavailableError("no answer")
        self.found[channel, name] = value


async def written_by(asterisk: SlowAsterisk, calls: int) -> None:
    """Let calls write their variables, and stop them when all are written."""
    turns = asyncio.Semaphore(WRITERS)
    all_of = [
        ChannelVariables(
            f"1700000000.{n}", ari=asterisk, quality=lambda: QUALITY, turns=turns, log=structlog.get_logger()
        )
        for n in range(calls)
    ]
    async with asyncio.TaskGroup() as tasks:
        for variables in all_of:
            variables.update(GUARDED)
            tasks.create_task(variables.run())
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await asyncio.Event().wait()
        assert asterisk.asked <= WRITERS
        asterisk.answering.set()
        async with asyncio.timeout(10):
            while len(asterisk.found) < 3 * calls:  # noqa: ASYNC110 - what was written has no event
                await asyncio.sleep(0.001)
        for variables in all_of:
            variables.stop()


async def test_however_many_calls_write_variables_a_few_requests_are_under_way_and_what_is_lost_is_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(channel_variables, "REPEATED_AFTER", 0.01)
    asterisk = SlowAsterisk(lost=3)
    await written_by(asterisk, 50)
    assert {value for (_, name), value in asterisk.found.items() if name == "OFFLOAD_STATUS"} == {"offloaded"}


@pytest.mark.parametrize("waits", [0.05, 3600.0], ids=["a moment", "longer"])
async def test_what_has_settled_is_written_and_what_only_counts_waits(
    monkeypatch: pytest.MonkeyPatch, waits: float
) -> None:
    monkeypatch.setattr(channel_variables, "SETTLED_AFTER", 0.05)
    monkeypatch.setattr(channel_variables, "QUALITY_AFTER", waits)
    monkeypatch.setattr(channel_variables, "QUALITY_AT_LEAST_EVERY", waits)
    asterisk = SlowAsterisk()
    asterisk.answering.set()
    variables = ChannelVariables(
        "c", ari=asterisk, quality=lambda: QUALITY, turns=asyncio.Semaphore(1), log=structlog.get_logger()
    )

    def found(name: str) -> str | None:
        return asterisk.found.get(("c", f"OFFLOAD_{name}"))

    async def until(name: str, value: str) -> None:
        async with asyncio.timeout(60):
            while found(name) != value:  # noqa: ASYNC110 - what was written has no event
                await asyncio.sleep(0.001)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(variables.run())
        variables.update(GUARDED)
        await until("STATUS", "offloaded")
        variables.update(RELAYED)
        await until("STATUS", "relayed")
        asked, counted = asterisk.asked, int(found("PACKETS") or 0)
        for packets in range(1, 50):
            variables.update(replace(RELAYED, earlier_packets=packets))
            await asyncio.sleep(0)
        if waits < 1:
            await until("PACKETS", str(counted + 49))
        else:
            assert asterisk.asked == asked
        variables.stop()


async def test_nothing_is_written_to_a_caller_who_has_left() -> None:
    asterisk = SlowAsterisk()
    asterisk.answering.set()
    variables = ChannelVariables(
        "c", ari=asterisk, quality=lambda: QUALITY, turns=asyncio.Semaphore(1), log=structlog.get_logger()
    )
    variables.update(GUARDED)
    assert await variables.write()
    asked = asterisk.asked
    variables.leave()
    variables.update(RELAYED)
    assert await variables.write()
    assert (asked, asterisk.asked) == (3, 3)


async def test_packets_are_written_when_an_audit_has_counted_them_and_not_when_it_counts_them_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(channel_variables, "QUALITY_AFTER", 3600.0)
    asterisk = SlowAsterisk()
    asterisk.answering.set()
    variables = ChannelVariables(
        "c", ari=asterisk, quality=lambda: QUALITY, turns=asyncio.Semaphore(1), log=structlog.get_logger()
    )

    async def written(packets: int) -> None:
        async with asyncio.timeout(60):
            while asterisk.found.get(("c", "OFFLOAD_PACKETS")) != str(packets):  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.001)

    counts = {leg: FlowCount(packets=500) for leg in Leg}
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(variables.run())
        audited = replace(GUARDED, counts=counts, unsampled=frozenset(Leg))
        variables.update(GUARDED)
        variables.update(audited)
        await written(1000)
        more = {leg: FlowCount(packets=600) for leg in Leg}
        variables.update(replace(audited, counts=more, unsampled=frozenset()))
        for _ in range(100):
            await asyncio.sleep(0)
        assert asterisk.found["c", "OFFLOAD_PACKETS"] == "1000"
        variables.stop()
