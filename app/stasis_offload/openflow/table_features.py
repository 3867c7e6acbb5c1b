"""Parsers of what a switch says of its flow tables; as those of decode.py."""

from collections.abc import Collection, Iterator, Sequence
from struct import Struct

from stasis_offload.errors import OpenFlowError
from stasis_offload.openflow import ofp
from stasis_offload.openflow.abilities import TableFeatures
from stasis_offload.openflow.decode import Message, bodies, reading

_FEATURES = Struct(ofp.OFP_TABLE_FEATURES_PACK_STR)
_STATS = Struct(ofp.OFP_TABLE_STATS_PACK_STR)
_PAIR = Struct("!HH")  # the head of a property, and of an action
_OXM = Struct("!I")
_OXM_EXPERIMENTER = 0xFFFF  # its headers are followed by 4 bytes that say whose they are (7.2.3.2)


def parse_table_features(parts: Sequence[Message], wanted: Collection[int]) -> dict[int, TableFeatures]:
    """Parse the reply to `table_features_request`: those of the wanted tables, by number. Open vSwitch's has 1.5 MB."""
    found = {}
    with reading("table features"):
        for body in bodies(parts, ofp.OFPMP_TABLE_FEATURES):
            offset = 0
            while offset < len(body):
                length, table, *_, most = _FEATURES.unpack_from(body, offset)
                if length < _FEATURES.size:
                    raise OpenFlowError(f"broken table features from the switch: a table of {length} bytes")
                if table in wanted:
                    found[table] = _features(most, body[offset + _FEATURES.size : offset + length])
                offset += length
    return found


def parse_table_sizes(parts: Sequence[Message]) -> dict[int, int]:
    """Parse the reply to `table_stats_request`: how many flows each table has, by number."""
    with reading("table statistics"):
        return {
            table: active
            for body in bodies(parts, ofp.OFPMP_TABLE)
            for table, active, _, _ in _STATS.iter_unpack(body)
        }


def _features(most: int, properties: bytes) -> TableFeatures:
    by_type = dict(_properties(properties))
    return TableFeatures(
        most=most,
        actions=frozenset(_actions(by_type.get(ofp.OFPTFPT_APPLY_ACTIONS, b""))),
        written=frozenset(_fields(by_type.get(ofp.OFPTFPT_APPLY_SETFIELD, b""))),
        matched=frozenset(_fields(by_type.get(ofp.OFPTFPT_MATCH, b""))),
    )


def _properties(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the type and the content of each property; each is filled up to 8 bytes."""
    offset = 0
    while offset < len(data):
        kind, length = _PAIR.unpack_from(data, offset)
        if length < _PAIR.size:
            raise OpenFlowError(f"broken table features from the switch: a property of {length} bytes")
        yield kind, data[offset + _PAIR.size : offset + length]
        offset += length + -length % 8


def _actions(data: bytes) -> Iterator[int]:
    offset = 0
    while offset < len(data):
        kind, length = _PAIR.unpack_from(data, offset)
        yield kind
        offset += max(length, _PAIR.size)


def _fields(data: bytes) -> Iterator[int]:
    offset = 0
    while offset < len(data):
        (header,) = _OXM.unpack_from(data, offset)
        yield header >> 9
        offset += 2 * _OXM.size if header >> 16 == _OXM_EXPERIMENTER else _OXM.size
