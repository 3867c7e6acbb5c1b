"""Which calls are excluded from the switch, and that the answer is the same in every process."""

import pytest

from stasis_offload.media.exclusion import opts_out, why_excluded
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.state import Policy

CALL = "1795558070.0"
LEGS = ("PJSIP/asterisk1-00000000", "PJSIP/trunk-a-0000001f")


def why(*exclude: str, percentage: float = 100, opted_out: bool = False) -> ReasonKind | None:
    policy = Policy(exclude=exclude, percentage=percentage)
    return why_excluded(CALL, LEGS, policy, opted_out=opted_out)


@pytest.mark.parametrize("value", ["no", "No", "FALSE", "0", "off", " no "])
def test_offload_says_no_in_every_spelling_of_asterisk(value: str) -> None:
    assert opts_out(value)


@pytest.mark.parametrize("value", [None, "", "yes", "1", "nothing"])
def test_offload_of_any_other_value_excludes_nothing(value: str | None) -> None:
    assert not opts_out(value)


@pytest.mark.parametrize(
    "pattern", ["PJSIP/trunk-a", "PJSIP/asterisk1", "PJSIP/trunk-*", "*/*", "pjsip/trunk-?"]
)
def test_an_endpoint_of_either_leg_excludes_a_call(pattern: str) -> None:
    assert why("PJSIP/other", pattern) is ReasonKind.EXCLUDED_ENDPOINT


@pytest.mark.parametrize(
    "pattern", ["PJSIP/trunk", "PJSIP/trunk-a-0000001f", "PJSIP/trunk-b", "SIP/*", "Local/*"]
)
def test_a_pattern_is_of_a_whole_endpoint(pattern: str) -> None:
    assert why(pattern) is None


def test_the_variable_names_itself_whatever_else_excludes_the_call() -> None:
    assert why("*/*", percentage=0, opted_out=True) is ReasonKind.EXCLUDED_VARIABLE


@pytest.mark.parametrize(("percentage", "included"), [(0, 0), (1, 8), (25, 256), (50, 505), (100, 1000)])
def test_a_percentage_includes_about_so_many_calls_and_the_same_ones_in_every_process(
    percentage: float, included: int
) -> None:
    """The numbers are this hash's: another one would move calls at an upgrade."""
    assert len(_included(percentage)) == included


def test_a_larger_percentage_includes_all_calls_of_a_smaller() -> None:
    assert _included(10) < _included(10.5) < _included(99)


def _included(percentage: float) -> set[str]:
    calls = {f"1795558070.{n}" for n in range(1000)}
    policy = Policy(percentage=percentage)
    return {call for call in calls if why_excluded(call, LEGS, policy, opted_out=False) is None}
