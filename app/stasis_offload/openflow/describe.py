"""Queries for the identity and the abilities of a switch, which change nothing in it."""

from stasis_offload.errors import OpenFlowError, SwitchUnavailableError
from stasis_offload.openflow import decode, encode
from stasis_offload.openflow.channel import Channel, Timeouts, open_channel
from stasis_offload.openflow.decode import VERSION, VERSION_NAMES, MessageKind
from stasis_offload.openflow.endpoint import Endpoint
from stasis_offload.openflow.events import SeenFlow, SwitchDescription
from stasis_offload.openflow.flow import (
    COOKIE_PREFIX,
    Flow,
    Match,
    Split,
)
from stasis_offload.openflow.flowmod import ANY
from stasis_offload.packets.address import Address

# How fragments are handled, of a configuration's flags (7.3.2); the value is Open vSwitch's (nicira-ext.h).
OFPC_FRAG_MASK = OFPC_FRAG_NX_MATCH = 3

_SPLITTING = Flow(
    cookie=COOKIE_PREFIX,
    priority=0,
    match=Match(source=None, destination=Address.parse("192.0.2.1:1")),  # of no network (RFC 5737)
    action=Split(0),
)


async def describe_switch(
    endpoint: Endpoint, *, timeouts: Timeouts | None = None
) -> tuple[SwitchDescription, tuple[SeenFlow, ...]]:
    """Connect, query the switch and disconnect; unlike `Switch.run`, leave its flows alone.

    Return also its flows, whoever added them.

    Raises:
        SwitchUnavailableError: the switch was not reached, or a reply timed out.
        OpenFlowError: it does not support OpenFlow 1.3, or violates it.

    """
    async with open_channel(
        endpoint, on_message=lambda _: None, timeouts=timeouts or Timeouts(answer=2.0)
    ) as channel:
        return await describe(channel), await _read_flows(channel)


async def _read_flows(channel: Channel) -> tuple[SeenFlow, ...]:
    xid = channel.new_xid()
    request = encode.flow_stats_request(xid, ANY)
    return tuple(decode.parse_flows(await channel.request(xid, request, MessageKind.MULTIPART_REPLY)))


async def describe(channel: Channel) -> SwitchDescription:
    """Query a switch over an existing connection.

    Raises as `Channel.request`.
    """
    xid = channel.new_xid()
    features = await channel.request(xid, encode.features_request(xid), MessageKind.FEATURES_REPLY)
    xid = channel.new_xid()
    description = await channel.request(xid, encode.description_request(xid), MessageKind.MULTIPART_REPLY)
    xid = channel.new_xid()
    ports = await channel.request(xid, encode.ports_request(xid), MessageKind.MULTIPART_REPLY)
    xid = channel.new_xid()
    (config,) = await channel.request(xid, encode.config_request(xid), MessageKind.GET_CONFIG_REPLY)
    words = decode.parse_description(description)
    return SwitchDescription(
        datapath_id=decode.parse_features(features[0]),
        version=VERSION_NAMES[VERSION],
        manufacturer=words.manufacturer,
        hardware=words.hardware,
        software=words.software,
        datapath=words.datapath,
        ports=decode.parse_ports(ports),
        atomic_bundles=await _takes_bundles(channel),
        parts_fragments=decode.parse_config(config) & OFPC_FRAG_MASK == OFPC_FRAG_NX_MATCH,
        splits=await _takes_bundles(channel, with_flow=_SPLITTING),
    )


async def _takes_bundles(channel: Channel, *, with_flow: Flow | None = None) -> bool:
    """Return whether the switch takes a bundle, which is then discarded."""
    xid = channel.new_xid()
    staged = encode.stage_bundle(xid, add=[with_flow] if with_flow else ())
    bundle = staged + encode.discard_bundle(xid, xid)
    try:
        await channel.send_and_confirm(xid, bundle)
    except SwitchUnavailableError:
        raise
    except OpenFlowError:
        return False
    return True
