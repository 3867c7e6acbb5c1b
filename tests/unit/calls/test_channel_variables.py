"""The variables of a caller's channel, and the order in which they are written."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from stasis_offload.calls.channel_variables import SETTLED_AFTER, Settling, variables_of
from stasis_offload.media import events as ev
from stasis_offload.media.quality import Quality
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.state import Placement
from tests.support.placements import BOTH_COUNT, CONNECTED, GUARDED, LEARNING, OFFLOADED, POLICY, after

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


def test_what_an_earlier_process_had_forwarded_is_part_of_the_packets() -> None:
    assert variables_of(replace(GUARDED, earlier_packets=1000), Quality(), {})["OFFLOAD_PACKETS"] == "1000"
    counted = after(ev.CountersRead(BOTH_COUNT), start=replace(GUARDED, earlier_packets=1000))
    assert variables_of(counted, Quality(), {})["OFFLOAD_PACKETS"] == "1009"


HANG_UP = after(ev.BridgeChanged(), start=GUARDED)
DRAINED = after(ev.Blocked(ReasonKind.DRAIN), start=GUARDED)


def test_what_a_hang_up_goes_through_is_not_written_and_what_lasts_is() -> None:
    settling = Settling().then(OFFLOADED, 10.0)
    assert settling.settled(10.0)
    assert settling.known
    leaving = settling.then(HANG_UP, 20.0)
    assert not leaving.settled(20.2)
    assert leaving.wait(20.2) == pytest.approx(SETTLED_AFTER - 0.2)
    assert not leaving.then(RELAYED, 20.3).settled(20.6)
    assert leaving.then(HANG_UP, 20.3).settled(20.5)


def test_an_application_that_stops_writes_so_at_once() -> None:
    assert Settling().then(OFFLOADED, 10.0).then(DRAINED, 20.0).settled(20.0)


def test_a_short_call_that_was_never_offloaded_has_its_reason_and_not_that_of_its_ringing() -> None:
    ringing = (
        Settling()
        .then(Placement(call="c", policy=POLICY), 0.0)
        .then(Placement(call="c", policy=POLICY), 20.0)
    )
    assert not ringing.known
    assert not ringing.then(CONNECTED, 20.0).known
    assert ringing.then(RELAYED, 20.0).then(RELAYED, 21.0).known
