"""A packet into the flows of a call: where does it come out, and how."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.media.flows import (
    MOST_FLOWS,
    FlowLimits,
    forwarding_flows,
    inbound_guards,
    learning_flows,
    outbound_guards,
    rtcp_flows,
    rtcp_watching_flows,
    sampling_flows,
    verifying_flows,
    waiting_flow,
)
from stasis_offload.media.path import Attachment, Leg, MediaPath
from stasis_offload.media.roles import Duty, Role, call_cookie, role_of
from stasis_offload.openflow.flow import COOKIE_OWNER_MASK, FULL_PACKET, Drop, Flow, Mirror, is_ours
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Datagram, Tag
from tests.support.packets import ASTERISK, CALLER, SIX, attachment, sent_by, sent_to, split, with_tags
from tests.support.packets import PATH as PLAIN
from tests.support.placements import IN_PHASE
from tests.support.soft_switch import CONTROLLER, FlowTable
from tests.support.strategies import PATHS, UINT64

CALLEE = with_tags(PLAIN, None, Tag(7, 5)).callee
PATH = MediaPath(caller=CALLER, callee=CALLEE)
SPLIT = split(PATH)
LIMITS = FlowLimits(idle_timeout=10)


def whole(path: MediaPath = PATH) -> FlowTable:
    """Return every flow of a forwarded call."""
    return FlowTable(
        [
            *forwarding_flows("call", path, LIMITS),
            *rtcp_flows("call", path),
            *inbound_guards("call", path),
            *outbound_guards("call", path),
        ]
    )


def above(packet: Datagram) -> Datagram:
    """Return a packet between the ports above: RTCP instead of RTP."""
    return replace(
        packet,
        source=replace(packet.source, port=packet.source.port + 1),
        destination=replace(packet.destination, port=packet.destination.port + 1),
    )


def of_asterisk(side: Attachment) -> Datagram:
    """Return a packet that Asterisk itself sends to a leg."""
    return sent_to(side, sent_by(side))


def forwarding(path: MediaPath = PATH) -> FlowTable:
    return FlowTable([*forwarding_flows("call", path, LIMITS)])


def test_a_packet_of_a_leg_goes_to_the_other_as_if_it_had_come_from_asterisk() -> None:
    assert forwarding().process(1, sent_by(CALLER)) == [(ASTERISK, sent_to(CALLEE, sent_by(CALLER)))]
    assert forwarding().process(2, sent_by(CALLEE)) == [(ASTERISK, sent_to(CALLER, sent_by(CALLEE)))]


def test_it_leaves_with_the_headers_that_asterisk_sends_whatever_the_legs_own_are() -> None:
    marked = replace(sent_by(CALLER), dscp=34, tag=None)
    other = replace(
        CALLEE,
        received=replace(CALLEE.received, eth_dst="02:00:00:00:00:fe", dscp=46, tag=Tag(7, 0)),
    )
    [(_, out)] = forwarding(MediaPath(caller=CALLER, callee=other)).process(1, marked)
    assert (out.eth_dst, out.dscp, out.tag) == ("02:00:00:00:00:fe", 46, Tag(7, 0))


def test_a_packet_that_differs_in_anything_that_is_matched_goes_the_normal_way() -> None:
    table, packet = forwarding(), sent_by(CALLEE)
    strangers = [
        (1, packet),
        (2, replace(packet, tag=None)),
        (2, replace(packet, tag=Tag(8))),
        (2, replace(packet, source=Address(packet.source.host, 5001))),
        (2, replace(packet, source=Address(CALLER.remote.host, packet.source.port))),
        (2, replace(packet, destination=Address(packet.destination.host, 10003))),
        (2, replace(packet, destination=Address(CALLER.local.host, packet.destination.port))),
    ]
    for in_port, stranger in strangers:
        assert table.process(in_port, stranger) == [(in_port, stranger)]


@given(PATHS)
def test_on_any_path_each_legs_packets_reach_the_other_leg(path: MediaPath) -> None:
    if path.caller.remote == path.callee.remote and path.caller.local == path.callee.local:
        return  # the two legs cannot be told apart
    table = forwarding(path)
    for leg in Leg:
        came, goes = path.attachment(leg), path.attachment(leg.other)
        out = table.process(came.sent.in_port.number, sent_by(came))
        assert out == [(goes.received.in_port.number, sent_to(goes, sent_by(came)))]


def test_learning_copies_a_packet_to_us_and_changes_nothing_in_its_way() -> None:
    table = FlowTable([*learning_flows("call", Leg.CALLER, remote=CALLER.remote, local=CALLER.local)])
    for in_port, tag in ((1, None), (3, Tag(9))):
        for packet in (replace(sent_by(CALLER), tag=tag), replace(of_asterisk(CALLER), tag=tag)):
            assert table.process(in_port, packet) == [(CONTROLLER, packet), (in_port, packet)]


def test_a_silent_leg_is_waited_for_with_one_flow() -> None:
    table = FlowTable([waiting_flow("call", Leg.CALLER, source=CALLER.remote, local=CALLER.local)])
    assert table.process(1, sent_by(CALLER)) == [(CONTROLLER, sent_by(CALLER)), (1, sent_by(CALLER))]
    assert table.process(3, of_asterisk(CALLER)) == [(3, of_asterisk(CALLER))]


def test_forwarding_ends_the_copying_at_once() -> None:
    table = forwarding()
    table.flows += learning_flows("call", Leg.CALLER, remote=CALLER.remote, local=CALLER.local)
    assert table.process(1, sent_by(CALLER)) == [(ASTERISK, sent_to(CALLEE, sent_by(CALLER)))]


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
    assert is_ours(cookie) == (cookie >> 48 & 0xFFF == 0xFF1)


def test_each_flow_of_a_call_has_a_cookie_and_a_role_of_its_own() -> None:
    flows = [
        *whole().flows,
        *verifying_flows("call", PATH, frozenset(Leg)),
        *sampling_flows("call", PATH),
        *rtcp_watching_flows("call", PATH),
        *forwarding_flows("call", SPLIT, LIMITS),
        *(
            flow
            for leg in Leg
            for flow in learning_flows("call", leg, remote=CALLER.remote, local=CALLER.local)
        ),
    ]
    assert {role_of(flow.cookie) for flow in flows} == {*Role}
    assert len({flow.cookie for flow in flows}) == len(Role)


@given(st.sampled_from(Duty), st.sampled_from(Leg))
def test_a_role_is_a_duty_for_a_leg(duty: Duty, leg: Leg) -> None:
    role = Role.of(duty, leg)
    assert (role.duty, role.leg) == (duty, leg)
    assert role.name == f"{duty.name}_{leg.name}"
    assert role.forwards == (duty is Duty.FORWARD)


def test_only_the_flows_that_forward_end_with_the_media() -> None:
    for flow in whole().flows:
        role = role_of(flow.cookie)
        assert role is not None
        assert flow.idle_timeout == (10 if role.forwards else 0)


@pytest.mark.parametrize(
    "showing",
    [lambda call, path: verifying_flows(call, path, frozenset(Leg)), sampling_flows],
    ids=["verify", "sample"],
)
def test_what_is_forwarded_is_shown_while_it_is_sampled(showing: Callable[..., tuple[Flow, ...]]) -> None:
    of_caller, _ = showing("call", PATH)
    table = FlowTable([*forwarding_flows("call", PATH, LIMITS), of_caller])
    packet = sent_by(CALLER)
    assert table.process(1, packet) == [(CONTROLLER, packet), (ASTERISK, sent_to(CALLEE, packet))]
    assert table.process(2, sent_by(CALLEE)) == [(ASTERISK, sent_to(CALLER, sent_by(CALLEE)))]
    other = replace(packet, source=Address(CALLER.remote.host, 4001))
    assert table.process(1, other) == [(1, other)]


@pytest.mark.parametrize("tag", [None, Tag(7, 3), Tag(0)])
@pytest.mark.parametrize("path", [SPLIT, SIX], ids=["ipv4", "ipv6"])
def test_what_is_smaller_than_a_legs_audio_goes_to_asterisk(path: MediaPath, tag: Tag | None) -> None:
    path = split(with_tags(path, tag, None))
    table, packet = forwarding(path), sent_by(path.caller)
    assert table.process(1, packet) == [(ASTERISK, sent_to(path.callee, packet))]
    small = replace(packet, payload=packet.payload[:-1], size=packet.size - 1)
    assert table.process(1, small) == [(CONTROLLER, small), (1, small)]


def test_what_comes_to_the_port_of_rtcp_goes_its_own_way_and_is_shown_to_us_whole() -> None:
    packet = replace(above(sent_by(CALLER)), dscp=46)
    for each in (packet, replace(packet, source=Address(CALLER.remote.host, 777))):
        assert whole().process(1, each) == [(CONTROLLER, each), (1, each)]
    actions = {flow.action for flow in rtcp_flows("call", PATH)}
    assert actions == {Mirror(FULL_PACKET), Drop(FULL_PACKET)}


def test_the_last_port_there_is_has_none_above_it() -> None:
    last = attachment(1, 0x0A, remote="198.18.0.10:4000", local="198.18.0.1:65535")
    flows = rtcp_flows("call", MediaPath(caller=last, callee=CALLEE))
    (of_caller,) = [flow.match for flow in flows if role_of(flow.cookie) is Role.RTCP_CALLER]
    assert of_caller.destination.port == 0xFFFF


def test_what_asterisk_reports_by_itself_reaches_no_leg_and_is_shown_to_us() -> None:
    for leg in Leg:
        packet = above(of_asterisk(PATH.attachment(leg)))
        assert whole().process(9, packet) == [(CONTROLLER, packet)]
        elsewhere = replace(packet, destination=Address(packet.destination.host, 777))
        assert whole().process(9, elsewhere) == [(CONTROLLER, elsewhere)]


def test_what_asterisk_reports_where_rtcp_ends_in_it_goes_on_and_is_shown_to_us() -> None:
    table = FlowTable([*forwarding_flows("call", PATH, LIMITS), *rtcp_watching_flows("call", PATH)])
    for leg in Leg:
        packet = above(of_asterisk(PATH.attachment(leg)))
        assert table.process(9, packet) == [(CONTROLLER, packet), (9, packet)]
        report = above(sent_by(PATH.attachment(leg)))
        assert table.process(1, report) == [(1, report)]


def test_media_of_asterisks_own_goes_on_and_is_shown_to_us() -> None:
    for leg in Leg:
        packet = of_asterisk(PATH.attachment(leg))
        assert whole().process(9, packet) == [(CONTROLLER, packet), (9, packet)]


def test_a_packet_to_the_port_of_a_leg_that_is_not_its_stream_goes_on_and_is_shown_to_us() -> None:
    packet = sent_by(CALLER)
    strangers = [
        (2, packet),
        (1, replace(packet, eth_src="02:00:00:00:00:99")),
        (1, replace(packet, tag=Tag(9))),
        (1, replace(packet, source=Address(packet.source.host, 4001))),
        (1, replace(packet, source=Address(CALLEE.remote.host, 5000))),
    ]
    for in_port, stranger in strangers:
        assert whole().process(in_port, stranger) == [(CONTROLLER, stranger), (in_port, stranger)]
    assert whole().process(1, packet) == [(ASTERISK, sent_to(CALLEE, packet))]


def test_a_call_has_at_most_the_flows_for_which_room_is_kept_and_may_have_all_of_them() -> None:
    most = Counter[int]()
    for start in IN_PHASE.values():
        for forward_rtcp in (True, False):
            for unverified in (frozenset[Leg](), frozenset(Leg)):
                tuning = replace(start.tuning, forward_rtcp=forward_rtcp)
                placement = replace(start, tuning=tuning, unverified=unverified)
                withheld = {leg: PATH.attachment(leg).received for leg in Leg}
                for each in (placement, replace(placement, withheld=withheld)):
                    most |= Counter(flow.table for flow in each.flows() + each.samples())
    assert most == MOST_FLOWS
