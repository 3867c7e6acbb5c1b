"""What each of several applications at a bridge has: nothing of it is another's."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.media.roles import owner_of, role_of
from stasis_offload.openflow.flow import TABLE, is_ours, is_reported, owner_in
from stasis_offload.openflow.instance import INSTANCES, Instance
from tests.support.many_calls import flows_of

NUMBERS = st.integers(0, INSTANCES - 1)


def test_no_two_share_a_table_a_mark_or_a_priority() -> None:
    for one, other in combinations(map(Instance, range(INSTANCES)), 2):
        assert not one.tables & other.tables
        assert 0 not in one.tables
        marks = [one.passed_bit, one.leased_bit, other.passed_bit, other.leased_bit]
        assert len(set(marks)) == len(marks)
        assert one.gate_priority != other.gate_priority


@given(NUMBERS, st.text())
def test_a_flow_that_is_placed_is_of_its_instance_alone_and_of_the_same_call_and_role(
    number: int, call: str
) -> None:
    flows = flows_of(call)
    placed = Instance(number).placed(flows)
    for before, after in zip(flows, placed, strict=True):
        assert [n for n in range(INSTANCES) if Instance(n).owns(after.cookie)] == [number]
        assert is_ours(after.cookie)
        assert (owner_in(after.cookie), role_of(after.cookie)) == (owner_of(call), role_of(before.cookie))
        assert Instance.of_table(after.table) == Instance(number)
        assert is_reported(after.table) == is_reported(before.table)
        assert Instance(number).unplaced(after.cookie) == before.cookie


def test_a_call_has_the_cookies_and_tables_that_the_documentation_names() -> None:
    (flow, _) = Instance(3).placed(flows_of("1700000000.42"))
    assert (flow.cookie, flow.table) == (0x3FF1_17E7_5D81_8503, TABLE + 12)
