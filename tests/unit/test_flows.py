"""A packet into the flows of a call: does it come out of port 2, and how."""

from dataclasses import replace

from anything import PATHS, UINT64
from flowtable import CONTROLLER, NORMAL, FlowTable
from hypothesis import given
from hypothesis import strategies as st
from packets import CALLEE as UNTAGGED
from packets import CALLER, sent_by, sent_to

from stasis_offload.flows import (
    COOKIE_CALL_MASK,
    Role,
    call_cookie,
    forwarding_flows,
    is_ours,
    learning_flow,
    role_of,
)
from stasis_offload.media import Address, Leg, Path

CALLEE = replace(UNTAGGED, vlan=7)
PATH = Path(caller=CALLER, callee=CALLEE)


def forwarding(path: Path = PATH) -> FlowTable:
    return FlowTable([*forwarding_flows("call", path, idle_timeout=10)])


def test_a_packet_of_the_caller_leaves_by_port_2_as_if_asterisk_had_sent_it_to_the_callee() -> None:
    assert forwarding().process(1, sent_by(CALLER)) == [(2, sent_to(CALLEE, sent_by(CALLER)))]


def test_a_packet_of_the_callee_leaves_by_port_1_as_if_asterisk_had_sent_it_to_the_caller() -> None:
    assert forwarding().process(2, sent_by(CALLEE)) == [(1, sent_to(CALLER, sent_by(CALLEE)))]


def test_a_packet_goes_back_out_of_the_one_port_that_both_legs_use() -> None:
    here = replace(CALLEE, in_port=1)
    assert forwarding(Path(caller=CALLER, callee=here)).process(1, sent_by(CALLER)) == [
        (1, sent_to(here, sent_by(CALLER)))
    ]


def test_a_packet_that_differs_in_anything_that_is_matched_goes_the_normal_way() -> None:
    table, packet = forwarding(), sent_by(CALLEE)
    strangers = [
        (1, packet),
        (2, replace(packet, vlan=None)),
        (2, replace(packet, vlan=8)),
        (2, replace(packet, source=Address(packet.source.host, 5001))),
        (2, replace(packet, source=Address(CALLER.remote.host, packet.source.port))),
        (2, replace(packet, destination=Address(packet.destination.host, 10003))),
        (2, replace(packet, destination=Address(CALLER.local.host, packet.destination.port))),
    ]
    for in_port, stranger in strangers:
        assert table.process(in_port, stranger) == [(NORMAL, stranger)]


@given(PATHS)
def test_on_any_path_each_legs_packets_reach_the_other_leg(path: Path) -> None:
    if path.caller.remote == path.callee.remote and path.caller.local == path.callee.local:
        return  # the two legs cannot be told apart
    table = forwarding(path)
    for leg in Leg:
        came, goes = path.side(leg), path.side(leg.other)
        assert table.process(came.in_port, sent_by(came)) == [(goes.in_port, sent_to(goes, sent_by(came)))]


def test_learning_copies_a_packet_to_us_and_changes_nothing_in_its_way() -> None:
    table = FlowTable([learning_flow("call", Leg.CALLER, source=CALLER.remote, destination=CALLER.local)])
    for in_port, vlan in ((1, None), (3, 9)):
        packet = replace(sent_by(CALLER), vlan=vlan)
        assert table.process(in_port, packet) == [(NORMAL, packet), (CONTROLLER, packet)]


def test_forwarding_ends_the_copying_at_once() -> None:
    table = forwarding()
    table.flows.append(learning_flow("call", Leg.CALLER, source=CALLER.remote, destination=CALLER.local))
    assert table.process(1, sent_by(CALLER)) == [(2, sent_to(CALLEE, sent_by(CALLER)))]


@given(st.text(), st.sampled_from(Role))
def test_a_cookie_tells_that_it_is_ours_and_its_call_and_role(call: str, role: Role) -> None:
    cookie = call_cookie(call) | role
    assert is_ours(cookie)
    assert cookie & COOKIE_CALL_MASK == call_cookie(call)
    assert role_of(cookie) is role


def test_a_cookie_is_the_same_in_every_release() -> None:
    assert call_cookie("1700000000.42") == 0x0FF1_17E7_5D81_8500


@given(UINT64)
def test_any_cookie_is_of_a_role_or_of_none(cookie: int) -> None:
    assert role_of(cookie) is None or role_of(cookie) == cookie & 0xFF
    assert is_ours(cookie) == (cookie >> 48 == 0x0FF1)


def test_each_flow_of_a_call_has_a_cookie_and_a_role_of_its_own() -> None:
    flows = [
        *forwarding_flows("call", PATH, idle_timeout=10),
        *(learning_flow("call", leg, source=CALLER.remote, destination=CALLER.local) for leg in Leg),
    ]
    assert len({flow.cookie for flow in flows}) == len(Role)
    assert [role_of(flow.cookie) for flow in flows] == [
        *(Role.FORWARD_CALLER, Role.FORWARD_CALLEE, Role.LEARN_CALLER, Role.LEARN_CALLEE)
    ]
    assert [(role.leg, role.forwards) for role in Role] == [
        *((Leg.CALLER, False), (Leg.CALLEE, False), (Leg.CALLER, True), (Leg.CALLEE, True))
    ]
