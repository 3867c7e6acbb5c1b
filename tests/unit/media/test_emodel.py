"""The E-model against figures published for it, and the order in which calls must score."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stasis_offload.media.emodel import CLOCK_RATES, IMPAIRMENTS, mos, rating

FRACTIONS = st.floats(0, 1)
DELAYS = st.floats(0, 5000)
CODECS = st.sampled_from(sorted(IMPAIRMENTS))


@pytest.mark.parametrize(
    ("r", "expected"),
    [
        (93.2, 4.41),  # G.107 7.7: every parameter at its default
        # G.107 Annex B, Table B.1: lower limits, so rounded up.
        (90, 4.34),
        (80, 4.03),
        (70, 3.60),
        (60, 3.10),
        (50, 2.58),
        (0, 1.0),
        (-20, 1.0),
        (100, 4.5),
    ],
)
def test_the_score_of_a_rating_is_the_published_one(r: float, expected: float) -> None:
    assert mos(r) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("codec", "loss", "delay_ms", "expected"),
    [
        ("ulaw", 0.0, 0, 93.2),
        ("ulaw", 0.0, 100, 90.8),
        ("ulaw", 0.0, 177.3, 93.2 - 0.024 * 177.3),
        ("ulaw", 0.0, 277.3, 93.2 - 0.024 * 277.3 - 0.11 * 100),
        ("alaw", 0.01, 0, 93.2 - 95 / 26.1),
        ("g729", 0.0, 0, 82.2),
        ("g729", 0.02, 0, 82.2 - 84 * 2 / 21),
        ("g723", 0.0, 0, 78.2),
    ],
)
def test_a_rating_is_what_the_formula_gives_by_hand(
    codec: str, loss: float, delay_ms: float, expected: float
) -> None:
    assert rating(IMPAIRMENTS[codec], loss=loss, delay_ms=delay_ms) == pytest.approx(expected)


@given(CODECS, FRACTIONS, DELAYS)
def test_a_score_is_on_its_scale(codec: str, loss: float, delay_ms: float) -> None:
    assert 1 <= mos(rating(IMPAIRMENTS[codec], loss=loss, delay_ms=delay_ms)) <= 4.5


@given(st.floats(-200, 200), st.floats(0, 100))
def test_a_better_rating_never_scores_worse(r: float, more: float) -> None:
    assert mos(r + more) >= mos(r) - 1e-9


@given(CODECS, st.tuples(FRACTIONS, FRACTIONS), st.tuples(DELAYS, DELAYS))
def test_more_loss_or_delay_never_rates_better(
    codec: str, losses: tuple[float, float], delays: tuple[float, float]
) -> None:
    better = rating(IMPAIRMENTS[codec], loss=min(losses), delay_ms=min(delays))
    worse = rating(IMPAIRMENTS[codec], loss=max(losses), delay_ms=max(delays))
    assert worse <= better


def test_every_codec_that_is_scored_has_a_clock_rate() -> None:
    assert set(IMPAIRMENTS) <= set(CLOCK_RATES)
