"""What a leg reports of its reception, beside what was forwarded to it: a leg that receives nothing is never good."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from stasis_offload.media.path import Leg
from stasis_offload.media.quality import Quality
from stasis_offload.media.reception import Stream
from stasis_offload.packets.rtcp import ReceiverReport, ReportBlock
from tests.unit.media.test_quality import BLOCK, STREAM

CALLEE = Leg.CALLEE
OTHER = replace(STREAM, ssrc=0xD00D)


def reported(quality: Quality, now: float, *blocks: ReportBlock) -> Quality:
    report = ReceiverReport(ssrc=0xBEEF, blocks=blocks)
    return quality.with_rtcp(CALLEE, [report], stream=STREAM, now=now)


def block(highest: int, **fields: Any) -> ReportBlock:
    return replace(BLOCK, highest_sequence=highest, **fields)


def watched(
    highest: Sequence[int | None],
    counts: Sequence[int],
    *,
    every: float = 5.0,
    quality: Quality | None = None,
    stream: Stream = STREAM,
) -> Quality:
    """Return what is known after reports with these highest numbers (None: without the stream), each counted.

    A counter is read only when that is wanted, as the application does.
    """
    quality = quality or Quality()
    for number, (reached, packets) in enumerate(zip(highest, counts, strict=True)):
        now = 100 + number * every
        blocks = () if reached is None else (block(reached),)
        quality = quality.with_rtcp(
            CALLEE, [ReceiverReport(ssrc=0xBEEF, blocks=blocks)], stream=stream, now=now
        )
        if quality.wants_count(CALLEE, now):
            quality = quality.with_count(CALLEE, packets, now=now + 0.002)
    return quality


def test_a_leg_that_receives_none_of_what_is_forwarded_is_deaf_at_the_third_report_without_progress() -> None:
    reports, counts = [1000, 1250, 1250, 1250, 1250], [0, 250, 500, 750, 1000]
    assert not watched(reports[:-1], counts[:-1]).is_deaf(CALLEE)
    assert watched(reports, counts).is_deaf(CALLEE)


def test_a_deaf_leg_scores_the_worst_from_the_second_report_without_progress() -> None:
    quality = watched([1000, 51_000, 51_000, 51_000], [0, 50_000, 50_250, 50_500], every=900.0)
    quality = quality.with_return()
    got = watched([51_000] * 3, [0, 250, 500], quality=quality).of(CALLEE)
    assert (got.recent_loss, got.mos) == (1.0, 1.0)
    assert got.loss is not None
    assert got.loss > 0


def test_the_loss_of_a_deaf_leg_counts_what_was_forwarded_meanwhile() -> None:
    got = watched([1000, 1500, 1500, 1500, 1500], [0, 500, 510, 760, 1010]).of(CALLEE)
    assert got.loss == 500 / 1000


@pytest.mark.parametrize(
    ("highest", "counts", "every"),
    [
        ([1000] * 30, [0] * 30, 5.0),
        ([1000] * 30, list(range(0, 150, 5)), 5.0),
        ([1000] * 100, list(range(0, 500, 5)), 0.02),
        ([1000] * 5, list(range(0, 125, 25)), 0.5),
        ([1000 + 50 * (second // 3) for second in range(40)], list(range(0, 2000, 50)), 1.0),
        ([1000, *[1000] * 6, 1300], [0, *[0] * 6, 300], 5.0),
        ([0] * 8, list(range(0, 2000, 250)), 5.0),
        ([None] * 8, list(range(0, 2000, 250)), 5.0),
    ],
    ids=[
        "a silent other leg",
        "comfort noise that Asterisk drops",
        "a report with each packet",
        "reports twice a second, for 2 s",
        "a receiver that updates its reports every 3 s",
        "silence, then speech",
        "a receiver that never reports a number",
        "a receiver that never reports the stream",
    ],
)
def test_no_progress_is_not_deaf_by_itself(
    highest: Sequence[int], counts: Sequence[int], every: float
) -> None:
    quality = watched(highest, counts, every=every)
    assert not quality.is_deaf(CALLEE)
    assert quality.of(CALLEE).loss in (None, 0.0)


@pytest.mark.parametrize("ptime", [0, 20, 60])
def test_packets_of_60_ms_are_speech_too(ptime: int) -> None:
    counts = list(range(0, 84 * 5, 84))
    assert watched([1000] * 5, counts, stream=replace(STREAM, ptime=ptime)).is_deaf(CALLEE)


def test_a_leg_that_leaves_out_the_stream_it_no_longer_receives_is_deaf_after_a_while() -> None:
    highest: list[int | None] = [1000, 1250, None, None, None, None]
    counts = [0, 250, 500, 750, 1000, 1250]
    assert not watched(highest[:-1], counts[:-1]).is_deaf(CALLEE)
    assert watched(highest, counts).is_deaf(CALLEE)


def test_a_leg_that_reports_another_stream_receives() -> None:
    quality = watched([1000, 1000, 1000], [0, 250, 500])
    assert quality.of(CALLEE).mos == 1.0
    quality = reported(quality, 115.0, block(7, ssrc=OTHER.ssrc))
    assert quality.of(CALLEE).mos != 1.0
    assert not quality.wants_count(CALLEE, 120.0)


def test_after_a_gap_the_loss_is_as_reported() -> None:
    quality = watched([1000, 1250, 1250, 1250], [0, 250, 500, 750])
    quality = reported(quality, 120.0, block(2250, cumulative_lost=750))
    got = quality.of(CALLEE)
    assert got.loss == 750 / 1250
    assert not quality.is_deaf(CALLEE)


def test_a_receiver_that_restarts_after_a_gap_does_not_make_it_no_loss() -> None:
    quality = watched([1000, 1250, 1250, 1250], [0, 250, 500, 750])
    got = reported(quality, 120.0, block(2250)).of(CALLEE)
    assert got.loss == 250 / 1250


def test_what_a_hold_leaves_between_two_stays_is_no_loss() -> None:
    quality = reported(reported(Quality(), 100.0, block(1000)), 105.0, block(1250))
    quality = quality.with_return()
    assert quality.of(CALLEE).loss == 0.0
    # 10 s of hold: the numbers of the held phone went on, and of its 500 packets none was relayed.
    quality = reported(quality, 120.0, block(2000, cumulative_lost=500, fraction_lost=0.67))
    assert (quality.of(CALLEE).loss, quality.of(CALLEE).recent_loss) == (0.0, 0.67)
    assert quality.of(CALLEE).mos == pytest.approx(4.4, abs=0.01)
    quality = reported(quality, 125.0, block(2250, cumulative_lost=510, fraction_lost=0.04))
    assert quality.of(CALLEE).loss == 10 / 500


def test_a_first_report_after_a_return_is_of_that_time_too_and_tells_no_loss() -> None:
    quality = reported(Quality().with_return(), 100.0, block(1000, fraction_lost=0.86))
    assert (quality.of(CALLEE).loss, quality.of(CALLEE).recent_loss, quality.of(CALLEE).mos) == (None,) * 3
    quality = reported(quality, 105.0, block(1250))
    assert quality.of(CALLEE).loss == 0.0


def test_a_deaf_stay_counts_as_lost_when_it_is_over() -> None:
    quality = watched([1000, 1500, 1500, 1500, 1500], [0, 500, 500, 750, 1000]).with_return()
    assert quality.of(CALLEE).loss == 500 / 1000
    assert not quality.is_deaf(CALLEE)


@pytest.mark.parametrize(
    ("jitter", "known"), [(40_000, 5000.0), (40_001, None), (158_000_000, None), (0xFFFF_FFFF, None)]
)
def test_a_jitter_that_cannot_be_is_unknown(jitter: int, known: float | None) -> None:
    got = reported(Quality(), 100.0, block(1000, jitter=jitter)).of(CALLEE)
    assert got.jitter_ms == known
    assert (got.mos is None) == (known is None)
    assert got.loss == 0.0
