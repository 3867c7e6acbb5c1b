"""What the one line says that the log has of a call."""

from dataclasses import replace

from stasis_offload.calls.call_summary import CallSummary
from stasis_offload.media.path import Leg
from stasis_offload.media.quality import Quality
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.state import Phase, Placement
from stasis_offload.openflow.flow import FlowCount
from tests.support.placements import POLICY

NEW = Placement(call="c", policy=POLICY)


def relayed(kind: ReasonKind) -> Placement:
    return replace(NEW, phase=Phase.RELAYED, reason=Reason(kind))


OFFLOADED = replace(NEW, phase=Phase.VERIFIED, reason=None)
LEARNING = replace(NEW, phase=Phase.LEARNING, reason=Reason(ReasonKind.NO_MEDIA))


def test_a_call_that_nobody_answered_was_nowhere() -> None:
    summary = CallSummary(100.0)
    summary.note(NEW, 100.0)
    assert summary.fields(NEW, Quality(), 107.25) == {
        "duration": 7.2,
        "talked": None,
        "offloaded": 0.0,
        "moves": 0,
        "reasons": [],
        "packets": {"caller": 0, "callee": 0},
        "quality": {"caller": "", "callee": ""},
        "partial": False,
    }


def test_the_time_in_the_switch_is_that_of_all_stays_and_moves_are_counted() -> None:
    summary = CallSummary(0.0)
    summary.answer(2.0)
    for at, placement in (
        (3.0, LEARNING),
        (4.0, OFFLOADED),
        (5.0, OFFLOADED),
        (9.0, relayed(ReasonKind.HOLD)),
        (12.0, LEARNING),
        (13.0, OFFLOADED),
    ):
        summary.note(placement, at)
    summary.answer(14.0)
    fields = summary.fields(OFFLOADED, Quality(), 20.0)
    assert (fields["talked"], fields["offloaded"], fields["moves"]) == (18.0, 5.0 + 7.0, 2)
    summary.note(relayed(ReasonKind.ENDED), 21.0)
    fields = summary.fields(relayed(ReasonKind.ENDED), Quality(), 30.0)
    assert (fields["offloaded"], fields["reasons"]) == (5.0 + 8.0, ["hold"])


def test_the_last_reasons_are_shown_in_order_and_each_stay_with_one_once() -> None:
    summary = CallSummary(0.0)
    kinds = [
        ReasonKind.NO_MEDIA,
        ReasonKind.HOLD,
        ReasonKind.HOLD,
        *[ReasonKind.OPERATOR, ReasonKind.HOLD] * 2,
    ]
    for at, kind in enumerate(kinds):
        summary.note(relayed(kind), float(at))
    summary.note(relayed(ReasonKind.ENDED), 10.0)
    fields = summary.fields(NEW, Quality(), 11.0)
    assert fields["reasons"] == ["hold", "operator", "hold", "operator", "hold"]


def test_packets_are_those_of_each_leg_and_may_be_partial() -> None:
    counts = {Leg.CALLER: FlowCount(7, 1498), Leg.CALLEE: FlowCount(8, 1712)}
    fields = CallSummary(0.0).fields(replace(NEW, partial=True, earlier_counts=counts), Quality(), 1.0)
    assert (fields["packets"], fields["partial"]) == ({"caller": 7, "callee": 8}, True)
