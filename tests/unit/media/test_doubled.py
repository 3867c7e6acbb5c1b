"""A leg's packets that Asterisk relays although the switch forwards them, and what only looks like that."""

from dataclasses import replace
from typing import Any

import pytest

from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.machine import step
from stasis_offload.media.path import Leg
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.state import State
from tests.support.leg_reports import passed_on, sighting
from tests.support.placements import ELIGIBLE, GUARDED, TUNING, VERIFIED, after

# The last packet that was observed of each leg (leg_reports.py), and audio of 20 ms.
FIRST = sighting(Leg.CALLEE)
TICKS = 160


def relayed_again(later: int, **changes: Any) -> ev.GuardTriggered:
    """Return what the guard shows when Asterisk sends the caller a packet of the callee's, so many after the last observed one."""
    numbers = {
        "sequence": (FIRST.sequence + later) % 2**16,
        "timestamp": (FIRST.timestamp + later * TICKS) % 2**32,
    }
    packet = passed_on(Leg.CALLEE, **{**numbers, **changes})
    return ev.GuardTriggered(ReasonKind.ASTERISK_MEDIA, Leg.CALLER, packet)


@pytest.mark.parametrize("later", [11, 50, 3000, 70_000])
@pytest.mark.parametrize("placement", [VERIFIED, GUARDED], ids=["verified", "guarded"])
def test_a_packet_of_the_leg_after_the_cutover_says_that_asterisk_receives_it_too(
    placement: Any, later: int
) -> None:
    now, commands = step(placement, relayed_again(later), 2.0)
    assert (now.state, now.reason) == (State.RELAYED, Reason(ReasonKind.DOUBLED, Leg.CALLEE))
    assert isinstance(commands[0], cmd.RemoveFlows)
    assert now.reason
    assert "0x0000bbbb" in (now.reason.detail or "")


@pytest.mark.parametrize(
    "changes",
    [
        {"sequence": 4711},
        {"timestamp": 1},
        {"ssrc": 0xCCCC},
        {"payload_type": 101},
        {"sequence": FIRST.sequence + 51},
        {"timestamp": FIRST.timestamp + 50 * TICKS + 1},
    ],
    ids=["number", "time", "stream", "digit", "one-more", "no-packet's-time"],
)
def test_what_asterisk_sends_of_its_own_is_that_even_under_the_legs_ssrc(changes: dict[str, Any]) -> None:
    now, _ = step(GUARDED, relayed_again(50, **changes), 2.0)
    assert now.reason == Reason(ReasonKind.ASTERISK_MEDIA, Leg.CALLER)


def test_what_asterisk_had_received_before_the_cutover_and_sends_late_is_not_doubled() -> None:
    now, _ = step(GUARDED, relayed_again(3), 2.0)
    assert now.reason == Reason(ReasonKind.ASTERISK_MEDIA, Leg.CALLER)


def test_with_a_codec_whose_clock_is_not_known_nothing_is_said_for_sure() -> None:
    reports = {leg: replace(report, format_rx="unheard-of") for leg, report in GUARDED.reports.items()}
    now, _ = step(replace(GUARDED, reports=reports), relayed_again(50), 2.0)
    assert now.reason == Reason(ReasonKind.ASTERISK_MEDIA, Leg.CALLER)


def test_such_a_call_is_left_alone_for_a_while_with_its_reason_and_then_tried_again() -> None:
    """Each attempt doubles some packets; six of them would say `flapping`, which explains nothing."""
    now, _ = step(GUARDED, relayed_again(50), 2.0)
    assert now.deadline == 2.0 + TUNING.flap_wait
    asked, commands = step(now, ev.DeadlineReached(), 2.0 + TUNING.flap_wait)
    assert commands == (cmd.QueryLegs(),)
    assert after(ELIGIBLE, start=asked, now=62.0).state is State.LEARNING
