"""The variables of a caller's channel, and the order in which they are written."""

from collections.abc import Mapping

import pytest

from stasis_offload.calls.channel_variables import variables_of
from stasis_offload.media import events as ev
from stasis_offload.media.quality import Quality
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.state import Placement
from tests.support.placements import GUARDED, LEARNING, OFFLOADED, after

RELAYED = after(ev.Blocked(ReasonKind.OPERATOR), start=GUARDED)
NAMES = ("OFFLOAD_STATUS", "OFFLOAD_REASON")


def written(placement: Placement, before: Mapping[str, str]) -> list[tuple[str, str]]:
    """List status and reason in the order in which they are written."""
    variables = variables_of(placement, Quality(), before)
    return [(name, value) for name, value in variables.items() if name in NAMES]


@pytest.mark.parametrize("before", [OFFLOADED, RELAYED], ids=["offloaded", "relayed"])
@pytest.mark.parametrize("after_", [OFFLOADED, RELAYED], ids=["offloaded", "relayed"])
def test_a_relayed_call_has_its_reason_whichever_variable_was_written_last(
    before: Placement, after_: Placement
) -> None:
    now = dict(written(before, {}))
    for name, value in written(after_, now):
        now[name] = value
        assert now["OFFLOAD_STATUS"] == "offloaded" or now["OFFLOAD_REASON"] == "operator"


def test_a_call_that_is_only_passing_keeps_what_was_written() -> None:
    before = dict(written(RELAYED, {}))
    assert dict(written(LEARNING, before)) == before
