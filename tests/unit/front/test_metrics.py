"""`GET /metrics`, as Prometheus' own parsers read it."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from stasis_offload.asterisk import ari_events as ari
from stasis_offload.calls.node_drain import NodeDrain
from stasis_offload.calls.statistics import Statistics
from stasis_offload.media import events as ev
from stasis_offload.media.path import Leg
from stasis_offload.media.quality import LegQuality, Quality
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.state import Placement
from stasis_offload.metrics import Metrics
from stasis_offload.openflow.flow import FlowCount
from tests.support.fake_asterisk import FakeAsterisk, World, in_stasis, running
from tests.support.idle_calls import absent_switch
from tests.support.metrics import documented, exposed
from tests.support.placements import BOTH_COUNT, CUTTING_OVER, GUARDED, OFFLOADED, after

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class _KnownQuality(Quality):
    """Quality as it was last reported."""

    def of(self, leg: Leg) -> LegQuality:
        if leg is Leg.CALLEE:
            return LegQuality()
        return LegQuality(loss=0.01, jitter_ms=4.0, rtt_ms=30.0, mos=4.15)


def metrics_of(world: World, node: NodeDrain | None = None) -> Metrics:
    return Metrics(
        world.registry,
        gateways=world.gateways,
        gate=world.gate,
        node=node or NodeDrain(ari=world.gateways.ari),
        version="1.2.3",
    )


def samples_of(families: Iterable[Metric]) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def read(metrics: Metrics) -> Samples:
    return samples_of(parse_text(metrics.answer("")[0].decode()))


def named(name: str, **labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    return f"stasis_offload_{name}", tuple(sorted(labels.items()))


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[named(name, **labels)]


async def test_both_formats_say_the_same_and_prometheus_chooses() -> None:
    async with running(FakeAsterisk()) as world:
        metrics = metrics_of(world)
        text, text_type = metrics.answer("text/plain")
        openmetrics, openmetrics_type = metrics.answer(OPENMETRICS)
    assert text_type.startswith("text/plain; version=0.0.4")
    assert openmetrics_type.startswith("application/openmetrics-text; version=1.0.0")
    as_text = samples_of(parse_text(text.decode()))
    as_openmetrics = samples_of(parse_openmetrics(openmetrics.decode()))  # type: ignore[no-untyped-call]
    ours = {key: number for key, number in as_text.items() if key[0].startswith("stasis_offload_")}
    assert value(ours, "build_info", version="1.2.3") == 1
    assert ours == {key: n for key, n in as_openmetrics.items() if key[0].startswith("stasis_offload_")}
    assert any(name == "process_cpu_seconds_total" for name, _ in as_text)


async def test_calls_are_counted_by_state_and_reason_and_no_label_is_a_call() -> None:
    callers = [in_stasis(f"1700000000.{n}", "PJSIP/a") for n in range(3)]
    async with running(FakeAsterisk(*callers)) as world:
        for caller in callers:
            world.on_ari(ari.StasisStart(caller, ("PJSIP/a",), None))
        world.on_ari(ari.StasisStart(in_stasis("1700000000.9"), ("PJSIP/a", "30", "@"), None))
        text = metrics_of(world).answer("")[0].decode()
    samples = samples_of(parse_text(text))
    assert value(samples, "calls", state="dialing", reason="not-connected") == 3
    assert value(samples, "calls", state="offloaded", reason="") == 0
    assert value(samples, "calls_begun_total", origin="new") == 3
    assert value(samples, "calls_passed_by_total", reason="arguments") == 1
    assert "1700000000" not in text


async def test_what_is_not_reached_and_what_an_operator_blocks_is_seen() -> None:
    async with running(FakeAsterisk()) as world:
        metrics = metrics_of(world)
        world.gate.problems = {"module": "gone"}
        before = read(metrics)
        world.gate.problems.clear()
        world.gate.block(ReasonKind.OPERATOR)
        after_it = read(metrics)
    assert [value(before, "component_up", component=c) for c in ("asterisk", "module", "switch")] == [1, 0, 1]
    assert [value(after_it, "component_up", component=c) for c in ("asterisk", "module")] == [1, 1]
    assert [value(samples, "operator_blocked") for samples in (before, after_it)] == [0, 1]


async def test_what_asterisk_left_to_dial_appears_once_it_has_said_how_many_there_were() -> None:
    """A counter that began at 0 and then had what Asterisk has counted for days would look like news."""
    async with running(FakeAsterisk()) as world:
        metrics = metrics_of(world)
        key = ("stasis_offload_calls_passed_by_total", (("reason", "overload"),))
        assert key not in read(metrics)
        world.gateways.statistics.passed_by["overload"] = 7
        assert read(metrics)[key] == 7


async def test_whether_the_node_is_drained_is_a_metric() -> None:
    async with running(FakeAsterisk()) as world:
        node = NodeDrain(ari=world.gateways.ari)
        before = read(metrics_of(world, node))
        node.drained = True
        after_it = read(metrics_of(world, node))
    assert [value(samples, "drained") for samples in (before, after_it)] == [0, 1]


def moved(*placements: Placement) -> Statistics:
    statistics = Statistics()
    for now, (before, now_it_is) in enumerate(pairwise(placements), start=1):
        statistics.note_move(before, now_it_is, float(now))
    return statistics


def test_moves_are_counted_by_direction_and_reason() -> None:
    held = after(ev.BridgeChanged(), start=GUARDED, now=2.0)
    ended = after(ev.CallEnded(), start=GUARDED, now=2.0)
    statistics = moved(CUTTING_OVER, OFFLOADED, GUARDED, held, CUTTING_OVER, OFFLOADED, ended)
    assert statistics.moves == {("offload", ""): 2, ("return", "call-changed"): 1, ("return", "ended"): 1}
    # The steps are a second apart, and each learning began at 0.
    assert (statistics.learning.total, sum(statistics.learning.counts)) == (6.0, 2)


async def test_what_was_forwarded_only_grows_and_is_what_asterisk_neither_received_nor_sent() -> None:
    async with running(FakeAsterisk()) as world:
        metrics, statistics = metrics_of(world), world.gateways.statistics
        counted = after(
            ev.CountersRead(BOTH_COUNT), ev.CallEnded(), ev.FinalCounters(BOTH_COUNT), start=GUARDED
        )
        statistics.note_end(counted, _KnownQuality(), carried=True, talked=60.0, offloaded=45.0)
        first = read(metrics)
        statistics.forwarded = FlowCount()
        assert value(read(metrics), "forwarded_packets_total") == value(first, "forwarded_packets_total")
    assert value(first, "forwarded_packets_total") == 9
    assert value(first, "forwarded_bytes_total") == 1926
    assert value(first, "asterisk_packets_saved_total") == 18
    assert value(first, "calls_ended_total", carried="true") == 1
    assert value(first, "calls_ended_total", carried="false") == 0
    # Of the one leg of which something was known, in base units.
    assert value(first, "leg_mos_count") == value(first, "leg_loss_ratio_count") == 1
    assert value(first, "leg_mos_sum") == 4.15
    assert value(first, "leg_jitter_seconds_sum") == 0.004
    assert value(first, "leg_rtt_seconds_sum") == 0.03
    assert value(first, "leg_mos_bucket", le="4.0") == 0
    assert value(first, "leg_mos_bucket", le="4.2") == value(first, "leg_mos_bucket", le="+Inf") == 1


async def test_requests_are_counted_by_peer_and_by_what_became_of_them() -> None:
    async with running(FakeAsterisk()) as world:
        world.gateways.rtpstreams.measured.answered(0.004)
        world.gateways.rtpstreams.measured.unanswered()
        world.gateways.switches[0].measured.refused(0.002)
        samples = read(metrics_of(world))
    assert value(samples, "request_seconds_sum", peer="module") == 0.004
    assert value(samples, "request_seconds_bucket", peer="module", le="0.0025") == 0
    assert value(samples, "request_seconds_bucket", peer="module", le="0.005") == 1
    assert value(samples, "request_errors_total", peer="module", error="unanswered") == 1
    assert value(samples, "request_errors_total", peer="switch", error="refused") == 1
    assert value(samples, "request_seconds_count", peer="ari") == 0


async def test_the_page_lists_every_metric_with_its_labels_and_no_other() -> None:
    async with running(FakeAsterisk()) as world:
        world.gateways.switches[0].flow_table.room.set_limits({77: 2000})
        world.gate.problems.clear()
        text, _ = metrics_of(world).answer("")
    assert exposed(text.decode()) == documented()


async def test_of_several_switches_each_is_seen_apart() -> None:
    switches = absent_switch("host"), absent_switch("tor")
    async with running(FakeAsterisk(), switches=switches) as world:
        world.gate.problems = {"switch tor": "gone"}
        samples = read(metrics_of(world))
    assert [value(samples, "switch_up", switch=name) for name in ("host", "tor")] == [1, 0]
    assert value(samples, "component_up", component="switch") == 0
    assert value(samples, "request_seconds_count", peer="switch tor") == 0


async def test_the_room_of_each_connected_switch_is_told_apart_a_full_tables_too() -> None:
    switches = absent_switch("host"), absent_switch("tor"), absent_switch("away")
    async with running(FakeAsterisk(), switches=switches) as world:
        for switch, most in zip(switches, (25, 9, 2000), strict=True):
            switch.flow_table.room.set_limits({77: most})
        world.gate.problems = {"switch away": "gone"}
        samples = read(metrics_of(world))

    def told(name: str, **labels: str) -> dict[str, float]:
        values = ((each.name, samples.get(named(name, switch=each.name, **labels))) for each in switches)
        return {switch: number for switch, number in values if number is not None}

    assert told("calls_max") == {"host": 2, "tor": 0}
    assert told("flows_max", table="77") == {"host": 25, "tor": 9}
    assert told("flows", table="77") == {"host": 0, "tor": 0, "away": 0}


async def test_a_table_that_takes_nothing_is_one_that_takes_none() -> None:
    async with running(FakeAsterisk()) as world:
        world.gateways.switches[0].flow_table.room.set_limits({77: 0})
        world.gate.problems.clear()
        samples = read(metrics_of(world))
    assert value(samples, "flows_max", switch="", table="77") == 0
    assert value(samples, "calls_max", switch="") == 0


@pytest.mark.parametrize("name", sorted(documented()))
def test_a_name_has_its_unit_in_base_units_and_a_counter_says_so(name: str) -> None:
    """https://prometheus.io/docs/practices/naming/."""
    for unit in ("_ms", "_milliseconds", "_percent", "_kilobytes", "_minutes"):
        assert unit not in name
