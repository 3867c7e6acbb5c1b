"""Flows of many calls: each has ports of its own."""

from stasis_offload.media.flows import FlowLimits, forwarding_flows, waiting_flow
from stasis_offload.media.path import Leg, MediaPath
from stasis_offload.openflow.flow import Flow
from tests.support.packets import PATH, attachment

LIMITS = FlowLimits(idle_timeout=60)


def path(number: int) -> MediaPath:
    """Return the path of one of many calls."""
    return MediaPath(
        caller=attachment(
            1, 0x0A, remote=f"198.18.0.10:{4000 + 2 * number}", local=f"198.18.0.1:{10000 + 2 * number}"
        ),
        callee=attachment(
            2, 0x0B, remote=f"198.18.1.20:{5000 + 2 * number}", local=f"198.18.1.1:{20000 + 2 * number}"
        ),
    )


def flows_of(call: str, number: int = 0) -> tuple[Flow, ...]:
    return forwarding_flows(call, path(number), LIMITS)


def learning_flows_of(call: str) -> tuple[Flow, ...]:
    return tuple(
        waiting_flow(call, leg, source=PATH.attachment(leg).remote, local=PATH.attachment(leg).local)
        for leg in Leg
    )
