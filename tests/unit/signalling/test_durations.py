"""RINGTIME and PROGRESSTIME: of the first callee that rings or sends early media, from the creation of its channel."""

import pytest

from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import events as ev
from stasis_offload.signalling.dial_args import DialRequest
from stasis_offload.signalling.machine import step
from stasis_offload.signalling.state import Dialing

FORK = DialRequest(("PJSIP/555@peer", "PJSIP/556@peer"))
DIALLED = (ev.Started(), ev.CalleeEnteredStasis(1), ev.CalleeEnteredStasis(2))


def durations(*events: ev.Event) -> list[cmd.Command]:
    """Run a fork; list the durations that were set."""
    dialing, found = Dialing(FORK), list[cmd.Command]()
    for event in (*DIALLED, *events):
        dialing, commands = step(dialing, event, 100.0)
        found += [command for command in commands if isinstance(command, cmd.SetDuration)]
    return found


@pytest.mark.parametrize(
    ("kind", "name"), [(ev.CalleeRinging, "RINGTIME"), (ev.CalleeProgress, "PROGRESSTIME")]
)
def test_the_first_signal_of_any_callee_sets_its_time_and_later_ones_change_nothing(
    kind: type[ev.CalleeRinging | ev.CalleeProgress], name: str
) -> None:
    assert durations(kind(2, 1.5), kind(1, 2.5), kind(2, 3.5)) == [cmd.SetDuration(name, 1.5)]


def test_ringing_and_early_media_each_have_their_own_time() -> None:
    both = durations(ev.CalleeProgress(1, 0.25), ev.CalleeRinging(1, 0.75))
    assert both == [cmd.SetDuration("PROGRESSTIME", 0.25), cmd.SetDuration("RINGTIME", 0.75)]


def test_a_signal_of_unknown_age_or_after_the_answer_sets_nothing() -> None:
    assert durations(ev.CalleeRinging(1)) == []
    assert durations(ev.CalleeAnswered(1), ev.CalleeRinging(1, 4.0)) == []
