"""What is said of Asterisk's processor time, and when nothing can be."""

from dataclasses import replace

import pytest

from stasis_offload.calls.views import Stats
from stasis_offload.comparison import (
    ENOUGH_PACKETS,
    NoComparisonError,
    Stretch,
    are_back,
    compare,
    stretch,
)
from tests.support.fake_operations import FIGURES

NOW = replace(FIGURES, age=100.0, states={"offloaded": 20}, packets=70_000, asterisk_cpu=12.0)
RELAYED = replace(NOW, states={"relayed": 20})


def later(figures: Stats, *, seconds: float = 10.0, packets: int = 20_000, cpu: float = 0.5) -> Stats:
    assert figures.asterisk_cpu is not None
    return replace(
        figures,
        age=figures.age + seconds,
        packets=figures.packets + packets,
        asterisk_cpu=figures.asterisk_cpu + cpu,
    )


def offloaded(cpu: float, packets: float = 2000.0) -> Stretch:
    return Stretch(relayed=False, cpu=cpu, packets=packets)


def relayed(cpu: float) -> Stretch:
    return Stretch(relayed=True, cpu=cpu, packets=0.0)


def test_a_stretch_is_what_was_between_two_looks() -> None:
    assert stretch(NOW, later(NOW), relayed=False) == offloaded(0.05)
    assert stretch(RELAYED, later(RELAYED, packets=0, cpu=7.0), relayed=True) == relayed(0.7)


@pytest.mark.parametrize(
    ("first", "last", "relayed", "why"),
    [
        (NOW, replace(later(NOW), asterisk_cpu=None), False, "does not see Asterisk's process"),
        (NOW, later(NOW, cpu=-1.0), False, "restarted"),
        (NOW, later(NOW, seconds=-90.0), False, "restarted"),
        (NOW, later(NOW, packets=ENOUGH_PACKETS - 1), False, "forwarded 4999 packets in 10 s, and 5,000"),
        (RELAYED, later(NOW), True, "not all calls were relayed"),
        (NOW, later(RELAYED), True, "not all calls were relayed"),
    ],
)
def test_of_a_stretch_that_tells_nothing_it_is_said_why(
    first: Stats, last: Stats, *, relayed: bool, why: str
) -> None:
    with pytest.raises(NoComparisonError, match=why):
        stretch(first, last, relayed=relayed)


def test_rounds_are_compared_by_their_medians() -> None:
    found = compare(
        [
            offloaded(0.02),
            relayed(0.22),
            offloaded(0.02),
            relayed(0.9),  # something else had Asterisk busy
            offloaded(0.04),
            relayed(0.24),
            offloaded(0.04),
        ]
    )
    assert (found.rounds, found.packets) == (3, 2000.0)
    assert (found.offloaded, found.relayed, found.ratio) == pytest.approx((0.03, 0.24, 0.125))
    assert (found.ms_offloaded, found.ms_relayed) == pytest.approx((15.0, 120.0))


def test_a_round_in_which_the_calls_changed_does_not_count() -> None:
    found = compare([offloaded(0.02), relayed(0.2), offloaded(0.02), relayed(0.3), offloaded(0.02, 900.0)])
    assert (found.rounds, found.relayed) == (1, 0.2)
    with pytest.raises(NoComparisonError, match="the calls changed"):
        compare([offloaded(0.02), relayed(0.2), offloaded(0.01, 900.0)])


def test_no_figure_is_made_of_noise() -> None:
    with pytest.raises(NoComparisonError, match="no less time"):
        compare([offloaded(0.2), relayed(0.5), offloaded(0.2), relayed(0.2), offloaded(0.25)])


def test_calls_are_back_when_about_as_many_are_in_the_switch() -> None:
    assert not are_back(NOW, replace(NOW, states={"offloaded": 17, "relayed": 3}))
    assert are_back(NOW, replace(NOW, states={"offloaded": 18, "dialing": 2}))
