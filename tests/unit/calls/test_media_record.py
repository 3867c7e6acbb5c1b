"""What is recorded of one call's media, and what the one line says that the log has of it."""

from dataclasses import replace
from itertools import pairwise

import structlog

from stasis_offload.calls.media_record import MediaRecord
from stasis_offload.calls.statistics import Statistics
from stasis_offload.media.path import Leg
from stasis_offload.media.quality import Quality
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.state import Phase, Placement
from stasis_offload.openflow.flow import FlowCount
from tests.support.placements import TUNING

NEW = Placement(call="c", tuning=TUNING)


def relayed(kind: ReasonKind) -> Placement:
    return replace(NEW, phase=Phase.RELAYED, reason=Reason(kind))


def offloaded(since: float) -> Placement:
    return replace(NEW, phase=Phase.VERIFIED, reason=None, since=since)


LEARNING = replace(NEW, phase=Phase.LEARNING, reason=Reason(ReasonKind.NO_MEDIA))
ENDED = relayed(ReasonKind.ENDED)


def recorded(*steps: tuple[float, Placement], statistics: Statistics | None = None) -> MediaRecord:
    """Record the steps from one placement to the next."""
    record = MediaRecord(statistics or Statistics(), log=structlog.get_logger())
    for (_, before), (at, after) in pairwise([(0.0, NEW), *steps]):
        record.note_step(before, after, at)
    return record


def test_a_call_that_nobody_answered_was_nowhere() -> None:
    assert recorded().summary(NEW, Quality(), 107.25) == {
        "talked": None,
        "offloaded": 0.0,
        "moves": 0,
        "reasons": [],
        "packets": {"caller": 0, "callee": 0},
        "quality": {"caller": "", "callee": ""},
        "partial": False,
    }


STAYS = (
    (3.0, LEARNING),
    (4.0, offloaded(4.0)),
    (5.0, replace(offloaded(4.0), phase=Phase.GUARDED)),
    (9.0, relayed(ReasonKind.HOLD)),
    (12.0, LEARNING),
    (13.0, offloaded(13.0)),
)


def test_the_time_in_the_switch_is_that_of_all_stays_and_moves_are_counted() -> None:
    statistics = Statistics()
    record = recorded(*STAYS, statistics=statistics)
    record.note_answer(2.0)
    record.note_answer(14.0)  # a replacement's
    fields = record.summary(offloaded(13.0), Quality(), 20.0)
    assert (fields["talked"], fields["offloaded"], fields["moves"]) == (18.0, 5.0 + 7.0, 2)
    record.note_step(offloaded(13.0), ENDED, 21.0)
    fields = record.summary(ENDED, Quality(), 30.0)
    assert (fields["offloaded"], fields["reasons"]) == (5.0 + 8.0, ["hold"])
    record.note_end(ENDED, Quality(), 30.0)
    assert (statistics.talked, statistics.offloaded, statistics.ended) == (28.0, 13.0, {True: 1, False: 0})


def test_the_last_reasons_are_shown_in_order_and_what_was_tried_in_vain_stands_once() -> None:
    kinds = [
        ReasonKind.NO_MEDIA,
        ReasonKind.HOLD,
        ReasonKind.HOLD,
        *[ReasonKind.OPERATOR, ReasonKind.HOLD] * 2,
    ]
    steps = [step for at, kind in enumerate(kinds) for step in ((at, relayed(kind)), (at + 0.5, LEARNING))]
    fields = recorded(*steps, (10.0, ENDED)).summary(ENDED, Quality(), 11.0)
    assert fields["reasons"] == ["hold", "operator", "hold", "operator", "hold"]


def test_packets_are_those_of_each_leg_and_may_be_partial() -> None:
    counts = {Leg.CALLER: FlowCount(7, 1498), Leg.CALLEE: FlowCount(8, 1712)}
    fields = recorded().summary(replace(NEW, partial=True, earlier_counts=counts), Quality(), 1.0)
    assert (fields["packets"], fields["partial"]) == ({"caller": 7, "callee": 8}, True)
