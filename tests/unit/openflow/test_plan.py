"""A plan carried out on a flow table leaves what is desired in it, and leaves alone what is not ours."""

from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.openflow.flow import COOKIE_PREFIX, Flow, Match, Mirror
from stasis_offload.openflow.plan import Plan, plan
from stasis_offload.packets.address import Address
from tests.support.soft_switch import FlowTable

SOURCE = Address.parse("198.18.0.10:4000")


def flow(cookie: int, port: int, max_len: int) -> Flow:
    match = Match(source=SOURCE, destination=Address(SOURCE.host, port))
    return Flow(cookie=cookie, priority=1, match=match, action=Mirror(max_len))


# Few cookies, matches and actions, so that flows meet; no two flows of a table have the same match.
FEW = st.integers(0, 5)
TABLES = st.lists(st.tuples(FEW, FEW, FEW), unique_by=(lambda few: few[0], lambda few: few[1])).map(
    lambda rows: [flow(COOKIE_PREFIX | cookie, port, max_len) for cookie, port, max_len in rows]
)


@given(desired=TABLES, actual=TABLES)
def test_a_plan_makes_the_table_what_is_desired(desired: list[Flow], actual: list[Flow]) -> None:
    table = FlowTable([*actual])
    table.apply(plan(desired, actual))
    assert sorted(table.flows, key=lambda flow: flow.cookie) == sorted(desired, key=lambda flow: flow.cookie)


@given(desired=TABLES, actual=TABLES)
def test_what_is_desired_already_needs_nothing_done(desired: list[Flow], actual: list[Flow]) -> None:
    assert plan(desired, desired).is_empty
    todo = plan(desired, actual)
    kept = {flow.cookie for flow in desired if flow in actual}
    assert kept.isdisjoint({*todo.remove, *(flow.cookie for flow in todo.add)})


@given(desired=TABLES, actual=TABLES)
def test_flows_of_others_stay(desired: list[Flow], actual: list[Flow]) -> None:
    foreign = flow(cookie=0, port=9, max_len=0)
    table = FlowTable([foreign, *actual])
    table.apply(plan(desired, actual))
    assert foreign in table.flows


@given(actual=TABLES)
def test_to_desire_nothing_is_to_remove_everything_the_last_first(actual: list[Flow]) -> None:
    assert plan((), actual) == Plan(remove=tuple(flow.cookie for flow in reversed(actual)), add=())


@given(desired=TABLES, actual=TABLES)
def test_a_flow_is_removed_only_if_it_goes_or_matches_other_packets(
    desired: list[Flow], actual: list[Flow]
) -> None:
    same = {(flow.cookie, flow.match) for flow in desired}
    gone = {flow.cookie for flow in actual if (flow.cookie, flow.match) not in same}
    assert {*plan(desired, actual).remove} == gone


@given(desired=TABLES, actual=TABLES, ended=st.sets(FEW.map(lambda cookie: COOKIE_PREFIX | cookie)))
def test_what_has_ended_is_added_again_even_if_the_report_was_of_an_earlier_flow(
    desired: list[Flow], actual: list[Flow], ended: set[int]
) -> None:
    for present in (actual, [flow for flow in actual if flow.cookie not in ended]):
        table = FlowTable([*present])
        table.apply(plan(desired, actual, ended=ended))
        assert sorted(table.flows, key=lambda flow: flow.cookie) == sorted(
            desired, key=lambda flow: flow.cookie
        )
