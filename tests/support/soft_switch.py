"""A flow table in software, by the words of openflow/flow.py: put a packet in, see where it comes out, and how."""

from dataclasses import dataclass, field, replace

from stasis_offload.openflow.flow import (
    SAMPLE_TABLE,
    SIZE_TABLE,
    TABLE,
    Action,
    Drop,
    Flow,
    Forward,
    Match,
    Mirror,
    Sample,
    Split,
)
from stasis_offload.openflow.plan import Plan
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Datagram, build_udp

CONTROLLER = "CONTROLLER"


@dataclass
class FlowTable:
    """Our tables of one bridge; what no flow takes goes the bridge's own way."""

    flows: list[Flow] = field(default_factory=list)

    def apply(self, plan: Plan) -> None:
        for cookie in plan.remove:
            self.flows = [flow for flow in self.flows if flow.cookie != cookie]
        for flow in plan.add:
            self.flows = [
                old
                for old in self.flows
                if (old.table, old.match, old.priority) != (flow.table, flow.match, flow.priority)
            ]
            self.flows.append(flow)

    def process(self, in_port: int, packet: Datagram) -> list[tuple[int | str, Datagram]]:
        """Return what goes the bridge's own way, each with the port by which it seems to have come in, or to us."""
        return self._carry_out(self._action(TABLE, in_port, packet), in_port, packet)

    def _carry_out(
        self, action: Action | None, in_port: int, packet: Datagram
    ) -> list[tuple[int | str, Datagram]]:
        match action:
            case None:
                return [(in_port, packet)]
            case Split(size):
                larger = len(build_udp(packet)) > size
                found = self._action(SIZE_TABLE, in_port, packet, larger=larger)
                return self._carry_out(found, in_port, packet)
            case Mirror():
                return [(CONTROLLER, packet), (in_port, packet)]
            case Forward() as action:
                forwarded: list[tuple[int | str, Datagram]] = [(action.in_port, _rewritten(packet, action))]
                shown = self._action(SAMPLE_TABLE, in_port, packet)
                return [(CONTROLLER, packet), *forwarded] if shown else forwarded
            case Drop(mirror_bytes):
                return [(CONTROLLER, packet)] if mirror_bytes else []
            case Sample():
                return []

    def _action(self, table: int, in_port: int, packet: Datagram, *, larger: bool = False) -> Action | None:
        found = [
            flow
            for flow in self.flows
            if flow.table == table
            and flow.match.larger in (None, larger)
            and _matches(flow.match, in_port, packet)
        ]
        return max(found, key=lambda flow: flow.priority).action if found else None


def _matches(match: Match, in_port: int, packet: Datagram) -> bool:
    if match.source is not None and not _is_of(match.source, packet.source):
        return False
    if not _is_of(match.destination, packet.destination):
        return False
    if match.in_port is None:
        return True
    here = (match.in_port, match.vlan) == (in_port, packet.tag.vid if packet.tag else None)
    return here and match.eth_src in (None, packet.eth_src)


def _is_of(wanted: Address, address: Address) -> bool:
    return wanted.host == address.host and wanted.port in (0, address.port)


def _rewritten(packet: Datagram, action: Forward) -> Datagram:
    return replace(
        packet,
        eth_src=action.eth_src,
        eth_dst=action.eth_dst,
        source=action.source,
        destination=action.destination,
        tag=action.tag,
        dscp=action.dscp,
        ttl=packet.ttl - 1,
    )
