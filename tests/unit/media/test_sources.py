"""Where a leg's packets come from, and what is said when none of them is observed."""

from dataclasses import replace
from typing import Any

import pytest

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.machine import step
from stasis_offload.media.path import Leg, MediaPath
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.roles import Role, role_of
from stasis_offload.media.state import Phase, Placement, State
from stasis_offload.openflow.flow import Match
from stasis_offload.packets.address import Address
from tests.support.leg_reports import CALLEE, CALLER, sighting
from tests.support.placements import (
    CUT,
    ELIGIBLE,
    GUARDED,
    IN,
    LEARNING,
    OBSERVED,
    TUNING,
    after,
    moved_to,
    relayed,
    sampled_packet,
    seen,
)

ELSEWHERE = Address.parse("198.18.50.2:30000")
# The callee sends from another address than it receives at.
ASYMMETRIC = ev.LegsReported(CALLER, replace(CALLEE, symmetric=False))


def from_elsewhere(leg: Leg, **changes: Any) -> ev.PacketObserved:
    return ev.PacketObserved(leg, sighting(leg, source=ELSEWHERE, **changes))


def learning(report: ev.LegsReported) -> Placement:
    return after(ev.Connected(), report)


def later(packets: int, **changes: Any) -> ev.LegsReported:
    """Report that Asterisk has received so many more packets from the callee."""
    return ev.LegsReported(CALLER, replace(CALLEE, packets_rx=CALLEE.packets_rx + packets, **changes))


def _elsewhere(leg: Leg) -> MediaPath:
    """Return a path that was learned before the leg moved."""
    assert GUARDED.path
    ends = {each.value: GUARDED.path.attachment(each) for each in Leg}
    ends[leg] = replace(ends[leg], sent=replace(ends[leg].sent, source=ELSEWHERE))
    return MediaPath(**ends)


def matches(placement: Placement) -> dict[Role | None, Match]:
    return {role_of(flow.cookie): flow.match for flow in placement.flows()}


def test_an_asymmetric_leg_is_matched_by_its_true_source_and_sent_to_where_asterisk_sends() -> None:
    placement = after(
        seen(Leg.CALLER),
        from_elsewhere(Leg.CALLEE),
        ASYMMETRIC,
        relayed(Leg.CALLER),
        relayed(Leg.CALLEE),
        *CUT,
        start=learning(ASYMMETRIC),
    )
    assert placement.state is State.OFFLOADED
    found = matches(placement)
    assert found[Role.FORWARD_CALLEE].source == ELSEWHERE
    assert found[Role.GUARD_IN_CALLEE].source is None
    assert placement.path
    assert placement.path.callee.received.destination == CALLEE.sdp
    sampled = ev.PacketObserved(Leg.CALLEE, sighting(Leg.CALLEE, source=ELSEWHERE), by_switch=True)
    assert after(sampled, sampled_packet(Leg.CALLER), start=placement).phase is Phase.VERIFIED


@pytest.mark.parametrize(
    ("report", "ssrc", "observed"),
    [
        (ASYMMETRIC, CALLEE.ssrc_rx, True),
        (ASYMMETRIC, 7, False),
        (ev.LegsReported(CALLER, replace(CALLEE, symmetric=False, ssrc_rx=None, packets_rx=0)), 7, True),
        (ELIGIBLE, CALLEE.ssrc_rx, False),
    ],
    ids=["its stream", "another stream", "nothing received yet", "symmetric"],
)
def test_the_ssrc_tells_whether_a_packet_from_elsewhere_is_an_asymmetric_legs(
    report: ev.LegsReported, ssrc: int, *, observed: bool
) -> None:
    placement, commands = step(learning(report), from_elsewhere(Leg.CALLEE, ssrc=ssrc), 0.01)
    assert (placement.state, commands) == (State.LEARNING, ())
    assert (Leg.CALLEE in placement.observed) == observed


def test_a_packet_from_elsewhere_before_asterisk_has_received_any_is_checked_once_it_has() -> None:
    nothing = ev.LegsReported(CALLER, replace(CALLEE, symmetric=False, ssrc_rx=None, packets_rx=0))
    both = after(seen(Leg.CALLER), from_elsewhere(Leg.CALLEE, ssrc=7), start=learning(nothing))
    assert after(ASYMMETRIC, start=both).reason == Reason(ReasonKind.FOREIGN_SSRC, Leg.CALLEE)


@pytest.mark.parametrize(
    ("report", "known", "ignored"),
    [(ELIGIBLE, False, True), (ASYMMETRIC, False, True), (ASYMMETRIC, True, False)],
)
def test_what_is_not_rtp_matters_only_from_where_the_leg_sends(
    report: ev.LegsReported, *, known: bool, ignored: bool
) -> None:
    start = after(*[from_elsewhere(Leg.CALLEE)] * known, start=learning(report))
    garbage = ev.PacketObserved(Leg.CALLEE, None, source=ELSEWHERE)
    placement = after(garbage, start=after(garbage, start=start), now=0.2)
    assert (placement.state is State.LEARNING) == ignored
    remote = ev.PacketObserved(Leg.CALLEE, None, source=CALLEE.remote)
    assert after(remote, start=after(remote, start=start), now=0.2).reason == Reason(
        ReasonKind.FOREIGN_MEDIA, Leg.CALLEE
    )


def test_a_silent_asymmetric_leg_is_waited_for_from_anywhere() -> None:
    quiet = after(seen(Leg.CALLER), ev.DeadlineReached(), start=learning(ASYMMETRIC))
    assert matches(quiet) == {Role.LEARN_IN_CALLEE: Match(source=None, destination=CALLEE.local or ELSEWHERE)}
    awake, commands = step(quiet, from_elsewhere(Leg.CALLEE), 9.0)
    assert commands == (awake.set_flows(),)


@pytest.mark.parametrize(
    ("strangers", "report", "kind"),
    [
        (0, later(0), ReasonKind.NO_MEDIA),
        (0, later(3), ReasonKind.NO_MEDIA),
        (3, later(0), ReasonKind.NO_MEDIA),
        (0, later(50), ReasonKind.BYPASSES_SWITCH),
        (0, later(15, ssrc_rx=7), ReasonKind.BYPASSES_SWITCH),
        (0, later(-3, ssrc_rx=7), ReasonKind.NO_MEDIA),
        (50, later(0), ReasonKind.FOREIGN_SOURCE),
        (50, later(50), ReasonKind.FOREIGN_SOURCE),
    ],
)
def test_a_leg_that_is_not_observed_is_named_by_what_asterisk_and_the_switch_receive(
    strangers: int, report: ev.LegsReported, kind: ReasonKind
) -> None:
    heard = after(seen(Leg.CALLER), *[from_elsewhere(Leg.CALLEE)] * strangers, start=LEARNING)
    placement = after(ev.DeadlineReached(), report, start=heard, now=1.0)
    assert (placement.phase, placement.reason) == (Phase.DORMANT, Reason(kind, Leg.CALLEE))
    again = after(ev.DeadlineReached(), start=placement, now=20.0)
    assert again.reason == placement.reason


def test_of_two_legs_that_are_not_observed_the_one_that_asterisk_receives_is_named() -> None:
    placement = after(ev.DeadlineReached(), later(50), start=LEARNING, now=1.0)
    assert placement.reason == Reason(ReasonKind.BYPASSES_SWITCH, Leg.CALLEE)


@pytest.mark.parametrize(
    "last", [seen(Leg.CALLEE), ev.PacketObserved(Leg.CALLEE, sighting(Leg.CALLEE, payload_type=13))]
)
def test_what_asterisk_received_before_the_last_packet_on_the_switch_did_not_bypass_it(
    last: ev.PacketObserved,
) -> None:
    quiet = after(ev.DeadlineReached(), later(0), start=after(seen(Leg.CALLER), start=LEARNING), now=1.0)
    spoke = after(last, later(500), start=quiet, now=2.0)
    silent = after(ev.BridgeChanged(), later(500), ev.DeadlineReached(), later(500), start=spoke, now=3.1)
    assert silent.reason is None or silent.reason.kind is ReasonKind.NO_MEDIA


@pytest.mark.parametrize("leg", Leg)
def test_a_call_of_which_a_legs_stream_comes_from_elsewhere_too_stays_with_asterisk_and_is_tried_again(
    leg: Leg,
) -> None:
    """Each of these packets would return it: `guard-in`."""
    early = after(from_elsewhere(leg), start=OBSERVED)
    late = after(ELIGIBLE, relayed(Leg.CALLER), relayed(Leg.CALLEE), start=OBSERVED)
    late = after(from_elsewhere(leg), start=late)
    for start, event in ((early, ELIGIBLE), (late, ev.DeadlineReached())):
        placement, commands = step(start, event, 0.01)
        assert placement.reason == Reason(ReasonKind.FOREIGN_SOURCE, leg)
        assert commands == (cmd.SetFlows(()),)
        assert placement.deadline is not None
        assert placement.deadline < 0.05  # longer at each further attempt
        assert not placement.damping.returns
        again = after(ev.DeadlineReached(), *IN, start=placement, now=placement.deadline)
        assert (again.phase, again.deadline) == (Phase.LEARNING, placement.deadline + TUNING.verify_within)
        undisturbed = after(*IN[1:3], ev.DeadlineReached(), *IN[3:], start=again, now=again.deadline or 0)
        assert undisturbed.state is State.OFFLOADED


@pytest.mark.parametrize("leg", Leg)
@pytest.mark.parametrize("moved", [False, True])
def test_after_a_return_for_a_packet_from_elsewhere_none_may_come_for_a_second_unless_the_leg_moved_there(
    leg: Leg, *, moved: bool
) -> None:
    own = sighting(leg).headers.source
    source = own if moved else ELSEWHERE
    start = GUARDED if not moved else replace(GUARDED, path=_elsewhere(leg))
    back = after(moved_to(leg, source), start=start, now=9.0)
    assert back.reason == Reason(ReasonKind.FOREIGN_SOURCE, leg)
    again = after(ev.DeadlineReached(), *IN, start=back, now=9.1)
    assert again.state is (State.OFFLOADED if moved else State.LEARNING)


def test_a_packet_of_another_source_than_the_paths_verifies_nothing() -> None:
    asymmetric = {leg: replace(report, symmetric=False) for leg, report in GUARDED.reports.items()}
    audited = after(ev.DeadlineReached(), start=replace(GUARDED, reports=asymmetric), now=9.0)
    late = ev.PacketObserved(Leg.CALLEE, sighting(Leg.CALLEE, source=ELSEWHERE), by_switch=True)
    assert after(late, start=audited).reason == Reason(ReasonKind.FOREIGN_SOURCE, Leg.CALLEE)
