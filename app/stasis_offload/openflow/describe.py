"""Queries for the identity and the abilities of a switch, which change nothing in it."""

from stasis_offload.errors import OpenFlowError, SwitchUnavailableError
from stasis_offload.openflow import decode, encode, ofp
from stasis_offload.openflow.abilities import (
    BUNDLES,
    Ability,
    TableFeatures,
    Trial,
    lacking_by_features,
    trials,
)
from stasis_offload.openflow.channel import Channel, Timeouts, open_channel
from stasis_offload.openflow.decode import VERSION, VERSION_NAMES, Message, MessageKind
from stasis_offload.openflow.endpoint import Endpoint
from stasis_offload.openflow.events import SeenFlow, SwitchDescription
from stasis_offload.openflow.flowmod import ANY
from stasis_offload.openflow.instance import Instance
from stasis_offload.openflow.table_features import parse_table_features, parse_table_sizes

# How fragments are handled, of a configuration's flags (7.3.2); the value is Open vSwitch's (nicira-ext.h).
OFPC_FRAG_MASK = OFPC_FRAG_NX_MATCH = 3


async def describe_switch(
    endpoint: Endpoint, instance: Instance, *, timeouts: Timeouts | None = None
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
        return await describe(channel, instance, await read_features(channel)), await read_flows(channel)


async def read_flows(channel: Channel, *, table: int = ofp.OFPTT_ALL) -> tuple[SeenFlow, ...]:
    """Return the flows of a switch, or of one table of it, whoever added them; raises as `Channel.request`."""
    xid = channel.new_xid()
    request = encode.flow_stats_request(xid, ANY, table=table)
    return tuple(decode.parse_flows(await channel.request(xid, request, MessageKind.MULTIPART_REPLY)))


async def read_features(channel: Channel) -> tuple[int, int]:
    """Return the datapath id of a switch, and how many tables it has; raises as `Channel.request`."""
    xid = channel.new_xid()
    (features,) = await channel.request(xid, encode.features_request(xid), MessageKind.FEATURES_REPLY)
    return decode.parse_features(features)


async def describe(channel: Channel, instance: Instance, features: tuple[int, int]) -> SwitchDescription:
    """Query a switch with these features (read_features), for an application that is this instance there.

    Raises as `Channel.request`.
    """
    datapath_id, tables = features
    xid = channel.new_xid()
    description = await channel.request(xid, encode.description_request(xid), MessageKind.MULTIPART_REPLY)
    xid = channel.new_xid()
    ports = await channel.request(xid, encode.ports_request(xid), MessageKind.MULTIPART_REPLY)
    xid = channel.new_xid()
    (config,) = await channel.request(xid, encode.config_request(xid), MessageKind.GET_CONFIG_REPLY)
    words = decode.parse_description(description)
    ours = await read_tables(channel, instance)
    return SwitchDescription(
        datapath_id=datapath_id,
        version=VERSION_NAMES[VERSION],
        manufacturer=words.manufacturer,
        hardware=words.hardware,
        software=words.software,
        datapath=words.datapath,
        ports=decode.parse_ports(ports),
        lacks=(*lacking_by_features(tables, ours, instance), *await _lacking_by_trial(channel, instance)),
        most={table: each.most for table, each in ours.items()},
        parts_fragments=decode.parse_config(config) & OFPC_FRAG_MASK == OFPC_FRAG_NX_MATCH,
    )


async def read_tables(channel: Channel, instance: Instance) -> dict[int, TableFeatures]:
    """Return the features of table 0 and of ours; nothing of a switch that does not tell them.

    Raises:
        SwitchUnavailableError: as `Channel.request`.

    """
    xid = channel.new_xid()
    parts = await _told(channel, xid, encode.table_features_request(xid))
    return parse_table_features(parts, {0} | instance.tables)


async def read_sizes(channel: Channel) -> dict[int, int]:
    """Return how many flows each table has, whoever added them; nothing of a switch that does not tell it.

    Raises:
        SwitchUnavailableError: as `Channel.request`.

    """
    xid = channel.new_xid()
    return parse_table_sizes(await _told(channel, xid, encode.table_stats_request(xid)))


async def _told(channel: Channel, xid: int, request: bytes) -> list[Message]:
    """Return the parts of a reply; none of a switch that refuses the request."""
    try:
        return await channel.request(xid, request, MessageKind.MULTIPART_REPLY)
    except SwitchUnavailableError:
        raise
    except OpenFlowError:
        return []


async def _lacking_by_trial(channel: Channel, instance: Instance) -> list[Ability]:
    """Return what a switch refuses; one without bundles is not asked for the rest."""
    if not await _takes(channel, instance, None):
        return [BUNDLES]
    return [trial.ability for trial in trials(instance) if not await _takes(channel, instance, trial)]


async def _takes(channel: Channel, instance: Instance, trial: Trial | None) -> bool:
    """Return whether the switch takes a bundle, empty or with this flow, which is then discarded."""
    xid = channel.new_xid()
    staged = encode.stage_trial(xid, instance, trial) if trial else encode.stage_bundle(xid)
    try:
        await channel.send_and_confirm(xid, staged + encode.discard_bundle(xid, xid))
    except SwitchUnavailableError:
        raise
    except OpenFlowError:
        return False
    return True
