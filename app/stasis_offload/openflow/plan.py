"""The switch is made to hold exactly the flows that are desired; what is right already is not touched."""

from collections.abc import Iterable
from dataclasses import dataclass

from stasis_offload.openflow.flow import Flow


@dataclass(frozen=True, slots=True)
class Plan:
    """Flows to remove, by cookie, and then flows to add.

    The last come go first: a guard that outlives the flow it guards would report that flow's packets.

    A flow that changes in what it does, not in what it matches, is only added: the ADD replaces it and keeps its
    counters (OpenFlow 1.3.5, 6.4; OVS: add_flow_start in ofproto/ofproto.c).
    """

    remove: tuple[int, ...]
    add: tuple[Flow, ...]

    @property
    def is_empty(self) -> bool:
        """Whether the switch holds what is desired."""
        return not (self.remove or self.add)


def plan(desired: Iterable[Flow], actual: Iterable[Flow], *, renew: bool = False) -> Plan:
    """Compare flows by their cookie, of which each flow has its own (flow.py).

    With `renew`, flows that are right are added again too, which starts their hard timeout anew and changes nothing
    else.
    """
    wanted = {flow.cookie: flow for flow in desired}
    present = {flow.cookie: flow for flow in actual}
    return Plan(
        remove=tuple(
            cookie
            for cookie, flow in reversed(present.items())
            if cookie not in wanted or not _same_packets(flow, wanted[cookie])
        ),
        add=tuple(flow for cookie, flow in wanted.items() if renew or present.get(cookie) != flow),
    )


def _same_packets(one: Flow, other: Flow) -> bool:
    return (one.priority, one.match) == (other.priority, other.match)
