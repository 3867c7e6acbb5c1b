"""The table of the media machine: no event is forgotten in any phase."""

from pathlib import Path
from typing import get_args

import pytest

from stasis_offload.media import events as ev
from stasis_offload.media.machine import IGNORED, TRANSITIONS, interrupts_query, step
from stasis_offload.media.path import Leg
from stasis_offload.media.phases import MEANINGS, transitions_as_markdown
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.roles import Role
from stasis_offload.media.state import Phase, Placement, State
from stasis_offload.openflow.flow import FlowCount
from tests.support.leg_reports import PHONE_PORT, passed_on
from tests.support.placements import ELIGIBLE, IN_PHASE, TUNING, relayed, rtcp_of, seen, small_packet

EVENTS = get_args(ev.Event)
OTHER_WAY = passed_on(Leg.CALLEE, eth_dst="02:00:00:00:00:99").headers
EXAMPLES: dict[type[ev.Event], ev.Event] = {
    type(event): event
    for event in (
        *(seen(Leg.CALLER), small_packet(Leg.CALLER), relayed(Leg.CALLER), ELIGIBLE),
        *(
            ev.CountersRead({Role.FORWARD_CALLER: FlowCount(1, 1)}),
            ev.GuardTriggered(ReasonKind.ASTERISK_MEDIA, Leg.CALLER),
        ),
        *(ev.RtcpSent(Leg.CALLER, OTHER_WAY, b""), ev.PortDown(PHONE_PORT), rtcp_of(Leg.CALLER)),
        *(ev.ReceptionStalled(Leg.CALLER), ev.LegDeaf(Leg.CALLER), ev.BridgeChanged()),
        *(ev.BridgeRebuilt(), ev.LegsChecked(ELIGIBLE)),
        *(ev.OtherDropped(Leg.CALLER, PHONE_PORT, b""), ev.WithholdingEnded(Leg.CALLER)),
        ev.FlowIdle(Leg.CALLER, FlowCount(1, 1)),
        *(ev.FlowDeleted(Leg.CALLER, FlowCount(1, 1)), ev.Blocked(ReasonKind.OPERATOR)),
        *(ev.Unblocked(ReasonKind.OPERATOR), ev.CommandFailed(ReasonKind.SWITCH_REFUSED)),
        *(ev.Connected(), ev.SwitchAnswered(0.001), ev.DeadlineReached(), ev.CallEnded()),
    )
}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
@pytest.mark.parametrize("phase", Phase)
def test_each_event_has_a_row_in_each_phase_or_is_ignored_there(phase: Phase, event: type[ev.Event]) -> None:
    assert (event in TRANSITIONS[phase]) != (event in IGNORED[phase])


def test_the_table_knows_no_event_that_is_none() -> None:
    assert {event for rows in TRANSITIONS.values() for event in rows} <= set(EVENTS)


@pytest.mark.parametrize("phase", Phase)
def test_what_is_ignored_changes_nothing(phase: Phase) -> None:
    placement = IN_PHASE[phase]
    assert placement.phase is phase
    for event in IGNORED[phase]:
        assert step(placement, EXAMPLES[event], 2.0) == (placement, ())


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_is_one_of_the_three_states(phase: Phase) -> None:
    placement = Placement(call="c", tuning=TUNING, phase=phase)
    assert isinstance(placement.state, State)
    assert placement.over == (phase is Phase.ENDED)
    assert placement.is_verified == (phase in {Phase.VERIFIED, Phase.GUARDED})


@pytest.mark.parametrize("phase", Phase)
def test_a_slow_answer_holds_up_nothing_that_takes_flows_out(phase: Phase) -> None:
    placement = IN_PHASE[phase]
    urgent = {event for event in EXAMPLES if interrupts_query(placement, EXAMPLES[event])}
    always = {ev.Blocked, ev.BridgeChanged, ev.CallEnded}
    in_switch = {ev.GuardTriggered, ev.FlowDeleted, ev.RtcpSent, ev.PortDown}
    assert urgent == always | (in_switch if placement.state is State.OFFLOADED else {ev.BridgeRebuilt})


def test_the_page_of_the_documentation_is_what_the_table_says() -> None:
    assert set(MEANINGS) == set(Phase)
    assert all(handler.__doc__ for rows in TRANSITIONS.values() for handler in rows.values())
    page = Path(__file__).parents[3] / "docs" / "phases.md"
    assert page.read_text(encoding="utf-8") == transitions_as_markdown()
