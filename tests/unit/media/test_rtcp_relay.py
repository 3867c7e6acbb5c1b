"""What of the RTCP at an offloaded call's ports goes on, and in which frame."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.machine import step
from stasis_offload.media.path import Headers, Leg, headers_of
from stasis_offload.media.state import Placement
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Tag, parse_udp
from stasis_offload.packets.rtcp import with_cname
from tests.support.leg_reports import passed_on
from tests.support.packets import frame
from tests.support.placements import EMPTY_REPORT, GUARDED, IN, VERIFIED, after, rtcp_of

CNAME = b"5f3a7b0e-0000-4000-8000-0123456789ab"
STUN = bytes.fromhex("0001 0000 2112a442 000000000000000000000000")
# Where Asterisk sends its RTCP to the callee: not by the way of its RTP, nor to the port above.
OWN = replace(
    passed_on(Leg.CALLER).headers,
    in_port=9,
    tag=Tag(7, 3),
    dscp=10,
    source=Address.parse("198.18.50.3:10003"),
    destination=Address.parse("198.18.50.2:31000"),
)


def known(headers: Headers = OWN, cname: bytes | None = CNAME) -> Placement:
    """Return an offloaded call after Asterisk has sent RTCP to the callee, which always goes by that way."""
    return after(
        ev.RtcpSent(Leg.CALLEE, headers, cname),
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
    answer = ev.OtherDropped(Leg.CALLER, 9, STUN)
    assert step(returned, answer, 5.0) == (returned, ())


def test_a_packet_at_the_end_of_its_life_goes_no_further() -> None:
    assert step(known(), rtcp_of(Leg.CALLER, ttl=1), 4.0)[1] == ()


def test_what_asterisk_answers_to_stun_is_passed_on_as_it_is() -> None:
    answer = frame(rtcp_of(Leg.CALLER, STUN).datagram)
    assert step(GUARDED, ev.OtherDropped(Leg.CALLER, 9, answer), 2.0) == (
        GUARDED,
        (cmd.InjectPacket(9, answer),),
    )
