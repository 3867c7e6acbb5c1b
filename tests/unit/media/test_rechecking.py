"""A bridge that Asterisk has rebuilt: what stays in the switch, and what returns."""

from dataclasses import replace
from typing import Any

import pytest

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.machine import step
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.rechecking import CHECK_WITHIN
from stasis_offload.media.state import Phase, Placement, State
from stasis_offload.packets.address import Address
from tests.support.leg_reports import CALLEE, CALLER
from tests.support.placements import IN_PHASE, after

IN_SWITCH = [placement for placement in IN_PHASE.values() if placement.state is State.OFFLOADED]
NOT_IN_SWITCH = [
    placement
    for phase, placement in IN_PHASE.items()
    if phase is not Phase.ENDED and placement.state is not State.OFFLOADED
]
ELSEWHERE = Address.parse("198.18.50.9:4000")


@pytest.mark.parametrize("placement", IN_SWITCH, ids=lambda placement: placement.phase)
def test_the_legs_are_queried_while_the_flows_stay_and_a_refresh_changes_nothing(
    placement: Placement,
) -> None:
    checking, commands = step(placement, ev.BridgeRebuilt(), 2.0)
    assert (checking, commands) == (replace(placement, addressed_at=2.0), (cmd.CheckLegs(CHECK_WITHIN),))
    # Asterisk has counted on, and not received anything for longer.
    report = ev.LegsReported(replace(CALLER, idle=7, packets_tx=9999), replace(CALLEE, ssrc_tx=1))
    assert step(checking, ev.LegsChecked(report), 2.0) == (checking, ())


@pytest.mark.parametrize("placement", NOT_IN_SWITCH, ids=lambda placement: placement.phase)
def test_a_call_that_is_not_in_the_switch_is_queried_as_after_any_change(placement: Placement) -> None:
    assert step(placement, ev.BridgeRebuilt(), 2.0) == step(placement, ev.BridgeChanged(), 2.0)


@pytest.mark.parametrize("placement", IN_SWITCH, ids=lambda placement: placement.phase)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hold": True}, Reason(ReasonKind.HOLD, Leg.CALLEE)),
        ({"audio_hook": True}, Reason(ReasonKind.AUDIO_HOOK, Leg.CALLEE)),
        ({"bridge_channels": 3}, Reason(ReasonKind.NOT_TWO_PARTIES)),
        ({"remote": None}, Reason(ReasonKind.NULL_ADDRESS, Leg.CALLEE)),
        ({"remote": ELSEWHERE, "sdp": ELSEWHERE}, Reason(ReasonKind.CALL_CHANGED)),
        # A packet from where it was has led Asterisk back already.
        ({"sdp": ELSEWHERE}, Reason(ReasonKind.CALL_CHANGED)),
        ({"local": ELSEWHERE}, Reason(ReasonKind.CALL_CHANGED)),
        ({"channel_id": "another"}, Reason(ReasonKind.CALL_CHANGED)),
        ({"event_pts_rx": {8000: 96}}, Reason(ReasonKind.CALL_CHANGED)),
        ({"format_rx": "alaw", "format_tx": "alaw"}, Reason(ReasonKind.CODEC)),
    ],
    ids=str,
)
def test_what_differs_returns_the_media_and_is_named(
    placement: Placement, change: dict[str, Any], reason: Reason
) -> None:
    report = ev.LegsReported(CALLER, replace(CALLEE, **change))
    returned, commands = step(placement, ev.LegsChecked(report), 2.0)
    assert returned.reason == reason
    assert commands == (cmd.RemoveFlows(returned.flows()), cmd.QueryLegs())


@pytest.mark.parametrize(
    "change",
    [
        {"format_rx": "alaw", "format_tx": "alaw", "audio_pt_rx": 8, "audio_pt_tx": 8},
        {"format_rx": "gsm", "format_tx": "gsm"},
        {"ptime": 40},
    ],
    ids=["codec", "codec of the same number", "packet time"],
)
def test_two_legs_that_change_alike_are_learned_again(change: dict[str, Any]) -> None:
    both = ev.LegsReported(replace(CALLER, **change), replace(CALLEE, **change))
    returned = after(ev.LegsChecked(both), start=IN_PHASE[Phase.GUARDED], now=2.0)
    assert returned.reason == Reason(ReasonKind.CALL_CHANGED)


def test_the_report_after_a_return_comes_too_late() -> None:
    relayed = IN_PHASE[Phase.RELAYED]
    assert step(relayed, ev.LegsChecked(None), 2.0) == (relayed, ())
