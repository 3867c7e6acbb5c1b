"""Two switches of unlike tables, each a real Open vSwitch of its own, and one goes away: its metrics, and what the alerts make of them."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import pytest

from stasis_offload.media.flows import MOST_FLOWS
from stasis_offload.openflow.flow import TABLE
from stasis_offload.openflow.room import GATE_FLOWS
from tests.integration.test_openflow_room import CALLS, for_calls, limited
from tests.support.asterisk_container import free_port
from tests.support.metrics import Samples
from tests.support.ovs_container import Bridge
from tests.support.prometheus import build, promtool
from tests.support.service_process import environment_of, started

FEW, MANY = "few", "many"
MILLION = 1_000_000  # what a table of Open vSwitch tells that it takes
NO_ASTERISK = [
    '{alertname="StasisOffloadComponentDown", component="asterisk"}',
    '{alertname="StasisOffloadComponentDown", component="module"}',
]
Scrape = Callable[[], Awaitable[str]]


def stopped(bridge: Bridge) -> Iterator[None]:
    bridge.ovs.stop()
    try:
        yield
    finally:
        bridge.ovs.start()


def hung(bridge: Bridge) -> Iterator[None]:
    with bridge.ovs.frozen():
        yield


def made_anew_for_no_call(bridge: Bridge) -> Iterator[None]:
    name = bridge.name
    bridge.ovs.vsctl("del-br", name)
    try:
        yield
    finally:
        table = f"--id=@t create Flow_Table flow_limit={GATE_FLOWS[TABLE]}"
        anew = f"{table} -- add-br {name} -- set bridge {name} datapath_type=dummy flow_tables:{TABLE}=@t"
        bridge.ovs.vsctl(*anew.split())


Gone = Callable[[Bridge], Iterator[None]]


@pytest.fixture(scope="module", autouse=True)
def _image() -> None:
    build()


@asynccontextmanager
async def application(folder: Path, few: Bridge, many: Bridge) -> AsyncIterator[Scrape]:
    """Run the application with both switches; yields what asks it for its metrics."""
    port = free_port()
    environment = environment_of(folder, port=port)
    del environment["STASIS_OFFLOAD_OPENFLOW__CONNECTION"]
    file = folder / "stasis-offload.toml"
    file.write_text(
        "".join(
            f'[[switch]]\nname = "{name}"\nconnection = "{bridge.management}"\n'
            for name, bridge in ((FEW, few), (MANY, many))
        )
    )
    async with started(environment, "--config", str(file)) as process, aiohttp.ClientSession() as session:

        async def scrape() -> str:
            while process.returncode is None:
                try:
                    async with session.get(f"http://127.0.0.1:{port}/metrics") as response:
                        return await response.text()
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.05)
            pytest.fail(f"it has ended: {(await process.communicate())[1].decode()}")

        yield scrape


async def until(scrape: Scrape, *up: str) -> str:
    """Return the first scrape that says that these switches are connected, and no other."""
    wanted = {(name,): float(name in up) for name in (FEW, MANY)}
    while Samples(text := await scrape()).rows("switch_up") != wanted:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.1)
    return text


def limits(name: str, most: int) -> dict[tuple[str, ...], float]:
    """Return what is told of a switch of which TABLE takes so many flows."""
    return {
        (name, str(table)): (most if table == TABLE else MILLION) - GATE_FLOWS[table] for table in MOST_FLOWS
    }


def firing(scrapes: Sequence[str], *expected: list[str]) -> None:
    """Have promtool play the scrapes, each for three minutes, and say at the end of each which alerts fire."""
    found = [Samples(text).series() for text in scrapes]
    series = [
        {
            "series": name,
            # What a scrape does not have any more is gone at once.
            "values": " ".join(" ".join([str(each.get(name, "stale"))] * 3) for each in found),
        }
        for name in sorted(set().union(*found))
    ]
    alerts = [
        {
            "expr": 'count by (alertname, component, switch) (ALERTS{alertstate="firing"})',
            "eval_time": f"{3 * number + 2}m",
            "exp_samples": [{"labels": labels, "value": 1} for labels in each],
        }
        for number, each in enumerate(expected)
    ]
    tests = [{"interval": "1m", "input_series": series, "promql_expr_test": alerts}]
    file = {"rule_files": ["/rules/stasis-offload.rules.yml"], "evaluation_interval": "1m", "tests": tests}
    assert "SUCCESS" in promtool("test", "rules", "/dev/stdin", given=json.dumps(file))


@pytest.mark.parametrize(
    ("gone", "takes_afterwards"),
    [(stopped, MILLION), (hung, MILLION), (made_anew_for_no_call, GATE_FLOWS[TABLE])],
)
async def test_one_that_goes_away_has_no_limits_and_an_alert_of_its_own_and_the_other_is_as_it_was(
    bridge: Bridge, other: Bridge, tmp_path: Path, gone: Gone, takes_afterwards: int
) -> None:
    away: AbstractContextManager[None] = contextmanager(gone)(other)
    with limited(bridge, TABLE, for_calls(TABLE)):
        async with application(tmp_path, bridge, other) as scrape:
            both = await until(scrape, FEW, MANY)
            with away:
                one = await until(scrape, FEW)
            again = await until(scrape, FEW, MANY)
    few, many = limits(FEW, for_calls(TABLE)), limits(MANY, MILLION)
    back = limits(MANY, takes_afterwards)
    assert [Samples(text).rows("flows_max") for text in (both, one, again)] == [few | many, few, few | back]
    plenty = (MILLION - GATE_FLOWS[TABLE]) // MOST_FLOWS[TABLE]
    assert [Samples(text).rows("calls_max") for text in (both, one, again)] == [
        {(FEW,): CALLS, (MANY,): plenty},
        {(FEW,): CALLS},
        {(FEW,): CALLS, (MANY,): back[MANY, str(TABLE)] // MOST_FLOWS[TABLE]},
    ]
    for text in (both, one, again):
        assert Samples(text).rows("flows") == dict.fromkeys(few | many, 0)
    alert = f'{{alertname="StasisOffloadSwitchDown", switch="{MANY}"}}'
    firing([both, one, again], NO_ASTERISK, [*NO_ASTERISK, alert], NO_ASTERISK)


async def test_of_two_that_are_both_away_the_alert_is_that_no_switch_is_reached(
    bridge: Bridge, other: Bridge, tmp_path: Path
) -> None:
    async with application(tmp_path, bridge, other) as scrape:
        both = await until(scrape, FEW, MANY)
        with bridge.ovs.frozen(), other.ovs.frozen():
            none = await until(scrape)
    assert [Samples(none).rows(name) for name in ("flows_max", "calls_max")] == [{}, {}]
    alert = '{alertname="StasisOffloadComponentDown", component="switch"}'
    firing([both, none], NO_ASTERISK, [*NO_ASTERISK, alert])
