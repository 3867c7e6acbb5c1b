"""What a call leaves behind on its caller is what Dial() leaves. Each call is made by both, at the same time."""

from collections.abc import Callable

import pytest

from lab import control
from lab.control import wait_until
from tests.support.ami import redirect
from tests.support.left_behind import (
    OURS,
    ROW,
    TIMES,
    Left,
    are,
    endpoint,
    hang_up_callers,
    lasted,
    left_by,
    legs,
)
from tests.support.observed import bridged, media_moved

# What a duration and the CDR of the same call may differ by (s); the 200 rings longer.
NEAR = 1.0


def by_itself() -> None:
    """Nobody does anything: the call ends by itself."""


def caller_cancels() -> None:
    are(2, "Ringing")
    hang_up_callers()


def caller_hangs_up() -> None:
    bridged(4)
    media_moved()
    hang_up_callers()


@pytest.mark.parametrize(
    ("arguments", "finish", "status", "rows"),
    [
        ("PJSIP/5502@asterisk1", by_itself, "ANSWER", ["ANSWERED"]),
        ("PJSIP/555@asterisk1", caller_hangs_up, "ANSWER", ["ANSWERED"]),
        ("PJSIP/486@asterisk1", by_itself, "BUSY", ["BUSY", "BUSY"]),
        ("PJSIP/404@asterisk1", by_itself, "CHANUNAVAIL", ["NO ANSWER", "NO ANSWER"]),
        ("PJSIP/503@asterisk1", by_itself, "CONGESTION", ["FAILED", "FAILED"]),
        ("PJSIP/nobody", by_itself, "CHANUNAVAIL", ["FAILED"]),
        ("PJSIP/1830@asterisk1,1", by_itself, "NOANSWER", ["NO ANSWER", "FAILED"]),
        ("PJSIP/180@asterisk1,20", caller_cancels, "CANCEL", ["NO ANSWER"]),
        # The winner rings for two seconds: by then Dial() has read the other's ringing.
        ("PJSIP/180@asterisk1&PJSIP/200@asterisk1", caller_hangs_up, "ANSWER", ["NO ANSWER", "ANSWERED"]),
        (
            "PJSIP/486@asterisk1&PJSIP/180@asterisk1,1",
            by_itself,
            "NOANSWER",
            ["BUSY", "NO ANSWER", "BUSY"],
        ),
        ("PJSIP/5501@asterisk1,,g", by_itself, "ANSWER", ["ANSWERED", "ANSWERED"]),
    ],
)
def test_a_call_leaves_behind_what_dial_leaves(
    arguments: str, finish: Callable[[], None], status: str, rows: list[str]
) -> None:
    ours, plain = left_by(arguments, finish)
    assert ours.variables["DIALSTATUS"] == status
    assert ours.other_variables() == plain.other_variables()
    assert ours.causes == plain.causes
    for name in TIMES:
        mine, theirs = ours.seconds(name), plain.seconds(name)
        assert (mine is None) == (theirs is None), name
    for left in (ours, plain):
        assert_times_of_the_call(left)
    assert ours.dispositions == rows
    assert ours.kept(*ROW) == plain.kept(*ROW)
    assert ours.events_but_of_bridges() == plain.events_but_of_bridges()
    assert ours.dials == plain.dials
    # A single PJSIP target is called within the bridge, so the caller is in it from the beginning.
    answered = int(status == "ANSWER")
    in_bridge = int("&" not in arguments and arguments != "PJSIP/nobody")
    for kind in ("BRIDGE_ENTER", "BRIDGE_EXIT"):
        assert (ours.count(kind), plain.count(kind)) == (max(in_bridge, answered), answered)


def assert_times_of_the_call(left: Left) -> None:
    """What is answered lasts as long as its CDR says; it rang and told of its progress before that, or before a row ended."""
    for name, since in (("ANSWEREDTIME", "answer"), ("DIALEDTIME", "start")):
        seconds = left.seconds(name)
        assert seconds is None or any(abs(seconds - lasted(row, since)) < NEAR for row in left.rows), name
    answered = left.seconds("ANSWEREDTIME") or 0.0
    longest = left.seconds("DIALEDTIME") or max(lasted(row, "start") for row in left.rows)
    for name in ("RINGTIME", "PROGRESSTIME"):
        assert (left.seconds(name) or 0.0) <= longest - answered, name


def test_a_forwarded_call_leaves_the_name_of_where_it_went_and_no_number() -> None:
    ours, plain = left_by("PJSIP/302-5501@asterisk1", by_itself)
    for left in (ours, plain):
        assert left.variables["DIALSTATUS"] == "ANSWER"
        assert left.variables["DIALEDPEERNAME"].startswith("Local/5501@from-asterisk1-")
        assert left.variables["DIALEDPEERNUMBER"] == ""
        assert 1 <= (left.seconds("ANSWEREDTIME") or 0) <= (left.seconds("DIALEDTIME") or 0)
        assert left.dispositions[:2] == ["NO ANSWER", "ANSWERED"]
    # Ours has one more for each bridge into which the joined call moves (docs/dial.md).
    assert len(plain.rows) == 2


def test_a_caller_whom_the_dialplan_answered_before_has_one_row_as_with_dial() -> None:
    ours, plain = left_by("PJSIP/555@asterisk1", caller_hangs_up, up=True)
    assert ours.dispositions == ["ANSWERED"]
    assert ours.kept(*ROW) == plain.kept(*ROW)
    for [row] in (ours.rows, plain.rows):
        assert lasted(row, "start") - lasted(row, "answer") < NEAR
    assert ours.events_but_of_bridges() == plain.events_but_of_bridges()
    assert (ours.count("BRIDGE_ENTER"), plain.count("BRIDGE_ENTER")) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "by"),
    [
        ("PJSIP/180@asterisk1", "pick"),
        ("PJSIP/180@asterisk1&PJSIP/1830@asterisk1", "pick"),
        ("PJSIP/180@asterisk1", "pick-extension"),
    ],
)
def test_a_call_that_was_picked_up_leaves_behind_what_dial_leaves(arguments: str, by: str) -> None:
    def somebody_picks_up() -> None:
        """Have a channel take each of the two calls, one after the other."""
        are(2, "Ringing")
        for count, leg in enumerate([leg for leg in legs() if leg.state == "Ringing"], start=1):
            # Both callers are at extension s.
            target = "s@from-asterisk1" if by == "pick-extension" else leg.channel
            control.asterisk("asterisk2", f"dialplan set global LAB_PICK {target}")
            control.originate(f"{by}@asterisk2")
            are(2 * count, "Up")
        caller_hangs_up()

    ours, plain = left_by(arguments, somebody_picks_up)
    assert ours.variables["DIALSTATUS"] == "ANSWER"
    assert ours.other_variables() == plain.other_variables()
    assert ours.causes == plain.causes
    # Of whoever rang: with Dial() the caller is mostly answered before its channel has ended, which counts as an answer.
    others = tuple(name for name in ROW if name != "disposition")
    assert ours.kept(*others) == plain.kept(*others)
    assert ours.dispositions[0] == "NO ANSWER"
    assert ours.dispositions[1:] == plain.dispositions[1:]
    for left in (ours, plain):
        assert abs(lasted(left.rows[-1], "answer") - (left.seconds("ANSWEREDTIME") or 0.0)) < NEAR
    assert ours.events_but_of_bridges() == plain.events_but_of_bridges()
    # Whoever picked up is published as dialled anew, for the sake of the CDR.
    assert ours.dials[-1] == plain.dials[-1]


@pytest.mark.parametrize("moved", [("caller",), ("callee",), ("caller", "callee")], ids="+".join)
def test_a_call_that_another_program_redirects_leaves_behind_what_dial_leaves(moved: tuple[str, ...]) -> None:
    def another_program_moves_them() -> None:
        bridged(4)
        media_moved()
        for bridge in {leg.bridge for leg in legs()}:
            caller, callee = (leg.channel for leg in legs() if leg.bridge == bridge)
            redirect(*({"caller": caller, "callee": callee}[leg] for leg in moved))
        wait_until(
            lambda: [leg.exten for leg in legs()] == ["room"] * 2 * len(moved),
            within=5,
            what="all in the room",
        )
        control.hang_up_all()

    ours, plain = left_by("PJSIP/555@asterisk1", another_program_moves_them)
    assert ours.dispositions == ["ANSWERED"]
    assert ours.kept(*ROW) == plain.kept(*ROW)
    assert ours.events_but_of_bridges() == plain.events_but_of_bridges()
    assert ours.dials == plain.dials


def test_a_call_leaves_all_of_it_even_if_the_application_died_before_the_answer() -> None:
    """A callee within the bridge answers its caller all the same."""

    def die_first() -> None:
        are(1, "Ringing")
        wait_until(lambda: "RINGTIME_MS" in variables_of_channels(), within=5, what="the application to know")
        control.stop("offload", kill=True)
        bridged(2)
        hang_up_callers()

    try:
        [left] = left_by("PJSIP/200@asterisk1", die_first, (OURS,))
    finally:
        control.start("offload")
    assert left.variables["DIALSTATUS"] == "ANSWER"
    assert endpoint(left.variables["DIALEDPEERNAME"]) == "PJSIP/asterisk1"
    assert left.variables["DIALEDPEERNUMBER"] == "200@asterisk1"
    assert left.causes == ["SIP 200 OK/Normal Clearing"]
    [row] = left.rows
    for name, since in (("ANSWEREDTIME", "answer"), ("DIALEDTIME", "start")):
        seconds = left.seconds(name)
        assert seconds is not None
        assert abs(seconds - lasted(row, since)) < NEAR


def variables_of_channels() -> str:
    """Return what node 2 shows of its channels."""
    return "".join(
        control.asterisk("asterisk2", f"core show channel {name}") for name in control.channels("asterisk2")
    )
