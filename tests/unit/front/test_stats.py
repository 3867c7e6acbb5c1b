"""What `stats` prints, and what it does to the calls while it measures."""

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import StringIO

import pytest

from stasis_offload.api_json import stats_as_json
from stasis_offload.calls.views import Stats
from tests.support.command_line import Command, Outcome
from tests.support.fake_operations import FIGURES, FakeOperations

pytestmark = pytest.mark.usefixtures("interruptible")

MEASURE = ("stats", "--measure", "20", "--rounds", "2", "--yes")
LIFTED = ("measure 0", None)
RELAYED = ("measure 30", None)


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch, operations: FakeOperations) -> list[Callable[[], None]]:
    """Have 20 calls whose time passes in no time: what is returned is done at each pause."""
    operations.figures = replace(FIGURES, states={"offloaded": 2}, asterisk_cpu=100.0)
    at_pauses: list[Callable[[], None]] = []

    def sleep(seconds: float) -> None:
        operations.figures = after(operations.figures, seconds)
        for act in at_pauses:
            act()

    monkeypatch.setattr("stasis_offload.cli.stats.time.sleep", sleep)
    return at_pauses


def after(figures: Stats, seconds: float) -> Stats:
    """Return the figures so much later: relaying takes a fifth of a core more."""
    relayed = "relayed" in figures.states
    return replace(
        figures,
        age=figures.age + seconds,
        packets=figures.packets + (0 if relayed else int(2000 * seconds)),
        asterisk_cpu=(figures.asterisk_cpu or 0.0) + seconds * (0.22 if relayed else 0.02),
    )


@pytest.mark.usefixtures("operations")
def test_the_figures_so_far(command: Command) -> None:
    assert command("stats") == Outcome(
        0,
        """in 25:00:00 since the application began:
  calls           40, 75% of them in the switch at some time
  time to talk    2:00:00, 90% of it in the switch
  packets that did not wake Asterisk: 1234567
  passed by: 3 (2 arguments, 1 features)
now: 2 calls, 50% of them in the switch
""",
        "",
    )
    assert json.loads(command("stats", "--json").out) == stats_as_json(FIGURES)


def test_where_there_was_no_call_there_is_no_share(command: Command, operations: FakeOperations) -> None:
    operations.figures = Stats(5.0, {}, 0, 0, 0.0, 0.0, 0, None)
    rows = command("stats").out.splitlines()
    assert rows[1] == "  calls           0, none of them in the switch at some time"
    assert rows[-1] == "now: 0 calls, none of them in the switch"


@pytest.mark.usefixtures("passing")
def test_asterisk_is_measured_by_turns_and_each_turn_ends(
    command: Command, operations: FakeOperations
) -> None:
    outcome = command(*MEASURE)
    assert (outcome.status, outcome.out) == (
        0,
        """Asterisk's processor time, medians of 2, at 2000 packets a second:
  offloaded    2.0% of a core    10.0 ms for 1,000 packets
  relayed     22.0% of a core   110.0 ms for 1,000 packets
  ratio      0.091
""",
    )
    assert [line.partition(":")[0] for line in outcome.err.splitlines()] == [
        *("offloaded", "relayed") * 2,
        "offloaded",
    ]
    assert operations.asked == [RELAYED, LIFTED] * 2
    assert json.loads(command(*MEASURE, "--json").out) == {
        "rounds": 2,
        "packets_per_second": 2000.0,
        "asterisk_cores": {"offloaded": 0.02, "relayed": 0.22},
        "ms_per_1000_packets": {"offloaded": 10.0, "relayed": 110.0},
        "ratio": 0.0909,
    }


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_whoever_ends_it_the_calls_are_given_back(
    command: Command,
    operations: FakeOperations,
    passing: list[Callable[[], None]],
    number: signal.Signals,
    status: int,
) -> None:
    passing.append(lambda: signal.raise_signal(number) if operations.asked else None)
    outcome = command(*MEASURE)
    assert (outcome.status, outcome.out) == (status, "")
    assert operations.asked == [RELAYED, LIFTED]


def test_what_goes_wrong_while_all_are_relayed_does_not_leave_them_so(
    command: Command, operations: FakeOperations, passing: list[Callable[[], None]]
) -> None:
    def restart() -> None:
        if operations.asked:
            operations.figures = replace(operations.figures, age=1.0)

    passing.append(restart)
    outcome = command(*MEASURE)
    assert (outcome.status, outcome.out) == (1, "")
    assert "was restarted meanwhile" in outcome.err
    assert operations.asked == [RELAYED, LIFTED]


@pytest.mark.parametrize(
    ("figures", "why"),
    [
        (replace(FIGURES, states={"relayed": 3}, asterisk_cpu=1.0), "no call is in the switch"),
        (FIGURES, "does not see Asterisk's process"),
    ],
)
def test_where_nothing_can_be_measured_nothing_is_moved(
    command: Command, operations: FakeOperations, figures: Stats, why: str
) -> None:
    operations.figures = figures
    outcome = command(*MEASURE)
    assert (outcome.status, operations.asked) == (1, [])
    assert why in outcome.err


@pytest.mark.usefixtures("passing")
def test_nothing_is_moved_without_a_yes(
    command: Command, operations: FakeOperations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO())  # no terminal
    outcome = command(*MEASURE[:-1])
    assert outcome.status == 1
    assert "nothing is done without --yes" in outcome.err
    assert operations.asked == []


@pytest.mark.usefixtures("passing")
def test_calls_that_do_not_come_back_end_it(
    command: Command, operations: FakeOperations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stasis_offload.cli.stats._BACK_WITHIN", 0.0)
    monkeypatch.setattr(operations, "measure", partial(_relayed_for_good, operations))
    outcome = command(*MEASURE)
    assert (outcome.status, outcome.out) == (1, "")
    assert "the calls changed: 2 were in the switch, now 0 are" in outcome.err


async def _relayed_for_good(operations: FakeOperations, seconds: float) -> int:
    operations.asked.append((f"measure {seconds:g}", None))
    operations.figures = replace(operations.figures, states={"relayed": 2})
    return 2
