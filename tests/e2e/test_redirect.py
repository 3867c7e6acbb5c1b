"""Another program redirects legs of an answered call: whoever it moves arrives, and the other is treated as by Dial()."""

import pytest

from lab import control
from lab.control import wait_until
from tests.support.ami import redirect
from tests.support.observed import bridged, media_moved


def legs() -> dict[str, str]:
    """Return the extension in which each channel of node 2 is, by its name, oldest first."""
    rows = (
        row.split("!") for row in control.asterisk("asterisk2", "core show channels concise").splitlines()
    )
    return {row[0]: row[2] for row in sorted(rows) if len(row) > 2}


def talking(number: str) -> list[str]:
    """Begin a call; return the names of caller and callee."""
    control.asterisk("asterisk2", "dialplan set global LAB_ARGS PJSIP/555@asterisk1")
    control.originate(f"{number}@asterisk2")
    if number == "plain":
        bridged(2)
    else:
        media_moved()
    return list(legs())


@pytest.mark.parametrize("number", ["custom", "plain"])
def test_both_legs_that_another_program_moves_arrive(number: str) -> None:
    for turn in range(5):
        caller, callee = talking(number)
        redirect(*((caller, callee) if turn % 2 else (callee, caller)))
        wait_until(lambda: not control.calls(), within=5, what="the application to have no call")
        wait_until(
            lambda: legs() == {caller: "room", callee: "room"},  # noqa: B023 - called in this turn
            within=5,
            what=f"both in the room: {legs()}",
        )
        control.hang_up_all()
        wait_until(lambda: not legs(), within=5, what="no channel")


@pytest.mark.parametrize("number", ["custom", "plain"])
@pytest.mark.parametrize("moved", [0, 1], ids=["caller", "callee"])
def test_the_other_leg_is_hung_up_when_one_is_moved(number: str, moved: int) -> None:
    names = talking(number)
    redirect(names[moved])
    wait_until(lambda: legs() == {names[moved]: "room"}, within=5, what=f"one in the room: {legs()}")


@pytest.mark.parametrize("moved", [0, 1], ids=["caller", "callee"])
def test_a_leg_that_is_moved_to_an_extension_of_ours_calls_in_turn_and_is_in_the_switch(moved: int) -> None:
    names = talking("custom")
    redirect(names[moved], to="556")
    wait_until(
        lambda: (
            [
                (call["caller"], call["callee"] in names, call["state"] == "dialing")
                for call in control.calls()
            ]
            == [(names[moved], False, False)]
        ),
        within=10,
        what="the new call to be answered",
    )
    wait_until(lambda: len(legs()) == 2, within=5, what="whoever was left to be hung up")
    assert next(iter(legs())) == names[moved]
    media_moved()
