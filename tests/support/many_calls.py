"""Flows of many calls: each has ports of its own."""

from dataclasses import replace

from stasis_offload.media.flows import FlowLifetime, forwarding_flows, learn_in_flow
from stasis_offload.media.path import Leg, MediaPath
from stasis_offload.openflow.flow import Flow
from stasis_offload.packets.address import Address
from tests.support.packets import CALLEE, CALLER, PATH

LIFETIME = FlowLifetime(idle_timeout=60, lease=90)


def path(number: int) -> MediaPath:
    """Return the path of one of many calls."""
    return MediaPath(
        caller=replace(
            CALLER,
            remote=Address(CALLER.remote.host, 4000 + 2 * number),
            local=Address(CALLER.local.host, 10000 + 2 * number),
        ),
        callee=replace(
            CALLEE,
            remote=Address(CALLEE.remote.host, 5000 + 2 * number),
            local=Address(CALLEE.local.host, 20000 + 2 * number),
        ),
    )


def flows_of(call: str, number: int = 0) -> tuple[Flow, ...]:
    return forwarding_flows(call, path(number), LIFETIME)


def learning_flows_of(call: str) -> tuple[Flow, ...]:
    return tuple(
        learn_in_flow(
            call, leg, source=PATH.attachment(leg).remote, destination=PATH.attachment(leg).local, lease=60
        )
        for leg in Leg
    )
