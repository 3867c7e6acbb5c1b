"""What of the RTCP at an offloaded call's ports goes on, and in which frame."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.machine import step
from stasis_offload.media.path import Headers, Leg, headers_of
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.roles import Role, role_of
from stasis_offload.media.state import Placement
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Tag, parse_udp
from stasis_offload.packets.rtcp import with_cname
from tests.support.leg_reports import passed_on
from tests.support.packets import at, frame
from tests.support.placements import (
    EMPTY_REPORTS,
    GUARDED,
    IN,
    OFFLOADED,
    TUNING,
    VERIFIED,
    after,
    rtcp_of,
    sampled_packet,
)

EMPTY_REPORT = EMPTY_REPORTS[Leg.CALLER]
CNAME = b"5f3a7b0e-0000-4000-8000-0123456789ab"
# By another SSRC than the leg's, alone and behind a report of its own; a BYE alone.
OTHERS = (
    EMPTY_REPORTS[Leg.CALLEE],
    EMPTY_REPORT + EMPTY_REPORTS[Leg.CALLEE],
    bytes.fromhex("81cb0001 0000aaaa"),
)
STUN = bytes.fromhex("0001 0000 2112a442 000000000000000000000000")
# Where Asterisk sends its RTCP to the callee: not by the way of its RTP, nor to the port above.
OWN = replace(
    passed_on(Leg.CALLER).headers,
    in_port=at(9),
    tag=Tag(7, 3),
    dscp=10,
    source=Address.parse("198.18.50.3:10003"),
    destination=Address.parse("198.18.50.2:31000"),
)


def known(headers: Headers = OWN, cname: bytes | None = CNAME) -> Placement:
    """Return an offloaded call after Asterisk has sent RTCP to the callee, which always goes by that way."""
    return after(
        ev.RtcpSent(Leg.CALLEE, headers, b"", cname),
        start=replace(GUARDED, rtcp_out={Leg.CALLEE: headers}),
        now=3.0,
    )


def test_what_a_leg_reports_goes_to_the_other_in_the_frame_of_asterisks_own_one_hop_older() -> None:
    event = rtcp_of(Leg.CALLER)
    _, [command] = step(known(), event, 4.0)
    assert isinstance(command, cmd.InjectPacket)
    out = parse_udp(command.frame)
    assert headers_of(command.in_port, out) == OWN
    assert out.payload == with_cname(EMPTY_REPORT, CNAME)
    assert out.ttl == event.datagram.ttl - 1


@given(st.binary(max_size=1400))
def test_it_is_whole_with_right_checksums_up_to_the_largest_packet(rest: bytes) -> None:
    application = bytes.fromhex("80cc") + (2 + len(rest) // 4).to_bytes(2, "big")
    payload = EMPTY_REPORT + application + bytes(8) + rest[: len(rest) // 4 * 4]
    _, [command] = step(known(), rtcp_of(Leg.CALLER, payload), 4.0)
    assert isinstance(command, cmd.InjectPacket)
    out = parse_udp(command.frame)
    assert out.payload == with_cname(payload, CNAME)
    ours, theirs = command.frame, frame(out)
    # The identification, which the test's frames have, and the checksum of the header differ.
    assert ours[:22] + ours[24:28] + ours[30:] == theirs[:22] + theirs[24:28] + theirs[30:]


@pytest.mark.parametrize(
    "payload",
    [b"", bytes(4), STUN, bytes.fromhex("80000001") + bytes(168), EMPTY_REPORT + b"\0", EMPTY_REPORT[:-1]],
    ids=["empty", "keepalive", "STUN", "RTP", "trailing byte", "truncated"],
)
def test_what_is_no_rtcp_goes_no_further_than_asterisk(payload: bytes) -> None:
    assert step(known(), rtcp_of(Leg.CALLER, payload), 4.0)[1] == ()


@pytest.mark.parametrize("payload", OTHERS)
def test_the_rtcp_of_another_does_not_go_on_and_is_no_sign_of_life(payload: bytes) -> None:
    assert step(known(), rtcp_of(Leg.CALLER, payload), 4.0) == (known(), ())


@pytest.mark.parametrize(
    "start", [VERIFIED, GUARDED, known(cname=None)], ids=["verified", "guarded", "unnamed"]
)
def test_nothing_goes_on_before_asterisk_has_shown_its_name_and_its_way_to_the_leg(start: Placement) -> None:
    placement, commands = step(start, rtcp_of(Leg.CALLER), 4.0)
    assert commands == ()
    assert placement.rtcp_at == {Leg.CALLER: 4.0}
    assert step(known(), rtcp_of(Leg.CALLEE), 4.0)[1] == ()


def test_what_asterisk_showed_in_an_earlier_stay_is_not_used() -> None:
    again = after(ev.BridgeChanged(), *IN, start=known(), now=5.0)
    assert step(again, rtcp_of(Leg.CALLER), 6.0)[1] == ()


def test_once_the_call_has_returned_nothing_goes_on() -> None:
    returned = after(ev.BridgeChanged(), start=known(), now=5.0)
    assert step(returned, rtcp_of(Leg.CALLER), 5.0) == (returned, ())


def test_a_packet_at_the_end_of_its_life_goes_no_further() -> None:
    assert step(known(), rtcp_of(Leg.CALLER, ttl=1), 4.0)[1] == ()


def test_what_asterisk_answers_to_stun_is_passed_on_as_it_is() -> None:
    answer = frame(rtcp_of(Leg.CALLER, STUN).datagram)
    assert step(GUARDED, ev.OtherDropped(Leg.CALLER, at(9), answer), 2.0) == (
        GUARDED,
        (cmd.InjectPacket(at(9), answer),),
    )


def sent(leg: Leg = Leg.CALLER, *, says_lost: bool = False) -> ev.RtcpSent:
    headers = replace(passed_on(leg.other).headers, in_port=at(9))
    return ev.RtcpSent(leg, headers, b"report", CNAME, says_lost=says_lost)


def withholding(placement: Placement) -> set[Role | None]:
    return {role_of(flow.cookie) for flow in placement.flows() if flow.hard_timeout}


BOTH = {Role.RTCP_DROP_CALLER, Role.RTCP_DROP_CALLEE}


@pytest.mark.parametrize("start", [OFFLOADED, VERIFIED, GUARDED], ids=lambda start: str(start.phase))
def test_a_return_withholds_what_asterisk_reports_until_it_has_said_lost_what_the_switch_carried(
    start: Placement,
) -> None:
    returned, commands = step(start, ev.BridgeChanged(), 5.0)
    assert commands[0] == cmd.RemoveFlows(returned.flows())
    assert {role_of(flow.cookie) for flow in returned.flows()} == withholding(returned) == BOTH
    assert step(returned, sent(), 6.0) == (returned, (cmd.InjectPacket(at(9), b"report"),))
    clean, commands = step(returned, sent(says_lost=True), 6.0)
    assert commands == (cmd.SetFlows(clean.flows()),)
    assert withholding(clean) == {Role.RTCP_DROP_CALLEE}
    assert step(clean, sent(says_lost=True), 11.0) == (clean, ())


def test_it_withholds_while_the_call_is_learned_again_and_until_the_switch_drops_all_reports() -> None:
    returned = after(ev.BridgeChanged(), start=GUARDED, now=5.0)
    for events in range(len(IN)):
        assert withholding(after(*IN[:events], start=returned, now=5.0)) == BOTH
    again = after(*IN, start=returned, now=5.0)
    assert withholding(again) == BOTH
    verified = after(*map(sampled_packet, Leg), start=again, now=5.1)
    assert withholding(verified) == set()
    assert {role_of(flow.cookie) for flow in verified.flows()} >= BOTH


def test_it_ends_with_its_flow() -> None:
    returned = after(ev.BridgeChanged(), start=GUARDED, now=5.0)
    ended, commands = step(returned, ev.WithholdingEnded(Leg.CALLEE), 16.0)
    assert (withholding(ended), commands) == ({Role.RTCP_DROP_CALLER}, (cmd.SetFlows(ended.flows()),))


@pytest.mark.parametrize(
    ("start", "event"),
    [
        (GUARDED, ev.CallEnded()),
        (GUARDED, ev.Blocked(ReasonKind.ENDED)),
        (replace(GUARDED, tuning=replace(TUNING, forward_rtcp=False)), ev.BridgeChanged()),
    ],
    ids=["end", "hang-up", "media.rtcp = asterisk"],
)
def test_nothing_is_withheld_where_a_leg_leaves_or_rtcp_stays_with_asterisk(
    start: Placement, event: ev.Event
) -> None:
    returned, commands = step(start, event, 5.0)
    assert returned.flows() == ()
    assert commands[0] == cmd.RemoveFlows()
