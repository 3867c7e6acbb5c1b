"""Computes the smallest change from the actual flows to the desired ones."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from stasis_offload.openflow.flow import Flow


@dataclass(frozen=True, slots=True)
class Plan:
    """Flows to remove, by cookie, and flows to add after that.

    Removals are in reverse order: a guard that outlives the flow it guards would report that flow's packets.

    A flow that changes its action but not its match is only added: the ADD replaces it and keeps its counters
    (OpenFlow 1.3.5, 6.4; OVS: add_flow_start in ofproto/ofproto.c).
    """

    remove: tuple[int, ...]
    add: tuple[Flow, ...]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to change."""
        return not (self.remove or self.add)


def plan(desired: Iterable[Flow], actual: Iterable[Flow], *, ended: Collection[int] = ()) -> Plan:
    """Return the plan that turns `actual` into `desired`. Each flow has a cookie of its own (flow.py).

    `ended` are the cookies of flows that the switch reported as ended; the report may be of an earlier flow.
    """
    wanted = {flow.cookie: flow for flow in desired}
    present = {flow.cookie: flow for flow in actual}
    return Plan(
        remove=tuple(
            cookie
            for cookie, flow in reversed(present.items())
            if cookie not in wanted or not _same_packets(flow, wanted[cookie])
        ),
        add=tuple(flow for cookie, flow in wanted.items() if present.get(cookie) != flow or cookie in ended),
    )


def _same_packets(one: Flow, other: Flow) -> bool:
    return (one.priority, one.match) == (other.priority, other.match)
