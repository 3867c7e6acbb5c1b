"""Any address, side, path or flow: hypothesis strategies for what flows are made of."""

from ipaddress import IPv4Address, IPv6Address
from typing import Any

from hypothesis import strategies as st

from stasis_offload.media.path import Attachment, Headers, MediaPath, SwitchPort
from stasis_offload.openflow.flow import (
    SAMPLE_TABLE,
    SIZE_TABLE,
    TABLE,
    TABLES,
    Drop,
    Flow,
    Forward,
    Match,
    Mirror,
    Sample,
    Split,
)
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Tag

UINT16 = st.integers(0, 0xFFFF)
UINT32 = st.integers(0, 0xFFFF_FFFF)
UINT64 = st.integers(0, 0xFFFF_FFFF_FFFF_FFFF)
PORTS = st.integers(1, 0xFFFF)
OF_PORTS = st.integers(1, 0xFFFF_FF00)
VLANS = st.none() | st.integers(0, 4095)
TAGS = st.none() | st.builds(Tag, vid=st.integers(0, 4095), pcp=st.integers(0, 7))
DSCPS = st.integers(0, 63)
MACS = st.binary(min_size=6, max_size=6).map(lambda mac: mac.hex(":"))
FAMILIES = st.sampled_from((4, 6))


def addresses(family: int) -> st.SearchStrategy[Address]:
    hosts = UINT32.map(IPv4Address) if family == 4 else st.integers(0, (1 << 128) - 1).map(IPv6Address)
    return st.builds(Address, host=hosts, port=PORTS)


def _ports(most: int) -> st.SearchStrategy[SwitchPort]:
    return st.builds(SwitchPort, switch=st.just(0), number=st.integers(1, most))


def attachments(family: int) -> st.SearchStrategy[Attachment]:
    def headers(
        in_port: st.SearchStrategy[SwitchPort], source: Address, destination: Address
    ) -> st.SearchStrategy[Headers]:
        return st.builds(
            Headers,
            in_port=in_port,
            tag=TAGS,
            eth_src=MACS,
            eth_dst=MACS,
            source=st.just(source),
            destination=st.just(destination),
            dscp=DSCPS,
        )

    # A leg may send from another address than the one it receives at.
    return st.tuples(addresses(family), addresses(family), st.none() | addresses(family)).flatmap(
        lambda ends: st.builds(
            Attachment,
            sent=headers(_ports(3), ends[0], ends[1]),
            received=headers(_ports(4), ends[1], ends[2] or ends[0]),
        )
    )


PATHS = FAMILIES.flatmap(
    lambda family: st.builds(MediaPath, caller=attachments(family), callee=attachments(family))
)


def _flows(family: int) -> st.SearchStrategy[Flow]:
    hosts = addresses(family)
    wide = hosts | st.builds(Address, host=hosts.map(lambda address: address.host), port=st.just(0))
    matched: dict[str, st.SearchStrategy[Any]] = {"source": st.none() | wide, "destination": wide}
    forward = st.builds(
        Forward,
        eth_src=MACS,
        eth_dst=MACS,
        source=hosts,
        destination=hosts,
        in_port=OF_PORTS,
        tag=TAGS,
        dscp=DSCPS,
    )
    matched["larger"] = st.none() | st.booleans()
    one_port = st.builds(Match, in_port=OF_PORTS, vlan=VLANS, eth_src=st.none() | MACS, **matched)
    any_port = st.builds(Match, in_port=st.none(), vlan=st.none(), **matched)
    shown = st.builds(Mirror, max_len=UINT16) | st.builds(Sample, max_len=UINT16)
    split = st.builds(Split, size=UINT16)
    dropped = st.builds(Drop, mirror_bytes=UINT16)
    others = st.tuples(any_port | one_port, shown | split | dropped)
    return st.builds(
        lambda match_action, **rest: Flow(match=match_action[0], action=match_action[1], **rest),
        others | st.tuples(one_port, forward),
        cookie=UINT64,
        priority=UINT16,
        idle_timeout=UINT16,
        hard_timeout=UINT16,
        table=st.builds(
            lambda table, instance: table + TABLES * instance,
            st.sampled_from((TABLE, SAMPLE_TABLE, SIZE_TABLE)),
            st.integers(0, 7),
        ),
    )


FLOWS = FAMILIES.flatmap(_flows)
