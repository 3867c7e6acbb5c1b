"""A flow table in software, by the words of flows.py: put a packet in, see where it comes out, and how."""

from dataclasses import dataclass, field, replace

from stasis_offload.flows import Copy, Flow, Forward, Match
from stasis_offload.frame import Datagram
from stasis_offload.plan import Plan

NORMAL = "NORMAL"
CONTROLLER = "CONTROLLER"


@dataclass
class FlowTable:
    """The flows of one bridge, which ends with its own flow of priority 0, NORMAL."""

    flows: list[Flow] = field(default_factory=list)

    def apply(self, plan: Plan) -> None:
        for cookie in plan.remove:
            self.flows = [flow for flow in self.flows if flow.cookie != cookie]
        for flow in plan.add:
            self.flows = [
                old for old in self.flows if (old.match, old.priority) != (flow.match, flow.priority)
            ]
            self.flows.append(flow)

    def process(self, in_port: int, packet: Datagram) -> list[tuple[int | str, Datagram]]:
        """Return what comes out, port by port. By number, nothing goes back out of the port it came in by."""
        found = [flow for flow in self.flows if _matches(flow.match, in_port, packet)]
        if not found:
            return [(NORMAL, packet)]
        match max(found, key=lambda flow: flow.priority).action:
            case Copy():
                return [(NORMAL, packet), (CONTROLLER, packet)]
            case Forward(out_port=None) as action:
                return [(in_port, _rewritten(packet, action))]
            case Forward(out_port=out_port) as action:
                return [] if out_port == in_port else [(out_port, _rewritten(packet, action))]


def _matches(match: Match, in_port: int, packet: Datagram) -> bool:
    if (match.source, match.destination) != (packet.source, packet.destination):
        return False
    if match.in_port is None:
        return True
    here = (match.in_port, match.vlan) == (in_port, packet.vlan)
    return here and match.eth_src in (None, packet.eth_src)


def _rewritten(packet: Datagram, action: Forward) -> Datagram:
    return replace(
        packet,
        eth_src=action.eth_src,
        eth_dst=action.eth_dst,
        source=action.source,
        destination=action.destination,
        vlan=action.vlan,
        ttl=packet.ttl - 1,
    )
