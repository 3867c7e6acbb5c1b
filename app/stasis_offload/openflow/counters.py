"""The counters of flows, as the switch had them at the moment of the request."""

from collections.abc import Awaitable, Mapping, Sequence

from stasis_offload.errors import OpenFlowError
from stasis_offload.openflow import decode
from stasis_offload.openflow.flow import COOKIE_ROLE_MASK, FlowCount
from stasis_offload.openflow.pending import Reply


async def counted(pending: Awaitable[Sequence[Reply]]) -> dict[int, FlowCount]:
    """Return the counters in replies to `flow_stats_request`, by cookie; raises the first error among them."""
    found: dict[int, FlowCount] = {}
    for answer in await pending:
        if isinstance(answer, OpenFlowError):
            raise answer
        found.update(decode.parse_flow_stats(answer))
    return found


def by_role(counts: Mapping[int, FlowCount]) -> dict[int, FlowCount]:
    """Return the counters of one owner's flows by their roles."""
    return {cookie & COOKIE_ROLE_MASK: count for cookie, count in counts.items()}
