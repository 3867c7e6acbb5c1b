"""The way by which Asterisk reaches the phones changes in mid-call, and nothing else: the switch has to follow."""

from lab.capture import FROM_SWITCH
from tests.support.edge_call import ALICE, BOB, assert_carried, assert_whole, conversation, longest_gap
from tests.support.network import dead_router, route_by_router, route_directly, second_router

# Asterisk reports to each leg every 5 s (`rtcpinterval` in res_rtp_asterisk.c), and its report tells the new way; the first audit
# is later.
NOTICED_WITHIN = 8.0
# Seconds without a packet that tell that some were lost.
LOST = 0.05


def test_a_next_hop_that_dies_while_the_switch_sends_to_it_is_left_within_seconds() -> None:
    with second_router() as router, conversation() as call:
        start = call.carried()
        with dead_router():
            route_directly()  # as a routing daemon of the host does
            died = call.passed(0.0)
            call.returned("route-changed:caller", "route-changed:callee")
            carried, end = call.carried(), call.passed(0.5)
    for speaker in (BOB, ALICE):
        assert LOST < longest_gap(call.capture, speaker, start, end) < NOTICED_WITHIN
        heard = call.capture.heard(speaker)
        assert {packet.headers.eth_src for packet in heard if start < packet.at < died} == {router}
        assert router not in {packet.headers.eth_src for packet in heard if packet.at > carried}
    assert_carried(call.capture, carried, end)


def test_another_next_hop_is_taken_and_nothing_is_lost_where_both_are_alive() -> None:
    with second_router(used=False) as router, conversation() as call:
        start = call.carried()
        route_by_router()
        call.returned("route-changed:caller", "route-changed:callee")
        carried, end = call.carried(), call.passed(0.5)
    for speaker in (BOB, ALICE):
        assert_whole(call.capture, speaker, start, end)
        late = {(p.headers.eth_src, p.ttl) for p in call.capture.heard(speaker) if p.at > carried}
        assert late == {(router, FROM_SWITCH - 1)}  # the router is a hop too


def test_a_digit_tells_the_new_way_without_a_report() -> None:
    with second_router(used=False) as router, conversation() as call:
        start = call.carried()
        call.passed(1.0)
        route_by_router()
        call.voices.set("bob", digit=101)
        pressed = call.passed(0.0)
        assert call.returned("route-changed:callee", "route-changed:caller") < pressed + 2.0
        carried, end = call.carried(), call.passed(0.5)
    assert_whole(call.capture, ALICE, start, end)
    late = {packet.headers.eth_src for packet in call.capture.heard(BOB) if packet.at > carried}
    assert late == {router}
