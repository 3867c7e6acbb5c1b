"""Which calls are excluded from the switch, by which rule, and that the answer is the same in every process."""

from collections.abc import Sequence

import pytest

from stasis_offload.media.exclusion import Rule, forbidden_by_context, parse_share, stricter, why_excluded
from stasis_offload.media.reasons import Reason, ReasonKind

CALL = "1795558070.0"  # at 26.08%
LEGS = ("PJSIP/asterisk1-00000000", "PJSIP/trunk-a-0000001f")
CONTEXTS = ("from-trunk-a", "sub-dial")


def why(*rules: Rule, variable: str = "", contexts: Sequence[str] = CONTEXTS) -> str | None:
    """Return the reason's name and detail."""
    reason = why_excluded(CALL, channels=LEGS, contexts=contexts, variable=variable, rules=rules)
    return f"{reason}: {reason.detail}" if reason else None


def never(endpoint: str | None = None, context: str | None = None) -> Rule:
    return Rule(1, 0.0, endpoint, context)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        *(("never", 0.0), ("Always", 100.0), ("10%", 10.0), (" 2.5 % ", 2.5), ("0%", 0.0), ("100%", 100.0)),
        *((wrong, None) for wrong in ("", "10", "%", "-1%", "100.5%", "1e1%", "1000%", "yes", "10%%", "٣%")),
    ],
)
def test_a_share_is_never_always_or_a_percentage(text: str, share: float | None) -> None:
    assert parse_share(text) == share


def test_without_a_rule_no_call_is_excluded() -> None:
    assert why() is None


@pytest.mark.parametrize(
    "pattern", ["PJSIP/trunk-a", "PJSIP/asterisk1", "PJSIP/trunk-*", "*/*", "pjsip/trunk-?"]
)
def test_a_rule_is_of_a_call_by_the_endpoint_of_either_leg(pattern: str) -> None:
    assert why(never("PJSIP/other"), never(pattern)) is not None


@pytest.mark.parametrize(
    "pattern", ["PJSIP/trunk", "PJSIP/trunk-a-0000001f", "PJSIP/trunk-b", "SIP/*", "Local/*"]
)
def test_a_pattern_is_of_a_whole_endpoint(pattern: str) -> None:
    assert why(never(pattern)) is None


@pytest.mark.parametrize(
    ("pattern", "excludes"), [("from-*", True), ("Sub-Dial", True), ("from-trunk", False)]
)
def test_a_rule_is_of_a_call_by_either_context_of_the_caller(pattern: str, excludes: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert (why(never(context=pattern)) is not None) == excludes


def test_a_rule_with_endpoint_and_context_is_of_calls_that_have_both() -> None:
    both = never("PJSIP/trunk-a", "from-trunk-a")
    assert why(both) == "excluded-policy: policy 1 (endpoint PJSIP/trunk-a, context from-trunk-a) is never"
    assert why(never("PJSIP/trunk-b", "from-trunk-a")) is None
    assert why(never("PJSIP/trunk-a", "from-trunk-b")) is None
    assert why(both, contexts=()) is None


def test_the_first_rule_that_is_of_a_call_decides() -> None:
    always = Rule(1, 100.0, "PJSIP/trunk-*")
    forbidding = Rule(2, 0.0, None, "from-*")
    assert why(always, forbidding) is None
    assert why(forbidding, always) == "excluded-policy: policy 2 (context from-trunk-a) is never"


def test_a_share_names_itself_its_rule_and_where_the_call_is() -> None:
    default = Rule(2, 10.0)
    said = "excluded-share: policy 2 (the default) is 10%, and the call is at 26.08%"
    assert why(never("PJSIP/other"), default) == said
    assert why(Rule(1, 26.1)) is None


@pytest.mark.parametrize("value", ["no", "No", "FALSE", "0", "off", " no ", "never", "0%"])
def test_the_variable_says_no_in_every_spelling_of_asterisk_and_names_itself(value: str) -> None:
    assert why(never("*/*"), variable=value) == f"excluded-variable: OFFLOAD={value}"


def test_the_variable_may_be_a_share() -> None:
    assert why(variable="26%") == "excluded-variable: OFFLOAD=26%, and the call is at 26.08%"
    assert why(Rule(1, 1.0, "*/*"), variable="26.1%") is None


@pytest.mark.parametrize("value", ["yes", "1", "always", "100%"])
def test_the_variable_lifts_a_share_and_a_default_but_no_rule_that_says_never(value: str) -> None:
    assert why(Rule(1, 1.0, "*/*"), variable=value) is None
    assert why(Rule(1, 0.0), variable=value) is None
    forbidden = why(never("*/*"), variable=value)
    assert forbidden == (
        f"excluded-policy: policy 1 (endpoint PJSIP/asterisk1) is never, whatever OFFLOAD={value} says"
    )


@pytest.mark.parametrize("value", ["10", "maybe", "101%"])
def test_a_variable_that_cannot_be_read_keeps_the_call_with_asterisk(value: str) -> None:
    said = f"excluded-variable: OFFLOAD={value}, where no, yes or a share such as 10% is expected"
    assert why(variable=value) == said


@pytest.mark.parametrize(
    ("one", "other", "which"),
    [
        *(("", "", ""), ("no", "", "no"), ("", "yes", "yes"), ("yes", "no", "no"), ("10%", "yes", "10%")),
        *(("10%", "9%", "9%"), ("maybe", "1%", "maybe")),
    ],
)
def test_of_two_variables_the_stricter_counts(one: str, other: str, which: str) -> None:
    assert stricter(one, other) == which


@pytest.mark.parametrize(("share", "included"), [(0, 0), (1, 8), (25, 256), (50, 505), (100, 1000)])
def test_a_share_includes_about_so_many_calls_and_the_same_ones_in_every_process(
    share: float, included: int
) -> None:
    """The numbers are this hash's: another one would move calls at an upgrade."""
    assert len(_included(share)) == included


def test_a_larger_share_includes_all_calls_of_a_smaller() -> None:
    assert _included(10) < _included(10.5) < _included(99)


def _included(share: float) -> set[str]:
    calls = {f"1795558070.{n}" for n in range(1000)}

    def reason(call: str) -> Reason | None:
        return why_excluded(call, channels=LEGS, contexts=(), variable="", rules=[Rule(1, share)])

    reasons = {call: reason(call) for call in calls}
    assert {reason and reason.kind for reason in reasons.values()} <= {
        None,
        ReasonKind.EXCLUDED_SHARE,
        ReasonKind.EXCLUDED_POLICY,
    }
    return {call for call, reason in reasons.items() if reason is None}


@pytest.mark.parametrize(
    ("rules", "forbids"),
    [
        ([never(context="sub-*")], True),
        ([never("PJSIP/trunk-a", "sub-*")], True),
        ([never("PJSIP/trunk-b", "sub-*")], False),
        ([never("PJSIP/trunk-a")], False),  # as long as it is a leg
        ([never()], False),
        ([Rule(1, 10.0, context="sub-*")], False),
        ([Rule(1, 100.0, context="sub-*"), never(context="sub-*")], False),
    ],
)
def test_only_a_rule_that_decides_and_names_a_context_forbids_by_it(
    rules: Sequence[Rule], *, forbids: bool
) -> None:
    assert forbidden_by_context(LEGS, CONTEXTS, rules) is forbids
