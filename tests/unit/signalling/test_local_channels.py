"""Two calls that a Local channel pair joins are found, and made one only when nobody would lose anything."""

from dataclasses import replace

import pytest

from stasis_offload.asterisk.leg_report import LegReport
from stasis_offload.signalling.local_channels import LocalPair, can_optimize, find_local_pair
from tests.support.leg_reports import CALLEE, CALLER

PAIR = "Local/556@default-00000001"
BOB, CAROL = "PJSIP/bob-00000001", "PJSIP/carol-00000003"
NEAR = ("near", {0: BOB, 2: f"{PAIR};1"})
FAR = ("far", {0: f"{PAIR};2", 1: CAROL})


@pytest.mark.parametrize(("call", "other"), [(NEAR, FAR), (FAR, NEAR)])
def test_the_pair_is_found_from_either_call(
    call: tuple[str, dict[int, str]], other: tuple[str, dict[int, str]]
) -> None:
    third = ("third", {0: "PJSIP/x-00000001", 1: "Local/556@default-00000002;2"})
    assert find_local_pair(*call, [third, other]) == LocalPair(near="near", near_leg=2, far="far", far_leg=0)


@pytest.mark.parametrize(
    "parties",
    [
        {0: BOB, 1: CAROL},
        {0: BOB, 1: f"{PAIR};3"},
        {0: BOB, 1: "Local/556@default-00000002;1"},
        {0: f"{PAIR};2", 1: BOB},
        {0: "PJSIP/x;1", 1: "L"},
        {},
    ],
)
def test_two_calls_without_a_pair_between_them_have_no_joint(parties: dict[int, str]) -> None:
    assert find_local_pair("near", parties, [FAR]) is None


@pytest.mark.parametrize(
    ("changed", "may"),
    [
        (CALLEE, True),
        (replace(CALLEE, state="Ringing"), False),
        (replace(CALLEE, bridge_channels=3), False),
        (replace(CALLEE, audio_hook=True), False),
    ],
)
def test_only_two_plain_answered_calls_become_one(changed: LegReport, may: bool) -> None:  # noqa: FBT001
    assert can_optimize([CALLER, CALLEE], [CALLER, changed]) is may
    assert can_optimize([CALLER, changed], [CALLER, CALLEE]) is may


def test_a_bridge_with_one_channel_or_none_is_no_call() -> None:
    assert not can_optimize([CALLER, CALLEE], [CALLER])
    assert not can_optimize([], [CALLER, CALLEE])
