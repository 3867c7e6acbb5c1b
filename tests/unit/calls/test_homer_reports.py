"""When a collector is told of a call, and of which legs."""

from dataclasses import dataclass, field, replace

import pytest

from stasis_offload.calls.homer_reports import HomerReports
from stasis_offload.media.path import Leg
from stasis_offload.media.quality import Quality
from stasis_offload.media.state import Placement
from stasis_offload.openflow.flow import FlowCount
from stasis_offload.packets.frame import build_udp
from stasis_offload.packets.hep import Kind
from stasis_offload.packets.rtcp import Bye, ReceiverReport
from tests.support.kept_captures import KeptCaptures
from tests.support.leg_reports import CALLEE, CALLER
from tests.support.placements import GUARDED, OFFLOADED, rtcp_of

CALLED = replace(GUARDED, reports={Leg.CALLER: replace(CALLER, protocol_id="a"), Leg.CALLEE: CALLEE})
REPORT = ReceiverReport(ssrc=CALLER.ssrc_rx or 0, blocks=())


@dataclass
class Watched:
    """One call's reports."""

    sender: KeptCaptures = field(default_factory=KeptCaptures)

    def __post_init__(self) -> None:
        self.reports = HomerReports(self.sender)

    def told(self) -> list[tuple[str | None, str, int]]:
        """Return of which call each report is, of what type, and with how many packets; forget them."""
        reports = self.sender.reports
        self.sender.captures.clear()
        return [(call, report["TYPE"], report["EXPECTED_PK"]) for call, report in reports]


def counted(packets: int) -> Placement:
    """Return the call after an audit has read its counters, and waits for a packet of each leg."""
    counts = {leg: FlowCount(packets=packets + (leg is Leg.CALLEE)) for leg in Leg}
    return replace(CALLED, counts=counts, unsampled=frozenset(Leg))


def test_each_audit_is_a_report_on_each_leg_and_the_end_is_another() -> None:
    call = Watched()
    call.reports.on_transition(OFFLOADED, CALLED, Quality())
    assert call.told() == []
    call.reports.on_transition(CALLED, counted(100), Quality())
    assert call.told() == [("a", "PERIODIC", 101), (CALLEE.channel, "PERIODIC", 100)]
    call.reports.on_transition(counted(100), replace(counted(100), unsampled=frozenset()), Quality())
    assert call.told() == []
    call.reports.end(counted(200), Quality())
    assert call.told() == [("a", "HANGUP", 201), (CALLEE.channel, "HANGUP", 200)]


def test_what_was_forwarded_before_another_party_took_a_legs_place_is_not_its() -> None:
    call = Watched()
    call.reports.on_transition(OFFLOADED, CALLED, Quality())
    call.reports.end(counted(200), Quality())
    call.told()
    call.reports.on_transition(OFFLOADED, CALLED, Quality())
    call.reports.end(counted(250), Quality())
    assert call.told() == [("a", "HANGUP", 50), (CALLEE.channel, "HANGUP", 50)]


def test_of_a_call_that_the_switch_never_carried_asterisk_tells() -> None:
    call = Watched()
    call.reports.end(counted(0), Quality())
    assert call.told() == []


@pytest.mark.parametrize("rtcp", [False, True])
def test_a_legs_rtcp_is_told_if_it_is_wanted_and_is_no_farewell(*, rtcp: bool) -> None:
    call = Watched(KeptCaptures(rtcp=rtcp))
    datagram = rtcp_of(Leg.CALLER, bytes(4)).datagram
    call.reports.on_rtcp(Leg.CALLER, (REPORT, Bye(ssrcs=(1,))), build_udp(datagram), CALLED)
    told = [(each.kind, each.source, each.destination, each.call_id) for each in call.sender.captures]
    assert told == [(Kind.RTCP, datagram.source, datagram.destination, "a")] * rtcp
