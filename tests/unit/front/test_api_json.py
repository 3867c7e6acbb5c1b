"""The operator's view: what is written as JSON is read back the same, and nothing else is read."""

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stasis_offload.api_json import (
    BadAnswerError,
    call_as_json,
    calls_as_json,
    details_as_json,
    health_as_json,
    parse_calls,
    parse_details,
    parse_health,
    parse_stats,
    stats_as_json,
)
from stasis_offload.calls.views import Block, CallDetails, CallView, Health, MoveView
from stasis_offload.media.quality import LegQuality
from stasis_offload.openflow.flow import FlowCount
from tests.support.fake_operations import DIALING, FIGURES, OFFLOADED

count = st.builds(FlowCount, packets=st.integers(0, 2**64), octets=st.integers(0, 2**64))
figure = st.none() | st.integers(0, 10**8).map(lambda fraction: fraction / 10_000)
quality = st.builds(
    LegQuality,
    loss=figure,
    recent_loss=figure,
    jitter_ms=figure,
    rtt_ms=figure,
    mos=figure,
    upstream_loss=figure,
)
seconds = st.integers(0, 10**9).map(lambda milliseconds: milliseconds / 1000)
view = st.builds(
    CallView,
    call=st.text(),
    caller=st.text(),
    callee=st.none() | st.text(),
    state=st.text(),
    reason=st.none() | st.text(),
    age=seconds,
    state_age=seconds,
    from_caller=count,
    from_callee=count,
    caller_quality=quality,
    callee_quality=quality,
    partial=st.booleans(),
    strangers_at_caller=st.integers(0, 2**40),
    strangers_at_callee=st.integers(0, 2**40),
)

move = st.builds(
    MoveView, age=seconds, state=st.text(), reason=st.none() | st.text(), detail=st.none() | st.text()
)
details = st.builds(CallDetails, view, st.lists(move, max_size=3).map(tuple), ended_age=st.none() | seconds)


def test_a_call_has_this_shape() -> None:
    assert call_as_json(OFFLOADED) == {
        "call": "1700000000.1",
        "caller": "PJSIP/asterisk1-00000001",
        "callee": "PJSIP/asterisk1-00000002",
        "state": "offloaded",
        "reason": None,
        "detail": None,
        "age": 3725.25,
        "state_age": 3.5,
        "switch": None,
        "partial": False,
        "packets": {"caller": 1234, "callee": 1230},
        "octets": {"caller": 246800, "callee": 246000},
        "strangers": {"caller": 0, "callee": 0},
        "quality": {
            "caller": {
                "loss": 0.0125,
                "recent_loss": None,
                "jitter_ms": 1.5,
                "rtt_ms": 42.0,
                "mos": 4.21,
                "upstream_loss": None,
            },
            "callee": dict.fromkeys(["loss", "recent_loss", "jitter_ms", "rtt_ms", "mos", "upstream_loss"]),
        },
    }


def test_health_is_well_when_there_is_no_problem() -> None:
    well = Health(
        calls=2,
        blocked=None,
        drained=True,
        passed_by={"overload": 7},
        problems=(),
        version="1.2.3",
        module="0.9.0",
    )
    block, problems = Block(age=761.25, by="root"), ("the switch is away",)
    ill = Health(
        calls=0, blocked=block, drained=False, passed_by={}, problems=problems, version="1.2.3", module=None
    )
    assert health_as_json(well) == {
        "ok": True,
        "calls": 2,
        "blocked": None,
        "drained": True,
        "passed_by": {"overload": 7},
        "problems": [],
        "version": "1.2.3",
        "module": "0.9.0",
    }
    assert health_as_json(ill) == {
        "ok": False,
        "calls": 0,
        "blocked": {"age": 761.25, "by": "root"},
        "drained": False,
        "passed_by": {},
        "problems": ["the switch is away"],
        "version": "1.2.3",
        "module": None,
    }
    for health in (well, ill):
        assert parse_health(json.loads(json.dumps(health_as_json(health)))) == health


@pytest.mark.parametrize(
    "change", [{"blocked": True}, {"drained": None}, {"problems": None}, {"passed_by": 3}, {"module": 1}]
)
def test_health_that_is_written_otherwise_is_refused(change: dict[str, object]) -> None:
    well = Health(
        calls=2, blocked=None, drained=False, passed_by={}, problems=(), version="1.2.3", module=None
    )
    with pytest.raises(BadAnswerError):
        parse_health({**health_as_json(well), **change})


def test_figures_are_read_back_as_they_were_written_and_need_every_key() -> None:
    written = json.loads(json.dumps(stats_as_json(FIGURES)))
    assert parse_stats(written) == FIGURES
    for key in written:
        with pytest.raises(BadAnswerError):
            parse_stats({name: value for name, value in written.items() if name != key})


@given(st.lists(view, max_size=3))
def test_calls_are_read_back_as_they_were_written(views: list[CallView]) -> None:
    assert parse_calls(json.loads(json.dumps(calls_as_json(views)))) == tuple(views)


@given(details)
def test_a_call_and_its_moves_are_read_back_as_they_were_written(found: CallDetails) -> None:
    assert parse_details(json.loads(json.dumps(details_as_json(found)))) == found


@pytest.mark.parametrize(
    "document", [{}, [], call_as_json(DIALING), {**call_as_json(DIALING), "ended_age": None, "moves": [1]}]
)
def test_a_call_without_its_moves_is_refused(document: object) -> None:
    with pytest.raises(BadAnswerError):
        parse_details(document)


@pytest.mark.parametrize("key", sorted(call_as_json(DIALING)))
def test_a_call_that_lacks_a_key_is_refused(key: str) -> None:
    document = {name: value for name, value in call_as_json(DIALING).items() if name != key}
    with pytest.raises(BadAnswerError, match="not a call"):
        parse_calls({"calls": [document]})


def test_a_quality_that_is_not_a_number_is_refused() -> None:
    document = call_as_json(OFFLOADED)
    document["quality"] = {"caller": {"mos": "good"}, "callee": {}}
    with pytest.raises(BadAnswerError, match="not the quality"):
        parse_calls({"calls": [document]})


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["calls", "x"]), inner),
    max_leaves=5,
)


@given(anything)
def test_any_other_document_is_refused(document: object) -> None:
    assume(not isinstance(document, dict) or document.get("calls") != [])
    with pytest.raises(BadAnswerError):
        parse_calls(document)
