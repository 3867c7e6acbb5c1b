"""RTCP that needs no step of the machine: what is done with it is what the machine would do."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.media import events as ev
from stasis_offload.media.machine import step
from stasis_offload.media.mirrored import mirrored
from stasis_offload.media.path import Headers, Leg
from stasis_offload.media.roles import Duty, Role
from stasis_offload.media.rtcp_relay import with_reports
from stasis_offload.media.state import Phase, Placement
from stasis_offload.media.usual_rtcp import UsualRtcp
from stasis_offload.packets.address import Address
from stasis_offload.packets.frame import Datagram, Tag
from stasis_offload.packets.rtcp import with_cname
from tests.support.leg_reports import passed_on
from tests.support.packets import at, frame
from tests.support.placements import EMPTY_REPORTS, GUARDED, IN_PHASE, OFFLOADED, VERIFIED, after, rtcp_of

REPORT = EMPTY_REPORTS[Leg.CALLER]
OTHERS_REPORT = EMPTY_REPORTS[Leg.CALLEE]
CNAME, ANOTHER = b"5f3a7b0e-0000-4000-8000-0123456789ab", b"6f3a7b0e-0000-4000-8000-0123456789ab"
BYE = bytes.fromhex("81cb0001 0000aaaa")
STUN = bytes.fromhex("0001 0000 2112a442 000000000000000000000000")
OWN = replace(
    passed_on(Leg.CALLER).headers,
    in_port=at(9),
    source=Address.parse("198.18.50.3:10003"),
    destination=Address.parse("198.18.50.2:31000"),
)
SIX = replace(
    OWN, source=Address.parse("[2001:db8::a]:4001"), destination=Address.parse("[2001:db8::1]:10001")
)
FROM_ASTERISK = Role.of(Duty.RTCP_DROP, Leg.CALLEE)


def by_asterisk(headers: Headers, payload: bytes) -> bytes:
    """Return a frame that Asterisk sends to the callee."""
    return frame(
        Datagram(
            eth_src=headers.eth_src,
            eth_dst=headers.eth_dst,
            tag=headers.tag,
            source=headers.source,
            destination=headers.destination,
            ttl=64,
            size=len(payload),
            payload=payload,
            dscp=headers.dscp,
        )
    )


def known(headers: Headers = OWN, start: Placement = GUARDED) -> Placement:
    """Return an offloaded call after Asterisk has sent RTCP to the callee, which always goes by that way."""
    sent = ev.RtcpSent(Leg.CALLEE, headers, b"", CNAME)
    return after(sent, start=replace(start, rtcp_out={Leg.CALLEE: headers}), now=3.0)


def by_machine(
    placement: Placement, role: Role, wire: bytes, *, in_port: int = 1
) -> tuple[Placement, object]:
    event = mirrored(role, in_port=at(in_port), frame=wire)
    return step(placement, event, 4.0) if event else (placement, ())


PAYLOADS = st.lists(
    st.sampled_from([REPORT, OTHERS_REPORT, BYE, with_cname(REPORT, b"bob@host"), STUN, b"\0", b""]),
    max_size=3,
).map(b"".join)


@given(
    st.sampled_from([*IN_PHASE.values(), known(), known(SIX), known(replace(OWN, tag=Tag(7, 3)))]),
    PAYLOADS,
    st.sampled_from([1, 2, 64]),
    st.sampled_from(list(Leg)),
)
def test_a_leg_s_report_that_passes_is_passed_on_as_by_the_machine(
    placement: Placement, payload: bytes, ttl: int, leg: Leg
) -> None:
    wire = frame(rtcp_of(leg, payload, ttl=ttl).datagram)
    passed = UsualRtcp().pass_on(placement, leg, wire)
    if passed is None:
        return
    by_it, commands = by_machine(placement, Role.of(Duty.RTCP, leg), wire)
    assert commands == (passed.command,)
    assert by_it == with_reports(placement, {leg: 4.0})


def test_a_report_passes_and_so_does_the_next_by_another_way() -> None:
    usual, wire = UsualRtcp(), frame(rtcp_of(Leg.CALLER, REPORT + BYE).datagram)
    for headers in (OWN, SIX, OWN):
        passed = usual.pass_on(known(headers), Leg.CALLER, wire)
        assert passed
        assert by_machine(known(headers), Role.RTCP_CALLER, wire)[1] == (passed.command,)
        assert passed.packets == (REPORT, BYE)


@pytest.mark.parametrize("start", [OFFLOADED, VERIFIED, GUARDED], ids=lambda start: str(start.phase))
@pytest.mark.parametrize(
    "headers", [OWN, SIX, replace(OWN, tag=Tag(7, 3), dscp=10)], ids=["4", "6", "tagged"]
)
def test_what_asterisk_sends_as_before_is_known_and_changes_nothing(
    start: Placement, headers: Headers
) -> None:
    usual, placement = UsualRtcp(), known(headers, start)
    for payload in (with_cname(REPORT, CNAME), with_cname(OTHERS_REPORT, CNAME)):
        wire = by_asterisk(headers, payload)
        assert usual.is_known(placement, Leg.CALLEE, in_port=at(9), frame=wire)
        assert by_machine(placement, FROM_ASTERISK, wire, in_port=9) == (placement, ())


@pytest.mark.parametrize("used", [False, True], ids=["at once", "after the usual"])
@pytest.mark.parametrize(
    ("headers", "payload", "in_port"),
    [
        (OWN, with_cname(REPORT, ANOTHER), 9),
        (OWN, REPORT, 9),
        (OWN, STUN + CNAME, 9),
        (OWN, with_cname(REPORT, CNAME), 8),
        (replace(OWN, eth_dst="02:00:00:00:00:77"), with_cname(REPORT, CNAME), 9),
        (replace(OWN, tag=Tag(7, 3)), with_cname(REPORT, CNAME), 9),
        (replace(OWN, dscp=10), with_cname(REPORT, CNAME), 9),
        (replace(OWN, source=replace(OWN.source, port=4)), with_cname(REPORT, CNAME), 9),
        (replace(OWN, destination=replace(OWN.destination, port=4)), with_cname(REPORT, CNAME), 9),
    ],
    ids=["CNAME", "no CNAME", "STUN", "port", "MAC", "VLAN", "DSCP", "source", "destination"],
)
def test_anything_new_in_what_asterisk_sends_is_left_to_the_machine(
    headers: Headers, payload: bytes, in_port: int, *, used: bool
) -> None:
    usual = UsualRtcp()
    if used:
        before = by_asterisk(OWN, with_cname(REPORT, CNAME))
        assert usual.is_known(known(), Leg.CALLEE, in_port=at(9), frame=before)
    wire = by_asterisk(headers, payload)
    assert not usual.is_known(known(), Leg.CALLEE, in_port=at(in_port), frame=wire)


def test_what_asterisk_sends_before_a_stay_or_without_one_is_left_to_the_machine() -> None:
    wire = by_asterisk(OWN, with_cname(REPORT, CNAME))
    returned = after(ev.BridgeChanged(), start=known(), now=5.0)
    for placement in (GUARDED, returned, known(start=IN_PHASE[Phase.RELAYED])):
        assert not UsualRtcp().is_known(placement, Leg.CALLEE, in_port=at(9), frame=wire)
