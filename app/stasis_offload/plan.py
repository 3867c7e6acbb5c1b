"""The switch is made to hold exactly the flows that are desired; what is right already is not touched."""

from collections.abc import Iterable
from dataclasses import dataclass

from stasis_offload.flows import Flow


@dataclass(frozen=True, slots=True)
class Plan:
    """Flows to remove, by cookie, and then flows to add. A changed flow is in both."""

    remove: tuple[int, ...]
    add: tuple[Flow, ...]

    @property
    def is_empty(self) -> bool:
        """Whether the switch holds what is desired."""
        return not (self.remove or self.add)


def plan(desired: Iterable[Flow], actual: Iterable[Flow]) -> Plan:
    """Compare flows by their cookie, of which each flow has its own (flows.py).

    A flow of which anything changed is removed and added again: an OpenFlow ADD replaces only a flow of the
    same match and priority (OpenFlow 1.3.5, 6.4).
    """
    wanted = {flow.cookie: flow for flow in desired}
    present = {flow.cookie: flow for flow in actual}
    return Plan(
        remove=tuple(cookie for cookie, flow in present.items() if wanted.get(cookie) != flow),
        add=tuple(flow for cookie, flow in wanted.items() if present.get(cookie) != flow),
    )
