"""What a switch says that it can do, as os_ken writes it, and what it lacks by that."""

import struct
from collections.abc import Collection
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from os_ken.ofproto import ofproto_v1_3 as ofp
from os_ken.ofproto import ofproto_v1_3_parser as messages

from stasis_offload.errors import OpenFlowError
from stasis_offload.openflow.abilities import BUNDLES, Ability, TableFeatures, lacking_by_features, trials
from stasis_offload.openflow.decode import Message
from stasis_offload.openflow.instance import Instance
from stasis_offload.openflow.table_features import parse_table_features, parse_table_sizes

LIMITS = Path(__file__).parents[3] / "docs" / "limits.md"

MATCHED = (
    *("in_port", "eth_src", "eth_type", "vlan_vid", "ip_proto", "udp_src", "udp_dst"),
    *("ipv4_src", "ipv4_dst", "ipv6_src", "ipv6_dst"),
)
WRITTEN = (
    *("eth_src", "eth_dst", "ipv4_src", "ipv4_dst", "ipv6_src", "ipv6_dst", "udp_src", "udp_dst", "ip_dscp"),
    *("vlan_vid", "vlan_pcp"),
)
APPLIED = (ofp.OFPAT_OUTPUT, ofp.OFPAT_DEC_NW_TTL, ofp.OFPAT_PUSH_VLAN, ofp.OFPAT_POP_VLAN)


def told(
    table: int,
    *,
    most: int = 2000,
    matched: Collection[str] = MATCHED,
    written: Collection[str] = WRITTEN,
    applied: Collection[int] = APPLIED,
) -> bytes:
    """Return what a switch says of a table."""
    properties = [
        messages.OFPTableFeaturePropInstructions(ofp.OFPTFPT_INSTRUCTIONS, None, []),
        messages.OFPTableFeaturePropActions(
            ofp.OFPTFPT_APPLY_ACTIONS, None, [messages.OFPActionId(action) for action in applied]
        ),
        messages.OFPTableFeaturePropOxm(
            ofp.OFPTFPT_MATCH, None, [messages.OFPOxmId(name, hasmask=True) for name in matched]
        ),
        messages.OFPTableFeaturePropOxm(
            ofp.OFPTFPT_APPLY_SETFIELD, None, [messages.OFPOxmId(name) for name in written]
        ),
    ]
    stats = messages.OFPTableFeaturesStats(table, b"classifier", 0, 0, 0, most, properties=properties)
    return bytes(stats.serialize())


def multipart(kind: int, body: bytes) -> Message:
    return Message(version=4, kind=ofp.OFPT_MULTIPART_REPLY, xid=1, body=struct.pack("!HH4x", kind, 0) + body)


def features(*tables: bytes) -> dict[int, TableFeatures]:
    parts = [multipart(ofp.OFPMP_TABLE_FEATURES, table) for table in tables]
    return parse_table_features(parts, {0} | Instance().tables)


def names(lacks: Collection[Ability]) -> list[str]:
    return [ability.name for ability in lacks]


def test_of_the_tables_that_are_wanted_it_is_known_what_they_take_and_can_do() -> None:
    found = features(told(0), told(1), told(77, most=140))
    assert {table: each.most for table, each in found.items()} == {0: 2000, 77: 140}
    assert not list(lacking_by_features(254, found, Instance()))


def test_what_a_table_of_ours_cannot_do_is_named_and_what_others_cannot_is_not() -> None:
    without = told(
        77,
        matched=set(MATCHED) - {"udp_src"},
        written=set(WRITTEN) - {"udp_dst", "vlan_vid"},
        applied=[ofp.OFPAT_OUTPUT],
    )
    lacks = list(lacking_by_features(254, features(told(0, written=[]), without), Instance()))
    assert names(lacks) == [
        *("a match of udp_src", "set_field of udp_dst", "set_field of vlan_vid"),
        *("dec_nw_ttl", "push_vlan", "pop_vlan"),
    ]
    assert names([ability for ability in lacks if ability.required]) == [
        *("a match of udp_src", "set_field of udp_dst", "dec_nw_ttl"),
    ]


def test_a_switch_with_too_few_tables_lacks_our_last_one() -> None:
    assert names(list(lacking_by_features(64, features(told(0)), Instance()))) == ["table 79 (it has 64)"]
    assert not list(lacking_by_features(84, {}, Instance(1)))
    assert names(list(lacking_by_features(83, {}, Instance(1)))) == ["table 83 (it has 83)"]


def test_fields_of_experimenters_are_skipped() -> None:
    headers = bytes.fromhex("ffff1608 00002320") + struct.pack("!I", 0x80001802)  # tcp_src is 0x80001a02
    head = struct.pack("!HH", ofp.OFPTFPT_APPLY_SETFIELD, 4 + len(headers))
    body = struct.pack("!HB5x32sQQII", 64 + 16, 77, b"", 0, 0, 0, 7) + head + headers
    (found,) = parse_table_features([multipart(ofp.OFPMP_TABLE_FEATURES, body)], {77}).values()
    assert found.written == {0xFFFF << 7 | 0x16 >> 1, 0x80001802 >> 9}


def test_how_many_flows_each_table_has_is_a_number_by_table() -> None:
    rows = b"".join(struct.pack("!B3xIQQ", table, 2 * table, 5, 4) for table in (0, 77))
    assert parse_table_sizes([multipart(ofp.OFPMP_TABLE, rows)]) == {0: 0, 77: 154}


@pytest.mark.parametrize("kind", [ofp.OFPMP_TABLE, ofp.OFPMP_TABLE_FEATURES])
@given(body=st.binary(max_size=300), whole=st.booleans())
def test_any_answer_is_a_value_or_an_openflow_error(kind: int, body: bytes, whole: bool) -> None:  # noqa: FBT001
    if whole:  # the length of the first table is right
        body = struct.pack("!HB", 64 + len(body), 77) + bytes(61) + body
    part = multipart(kind, body)
    for parse in (parse_table_sizes, lambda parts: parse_table_features(parts, range(256))):
        try:
            parse([part])
        except OpenFlowError as error:
            assert "switch" in str(error)  # noqa: PT017 - it need not be raised


def test_the_page_about_limits_has_everything_that_a_switch_needs() -> None:
    page = LIMITS.read_text(encoding="utf-8")
    all_by_features = lacking_by_features(254, {77: TableFeatures(most=0)}, Instance())
    every = [BUNDLES, *(trial.ability for trial in trials(Instance())), *all_by_features]
    fields = [name.removeprefix("a match of ").removeprefix("set_field of ") for name in names(every)]
    assert not [name for name in fields if name.removeprefix("a writable ") not in page]
