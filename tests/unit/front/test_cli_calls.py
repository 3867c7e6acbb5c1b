"""What `calls`, `explain` and `reasons` print."""

import json
from dataclasses import replace

import pytest

from stasis_offload.api_json import calls_as_json, details_as_json
from stasis_offload.calls.views import CallDetails, CallView
from stasis_offload.media.reasons import EXPLANATIONS, ReasonKind
from tests.support.command_line import Command, Outcome
from tests.support.fake_operations import DIALING, ENDED, MOVES, OFFLOADED, FakeOperations


@pytest.mark.usefixtures("operations")
def test_calls_shows_a_line_for_each_call(command: Command) -> None:
    outcome = command("calls")
    assert (outcome.status, outcome.err) == (0, "")
    *table, summary = outcome.out.splitlines()
    heading, *lines = [line.split("  ") for line in table]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in (heading, *lines)]
    assert cells == [
        ["CALL", "CALLER", "CALLEE", "STATE", "REASON", "FROM CALLER", "FROM CALLEE", "MOS", "AGE"],
        [
            OFFLOADED.call,
            OFFLOADED.caller,
            OFFLOADED.callee,
            "offloaded",
            "-",
            "1234",
            "1230",
            "4.2/-",
            "1:02:05",
        ],
        ["odd/id [red]", DIALING.caller, "-", "dialing", "nobody answered yet", "0", "0", "-/-", "0:00:01"],
    ]

    assert summary == "2 calls: 1 offloaded, 1 dialing (1 nobody answered yet)"


@pytest.mark.usefixtures("operations")
@pytest.mark.parametrize(
    ("words", "shown", "summary"),
    [
        (["--state", "offloaded"], [OFFLOADED], "1 of 2 calls: 1 offloaded"),
        (["--state", "relayed"], [], "0 of 2 calls"),
        (["--reason", "no-media"], [], "0 of 2 calls"),
        (["--state", "dialing"], [DIALING], "1 of 2 calls: 1 dialing (1 nobody answered yet)"),
    ],
)
def test_calls_shows_those_that_are_asked_for_and_counts_them(
    command: Command, words: list[str], shown: list[CallView], summary: str
) -> None:
    outcome = command("calls", *words)
    _, *rows, last = outcome.out.splitlines()
    assert ([row.split("  ")[0] for row in rows], last) == ([view.call for view in shown], summary)
    assert json.loads(command("calls", "--json", *words).out) == calls_as_json(shown)


@pytest.mark.usefixtures("operations")
@pytest.mark.parametrize("words", [["calls", "--reason", "no-medai:caller"], ["reasons", "no-medai:caller"]])
def test_a_reason_that_there_is_not_is_refused_with_the_one_that_may_be_meant(
    command: Command, words: list[str]
) -> None:
    outcome = command(*words)
    assert outcome.status == 2
    assert "there is no reason 'no-medai'; did you mean no-media?" in " ".join(
        outcome.err.replace("│", "").split()
    )


@pytest.mark.usefixtures("operations")
def test_a_call_is_explained_with_its_moves(command: Command) -> None:
    outcome = command("explain", OFFLOADED.call)
    assert outcome == Outcome(
        0,
        """1700000000.1: offloaded, for 0:00:03; up for 1:02:05
  caller PJSIP/asterisk1-00000001, callee PJSIP/asterisk1-00000002
  the switch forwarded 1234 packets of the caller and 1230 of the callee; MOS 4.2/-
  last moves:
    1:00:00 ago  learning   no-media:caller
    1:00:00 ago  offloaded  -
    0:00:04 ago  relayed    codec-mismatch  (caller alaw, callee ulaw)
    0:00:03 ago  offloaded  -
""",
        "",
    )


def test_of_several_switches_the_one_that_carries_a_call_is_named(
    command: Command, operations: FakeOperations
) -> None:
    operations.views = [replace(OFFLOADED, switch="tor"), DIALING]
    heading, offloaded, dialing, _ = command("calls").out.splitlines()
    place = heading.index("SWITCH")
    assert (offloaded[place:].split()[0], dialing[place:].split()[0]) == ("tor", "-")
    first, *_ = command("explain", OFFLOADED.call).out.splitlines()
    assert first == "1700000000.1: offloaded by switch tor, for 0:00:03; up for 1:02:05"


def test_why_a_call_is_not_offloaded_is_explained_with_what_was_compared(
    command: Command, operations: FakeOperations
) -> None:
    operations.views = [
        replace(DIALING, state="relayed", reason="codec-mismatch", detail="caller alaw, callee ulaw")
    ]
    first, _, sentence, compared, *_ = command("explain", DIALING.call).out.splitlines()
    assert first == "odd/id [red]: relayed codec-mismatch, for 0:00:01; up for 0:00:01"
    assert sentence.strip() == EXPLANATIONS[ReasonKind.CODEC]
    assert compared == "  compared: caller alaw, callee ulaw"


@pytest.mark.usefixtures("operations")
def test_a_call_that_has_ended_is_explained(command: Command) -> None:
    first, *_, last = command("explain", ENDED.call).out.splitlines()
    assert first == "1700000000.7: ended 0:01:00 ago, after 1:02:05"
    assert last == "    0:00:03 ago  offloaded  -"


@pytest.mark.usefixtures("operations")
def test_an_explanation_as_json_is_what_the_interface_answers(command: Command) -> None:
    outcome = command("explain", "odd/id [red]", "--json")
    assert json.loads(outcome.out) == details_as_json(CallDetails(DIALING, MOVES, ended_age=None))


@pytest.mark.usefixtures("operations")
def test_calls_as_json_is_what_the_interface_answers(command: Command) -> None:
    outcome = command("calls", "--json")
    assert (outcome.status, json.loads(outcome.out)) == (0, calls_as_json([OFFLOADED, DIALING]))


def test_reasons_are_explained_by_name(command: Command) -> None:
    rows = [line.rstrip() for line in command("reasons", "hold", "no-media:callee").out.splitlines()[1:]]
    assert rows == [
        f"hold      {EXPLANATIONS[ReasonKind.HOLD]}",
        f"no-media  {EXPLANATIONS[ReasonKind.NO_MEDIA]}",
    ]
    assert json.loads(command("reasons", "hold", "--json").out) == {"hold": EXPLANATIONS[ReasonKind.HOLD]}
    assert list(json.loads(command("reasons", "--json").out)) == list(ReasonKind)
