"""What `GET /metrics` answers: everything is read when somebody asks, and nothing is kept but plain numbers (docs/metrics.md).

No metric is by call. Names and units are as Prometheus wants them (https://prometheus.io/docs/practices/naming/).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from stasis_offload.calls.call_views import state_of
from stasis_offload.calls.gateways import Gateways
from stasis_offload.calls.node_drain import NodeDrain
from stasis_offload.calls.offload_gate import OffloadGate
from stasis_offload.calls.registry import Registry
from stasis_offload.calls.views import CallState
from stasis_offload.measures import Histogram
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.roles import Role
from stasis_offload.openflow.flow import FlowCount
from stasis_offload.openflow.switch import Switch

_PREFIX = "stasis_offload_"
# What the application needs (OffloadGate.problems).
COMPONENTS = ("asterisk", "module", "switch")


class Metrics(Collector):
    """The metrics of one application, in a registry of their own."""

    def __init__(
        self,
        calls: Registry,
        *,
        gateways: Gateways,
        gate: OffloadGate,
        node: NodeDrain,
        version: str,
    ) -> None:
        self._calls = calls
        self._gateways = gateways
        self._gate = gate
        self._node = node
        self._version = version
        self._forwarded = FlowCount()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def answer(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics, and their content type: what of Prometheus' formats the header `Accept` prefers."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Metric]:
        """Return the families of metrics, with their present values."""
        yield InfoMetricFamily(
            f"{_PREFIX}build", "The version of the application.", value={"version": self._version}
        )
        yield from self._state()
        yield from self._moves()
        yield from self._traffic()
        yield from self._times()
        yield from self._quality()
        yield from self._requests()
        yield from self._homer()

    def _state(self) -> Iterator[Metric]:
        up = _gauge("component_up", "Whether a component is reached: 1 or 0.", ["component"])
        down = {problem.partition(" ")[0] for problem in self._gate.problems}
        for component in COMPONENTS:
            up.add_metric([component], float(component not in down))
        yield up
        yield from self._switches()
        blocked = _gauge("operator_blocked", "Whether an operator keeps all calls with Asterisk: 1 or 0.")
        blocked.add_metric([], float(ReasonKind.OPERATOR in self._gate.blocks))
        yield blocked
        drained = _gauge("drained", "Whether the dialplan refuses new calls (`drain`): 1 or 0.")
        drained.add_metric([], float(self._node.drained))
        yield drained
        calls = _gauge("calls", "Calls that are up, by state and by why not offloaded.", ["state", "reason"])
        counted: Counter[tuple[str, str]] = Counter()
        for call in self._calls:
            reason = call.media.placement.reason
            counted[state_of(call), str(reason.kind) if reason else ""] += 1
        for state in CallState:  # each has a number, whether or not a call is in it
            counted[state, ""] += 0
        _add(calls, counted.items())
        yield calls
        yield from self._tables()

    def _tables(self) -> Iterator[Metric]:
        labels = ["switch", "table"]
        flows = _gauge("flows", "Flows of calls that a switch should have, by table.", labels)
        most = _gauge("flows_max", "Flows of calls that a connected switch takes, if it told.", labels)
        calls = _gauge(
            "calls_max", "Calls that there is room for in a connected switch, if it told.", ["switch"]
        )
        for switch in self._gateways.switches:
            sizes, room = switch.flow_table.sizes, switch.flow_table.room
            _add(flows, (((switch.name, str(number)), sizes[number]) for number in sorted(sizes)))
            if not self._is_up(switch):
                continue
            told = sorted(sizes.keys() & room.limits.keys())
            _add(most, (((switch.name, str(number)), room.limits[number]) for number in told))
            if room.capacity is not None:
                calls.add_metric([switch.name], room.capacity)
        yield flows
        yield most
        yield calls

    def _switches(self) -> Iterator[Metric]:
        up = _gauge("switch_up", "Whether a switch is connected: 1 or 0.", ["switch"])
        calls = _gauge("switch_calls", "Calls that a switch carries.", ["switch"])
        carried = Counter(call.media.carrier for call in self._calls)
        for switch in self._gateways.switches:
            up.add_metric([switch.name], float(self._is_up(switch)))
            calls.add_metric([switch.name], carried[switch.name])
        yield up
        yield calls

    def _is_up(self, switch: Switch) -> bool:
        return switch.title not in self._gate.problems

    def _moves(self) -> Iterator[Metric]:
        statistics = self._gateways.statistics
        begun = _counter("calls_begun", "Calls begun, new ones and those of an earlier process.", ["origin"])
        _add(begun, (((origin,), count) for origin, count in statistics.begun.items()))
        yield begun
        ended = _counter("calls_ended", "Calls ended, by whether the switch ever carried them.", ["carried"])
        _add(ended, (((str(carried).lower(),), count) for carried, count in statistics.ended.items()))
        yield ended
        passed = _counter("calls_passed_by", "Calls that were left to Dial(), by reason.", ["reason"])
        _add(passed, (((reason,), count) for reason, count in statistics.passed_by.items()))
        yield passed
        moves = _counter("moves", "Moves into the switch and back, by reason.", ["direction", "reason"])
        _add(moves, statistics.moves.items())
        yield moves

    def _traffic(self) -> Iterator[Metric]:
        live = (call.media.placement.forwarded(leg) for call in self._calls for leg in Leg)
        total = sum(live, self._gateways.statistics.forwarded)
        # Nothing here goes back, whatever a switch that dies takes along.
        before = self._forwarded
        total = FlowCount(max(total.packets, before.packets), max(total.octets, before.octets))
        self._forwarded = total
        packets = _counter("forwarded_packets", "RTP packets that the switch has forwarded.")
        packets.add_metric([], total.packets)
        yield packets
        octets = _counter("forwarded_bytes", "Bytes of the forwarded packets' frames.")
        octets.add_metric([], total.octets)
        yield octets
        saved = _counter(
            "asterisk_packets_saved", "RTP packets that Asterisk neither received nor sent by that."
        )
        saved.add_metric([], 2 * total.packets)
        yield saved
        shown = _counter("packet_ins", "Packets that the switch has shown to calls, by duty.", ["duty"])
        by_duty: Counter[str] = Counter()
        for role in Role:
            by_duty[role.duty.name.lower().replace("_", "-")] += self._gateways.statistics.packet_ins[role]
        _add(shown, (((duty,), count) for duty, count in by_duty.items()))
        yield shown

    def _times(self) -> Iterator[Metric]:
        statistics = self._gateways.statistics
        yield _histogram(
            "set_up_seconds", "From a caller's entry until a target is dialled.", statistics.set_up
        )
        yield _histogram(
            "learning_seconds",
            "From the start of learning until the switch carries a call.",
            statistics.learning,
        )
        yield _histogram(
            "return_seconds",
            "From what ends a stay in the switch until its flows are gone.",
            statistics.returning,
        )

    def _quality(self) -> Iterator[Metric]:
        statistics = self._gateways.statistics
        yield _histogram("leg_mos", "MOS of what a leg received; of calls that have ended.", statistics.mos)
        yield _histogram("leg_loss_ratio", "Part of the packets that a leg did not get.", statistics.loss)
        yield _histogram("leg_jitter_seconds", "Jitter that a leg reported last.", statistics.jitter)
        yield _histogram("leg_rtt_seconds", "Round trip from the switch to a leg.", statistics.rtt)

    def _requests(self) -> Iterator[Metric]:
        seconds = HistogramMetricFamily(
            f"{_PREFIX}request_seconds", "Time until an answer, be it a refusal, by peer.", labels=["peer"]
        )
        errors = _counter("request_errors", "Requests that were refused or not answered.", ["peer", "error"])
        peers = {
            "ari": self._gateways.ari.measured,
            "module": self._gateways.rtpstreams.measured,
            **{switch.title: switch.measured for switch in self._gateways.switches},
        }
        for peer, requests in peers.items():
            seconds.add_metric([peer], *_buckets(requests.seconds))
            for error in ("refused", "unanswered"):
                errors.add_metric([peer, error], requests.errors[error])
        yield seconds
        yield errors

    def _homer(self) -> Iterator[Metric]:
        captures = _counter(
            "homer_captures", "Reports for the Homer collector, by what became of them.", ["result"]
        )
        captures.add_metric(["sent"], self._gateways.hep.sent)
        captures.add_metric(["lost"], self._gateways.hep.lost)
        yield captures


def _gauge(name: str, text: str, labels: Iterable[str] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, text, labels=tuple(labels))


def _counter(name: str, text: str, labels: Iterable[str] = ()) -> CounterMetricFamily:
    return CounterMetricFamily(_PREFIX + name, text, labels=tuple(labels))


def _add(
    family: GaugeMetricFamily | CounterMetricFamily, values: Iterable[tuple[tuple[str, ...], int]]
) -> None:
    for labels, value in values:
        family.add_metric(labels, value)


def _histogram(name: str, text: str, values: Histogram) -> HistogramMetricFamily:
    family = HistogramMetricFamily(_PREFIX + name, text, labels=())
    family.add_metric([], *_buckets(values))
    return family


def _buckets(values: Histogram) -> tuple[list[tuple[str, int]], float]:
    bounds = (*map(floatToGoString, values.bounds), "+Inf")
    return list(zip(bounds, accumulate(values.counts), strict=True)), values.total
