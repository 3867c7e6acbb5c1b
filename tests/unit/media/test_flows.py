"""A packet into the flows of a call: where does it come out, and how."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.media.flows import (
    Duty,
    FlowLifetime,
    Role,
    call_cookie,
    forwarding_flows,
    guarding_flows,
    learn_in_flow,
    learn_out_flow,
    role_of,
    rtcp_flows,
)
from stasis_offload.media.path import Attachment, Leg, MediaPath
from stasis_offload.openflow.flow import COOKIE_OWNER_MASK, FULL_PACKET, Forward, is_ours
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Datagram
from tests.support.packets import CALLEE as UNTAGGED
from tests.support.packets import CALLER, sent_by, sent_to
from tests.support.soft_switch import CONTROLLER, NORMAL, FlowTable
from tests.support.strategies import PATHS, UINT64

CALLEE = replace(UNTAGGED, vlan=7)
PATH = MediaPath(caller=CALLER, callee=CALLEE)
LIFETIME = FlowLifetime(idle_timeout=10, lease=60)


def whole(path: MediaPath = PATH, *, ports: dict[Leg, int] | None = None) -> FlowTable:
    """Return every flow of a forwarded call."""
    return FlowTable(
        [
            *forwarding_flows("call", path, LIFETIME),
            *rtcp_flows("call", path, ports or {}, lease=60),
            *guarding_flows("call", path, lease=60),
        ]
    )


def above(packet: Datagram) -> Datagram:
    """Return a packet between the ports above: RTCP instead of RTP."""
    return replace(
        packet,
        source=replace(packet.source, port=packet.source.port + 1),
        destination=replace(packet.destination, port=packet.destination.port + 1),
    )


def of_asterisk(attachment: Attachment) -> Datagram:
    """Return a packet that Asterisk itself sends to a leg."""
    return sent_to(attachment, sent_by(attachment))


def forwarding(path: MediaPath = PATH) -> FlowTable:
    return FlowTable([*forwarding_flows("call", path, LIFETIME)])


def test_a_packet_of_the_caller_leaves_by_port_2_as_if_asterisk_had_sent_it_to_the_callee() -> None:
    assert forwarding().process(1, sent_by(CALLER)) == [(2, sent_to(CALLEE, sent_by(CALLER)))]


def test_a_packet_of_the_callee_leaves_by_port_1_as_if_asterisk_had_sent_it_to_the_caller() -> None:
    assert forwarding().process(2, sent_by(CALLEE)) == [(1, sent_to(CALLER, sent_by(CALLEE)))]


def test_a_packet_goes_back_out_of_the_one_port_that_both_legs_use() -> None:
    here = replace(CALLEE, in_port=1)
    assert forwarding(MediaPath(caller=CALLER, callee=here)).process(1, sent_by(CALLER)) == [
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
def test_on_any_path_each_legs_packets_reach_the_other_leg(path: MediaPath) -> None:
    if path.caller.remote == path.callee.remote and path.caller.local == path.callee.local:
        return  # the two legs cannot be told apart
    table = forwarding(path)
    for leg in Leg:
        near, far = path.attachment(leg), path.attachment(leg.other)
        assert table.process(near.in_port, sent_by(near)) == [(far.in_port, sent_to(far, sent_by(near)))]


def test_learning_copies_a_packet_to_us_and_changes_nothing_in_its_way() -> None:
    table = FlowTable(
        [learn_in_flow("call", Leg.CALLER, source=CALLER.remote, destination=CALLER.local, lease=60)]
    )
    for in_port, vlan in ((1, None), (3, 9)):
        packet = replace(sent_by(CALLER), vlan=vlan)
        assert table.process(in_port, packet) == [(NORMAL, packet), (CONTROLLER, packet)]


def test_forwarding_ends_the_copying_at_once() -> None:
    table = forwarding()
    table.flows.append(
        learn_in_flow("call", Leg.CALLER, source=CALLER.remote, destination=CALLER.local, lease=60)
    )
    assert table.process(1, sent_by(CALLER)) == [(2, sent_to(CALLEE, sent_by(CALLER)))]


@given(st.text(), st.sampled_from(Role))
def test_a_cookie_tells_that_it_is_ours_and_its_call_and_role(call: str, role: Role) -> None:
    cookie = call_cookie(call) | role
    assert is_ours(cookie)
    assert cookie & COOKIE_OWNER_MASK == call_cookie(call)
    assert role_of(cookie) is role


def test_a_cookie_is_the_same_in_every_release() -> None:
    assert call_cookie("1700000000.42") == 0x0FF1_17E7_5D81_8500


@given(UINT64)
def test_any_cookie_is_of_a_role_or_of_none(cookie: int) -> None:
    assert role_of(cookie) is None or role_of(cookie) == cookie & 0xFF
    assert is_ours(cookie) == (cookie >> 48 == 0x0FF1)


def test_each_flow_of_a_call_has_a_cookie_and_a_role_of_its_own() -> None:
    flows = [
        *whole().flows,
        *(
            flow("call", leg, source=CALLER.remote, destination=CALLER.local, lease=60)
            for leg in Leg
            for flow in (learn_in_flow, learn_out_flow)
        ),
    ]
    assert {role_of(flow.cookie) for flow in flows} == {*Role}
    assert len({flow.cookie for flow in flows}) == len(flows) == len(Role)


@given(st.sampled_from(Duty), st.sampled_from(Leg))
def test_a_role_is_a_duty_for_a_leg(duty: Duty, leg: Leg) -> None:
    role = Role.of(duty, leg)
    assert (role.duty, role.leg) == (duty, leg)
    assert role.name == f"{duty.name}_{leg.name}"
    assert role.forwards == (duty is Duty.FORWARD)


def test_every_flow_ends_with_its_lease_and_only_those_that_forward_with_the_media() -> None:
    for flow in whole().flows:
        role = role_of(flow.cookie)
        assert role is not None
        assert (flow.hard_timeout, flow.idle_timeout) == (60, 10 if role.forwards else 0)


def test_a_limit_is_for_the_flows_that_forward() -> None:
    flows = forwarding_flows("call", PATH, replace(LIFETIME, limit=100))
    assert [flow.limit for flow in flows] == [100, 100]


def test_a_sampled_leg_is_forwarded_and_shown_to_us() -> None:
    table = FlowTable([*forwarding_flows("call", PATH, LIFETIME, sampled=[Leg.CALLER])])
    packet = sent_by(CALLER)
    assert table.process(1, packet) == [(CONTROLLER, packet), (2, sent_to(CALLEE, packet))]
    assert table.process(2, sent_by(CALLEE)) == [(1, sent_to(CALLER, sent_by(CALLEE)))]


def test_rtcp_reaches_asterisk_as_it_came_and_us_and_the_other_leg() -> None:
    packet = above(sent_by(CALLER))
    assert whole().process(1, packet) == [
        (NORMAL, packet),
        (CONTROLLER, packet),
        (2, above(sent_to(CALLEE, sent_by(CALLER)))),
    ]
    for flow in rtcp_flows("call", PATH, {}, lease=60):
        assert not isinstance(flow.action, Forward) or flow.action.mirror_bytes == FULL_PACKET


def test_rtcp_may_come_from_any_port_of_the_leg_and_goes_to_the_port_that_is_known() -> None:
    packet = replace(above(sent_by(CALLER)), source=Address(CALLER.remote.host, 777))
    *_, (port, out) = whole(ports={Leg.CALLEE: 4444}).process(1, packet)
    assert (port, out.destination) == (2, Address(CALLEE.remote.host, 4444))
    assert out.source == Address(CALLEE.local.host, CALLEE.local.port + 1)


def test_the_last_port_there_is_has_none_above_it() -> None:
    last = replace(CALLER, remote=Address(CALLER.remote.host, 0xFFFF))
    flows = rtcp_flows("call", MediaPath(caller=last, callee=CALLEE), {}, lease=60)
    (to_caller,) = [flow.action for flow in flows if role_of(flow.cookie) is Role.RTCP_CALLEE]
    assert isinstance(to_caller, Forward)
    assert to_caller.destination.port == 0xFFFF


def test_what_asterisk_reports_by_itself_reaches_no_leg() -> None:
    for leg in Leg:
        packet = above(of_asterisk(PATH.attachment(leg)))
        assert whole().process(9, packet) == []
        elsewhere = replace(packet, destination=Address(packet.destination.host, 777))
        assert whole().process(9, elsewhere) == []


def test_media_of_asterisks_own_goes_on_and_is_shown_to_us() -> None:
    for leg in Leg:
        packet = of_asterisk(PATH.attachment(leg))
        assert whole().process(9, packet) == [(NORMAL, packet), (CONTROLLER, packet)]


def test_a_packet_to_the_port_of_a_leg_that_is_not_its_stream_goes_on_and_is_shown_to_us() -> None:
    packet = sent_by(CALLER)
    strangers = [
        (2, packet),
        (1, replace(packet, eth_src="02:00:00:00:00:99")),
        (1, replace(packet, vlan=9)),
        (1, replace(packet, source=Address(packet.source.host, 4001))),
        (1, replace(packet, source=Address(CALLEE.remote.host, 5000))),
    ]
    for in_port, stranger in strangers:
        assert whole().process(in_port, stranger) == [(NORMAL, stranger), (CONTROLLER, stranger)]
    assert whole().process(1, packet) == [(2, sent_to(CALLEE, packet))]
