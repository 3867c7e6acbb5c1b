"""What a switch must be able to do for us, and how it is known that it can: by what it says of its tables, or by trying.

What OpenFlow defines a switch says of each table (table_features.py). What is Open vSwitch's own it cannot say there: that is
tried, in a bundle that is discarded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stasis_offload.openflow import actions, ofp, oxm
from stasis_offload.openflow.flow import TABLE
from stasis_offload.openflow.instance import Instance


@dataclass(frozen=True, slots=True)
class Ability:
    """One thing that a switch can do or not, and what it is for; without one that is not `required` we do less."""

    name: str
    purpose: str
    required: bool = True

    def __str__(self) -> str:
        return f"{self.name}, for {self.purpose}"


@dataclass(frozen=True, slots=True)
class TableFeatures:
    """What one table can do (OpenFlow 1.3.5, 7.3.5.5).

    `most` is how many flows it takes; `actions` has the numbers of those that a flow can apply at once, `written` and
    `matched` the fields that it can write and match (`Field.kind`).
    """

    most: int
    actions: frozenset[int] = frozenset()
    written: frozenset[int] = frozenset()
    matched: frozenset[int] = frozenset()


_LEARNING, _REWRITE = "the flows of a leg", "a leg's packet to become the one that Asterisk would send"
_IPV6, _TAGS = "calls of IPv6", "calls of which one leg is in a VLAN and the other in none or another"
_GATE = "flows beside the bridge's own, which packets go by as ever when the application is gone"

BUNDLES = Ability("atomic bundles", "all flows of a call to change at once")
SIZES = Ability(
    "check_pkt_larger", "digits to be left to Asterisk, which are smaller than audio", required=False
)

# By what a switch says of a table.
_MATCHED: Mapping[oxm.Field, Ability] = {
    field: Ability(f"a match of {name}", purpose, required=purpose is not _IPV6)
    for field, name, purpose in (
        (oxm.IN_PORT, "in_port", _LEARNING),
        (oxm.ETH_SRC, "eth_src", _LEARNING),
        (oxm.ETH_TYPE, "eth_type", _LEARNING),
        (oxm.VLAN_VID, "vlan_vid", _LEARNING),
        (oxm.IP_PROTO, "ip_proto", _LEARNING),
        (oxm.IPV4.source, "ipv4_src", _LEARNING),
        (oxm.IPV4.destination, "ipv4_dst", _LEARNING),
        (oxm.IPV6.source, "ipv6_src", _IPV6),
        (oxm.IPV6.destination, "ipv6_dst", _IPV6),
        (oxm.UDP_SRC, "udp_src", _LEARNING),
        (oxm.UDP_DST, "udp_dst", _LEARNING),
    )
}
_WRITTEN: Mapping[oxm.Field, Ability] = {
    field: Ability(f"set_field of {name}", purpose, required=purpose is _REWRITE)
    for field, name, purpose in (
        (oxm.ETH_SRC, "eth_src", _REWRITE),
        (oxm.ETH_DST, "eth_dst", _REWRITE),
        (oxm.IPV4.source, "ipv4_src", _REWRITE),
        (oxm.IPV4.destination, "ipv4_dst", _REWRITE),
        (oxm.IPV6.source, "ipv6_src", _IPV6),
        (oxm.IPV6.destination, "ipv6_dst", _IPV6),
        (oxm.UDP_SRC, "udp_src", _REWRITE),
        (oxm.UDP_DST, "udp_dst", _REWRITE),
        (oxm.IP_DSCP, "ip_dscp", _REWRITE),
        (oxm.VLAN_VID, "vlan_vid", _TAGS),
        (oxm.VLAN_PCP, "vlan_pcp", _TAGS),
    )
}
_APPLIED = {
    ofp.OFPAT_OUTPUT: Ability("output", "copies to the application"),
    ofp.OFPAT_DEC_NW_TTL: Ability("dec_nw_ttl", "a packet in a loop to end"),
    ofp.OFPAT_PUSH_VLAN: Ability("push_vlan", _TAGS, required=False),
    ofp.OFPAT_POP_VLAN: Ability("pop_vlan", _TAGS, required=False),
}


@dataclass(frozen=True, slots=True)
class Trial:
    """A flow that shows whether a switch has an ability: its fields and actions."""

    ability: Ability
    fields: bytes
    actions: bytes


def trials(instance: Instance) -> tuple[Trial, ...]:
    """Return what is to be tried, with flows that no packet meets (no register has all bits of this value at first)."""
    nowhere = oxm.REG15.matched(b"\xff" * 4)
    return (
        Trial(Ability("register 15", _GATE), nowhere, actions.set_bit(instance.passed_bit)),
        Trial(Ability("resubmit", _GATE), nowhere, actions.resubmit(instance.table(TABLE))),
        Trial(
            Ability("learn", "the lease that ends when the application is gone"),
            nowhere,
            actions.learn_bit(table=instance.table(TABLE), bit=instance.leased_bit, cookie=0, hard_timeout=1),
        ),
        Trial(
            Ability(
                "a writable in_port",
                "a packet to leave by the bridge's own flows, as if Asterisk had sent it",
            ),
            nowhere,
            oxm.NX_IN_PORT_FIELD.set(bytes(2)),
        ),
        Trial(SIZES, nowhere, actions.check_larger(0)),
    )


def lacking_by_features(
    count: int, features: Mapping[int, TableFeatures], instance: Instance
) -> Iterator[Ability]:
    """Yield what a switch lacks that has so many tables, by what it says of ours; one that says nothing lacks nothing."""
    last = max(instance.tables)
    if count <= last:
        yield Ability(f"table {last} (it has {count})", "the flows of calls")
    table = features.get(instance.table(TABLE))
    if table is None:
        return
    yield from (ability for field, ability in _MATCHED.items() if field.kind not in table.matched)
    yield from (ability for field, ability in _WRITTEN.items() if field.kind not in table.written)
    yield from (ability for action, ability in _APPLIED.items() if action not in table.actions)
