"""More calls at once than can be switched, and an application that does not keep up: every caller is answered all the same."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from lab import control
from lab.capture import captured
from lab.control import container, wait_until
from tests.bench.load import bring_generator, rush
from tests.bench.relays import BEHIND_OVS
from tests.support.hosts import paused
from tests.support.observed import Cdrs, bridged, left_to_dial, logged, media_moved

CALLS = 30
PATIENCE_MS = 300
# The application is to begin with a caller within a fifth of that, and is left alone for four times as long as it took.
LONG_PATIENCE_MS = 5000
LATE_BY = 1.5
# Less than the application takes to create a channel, and more than until the caller is in Stasis().
BEGINS_AFTER_MS = 4
# Until a rush is over (CALM in offload_patience.c), and its timer has seen it.
CALM_WITHIN = 6.0


def test_of_many_calls_at_once_all_are_answered_few_are_learned_at_a_time_and_all_are_carried_in_the_end() -> (
    None
):
    start = time.time()
    bring_generator()
    answers = rush(BEHIND_OVS, "load-", count=CALLS, rate=1000, hold=1.0, when_up=lambda: media_moved(CALLS))
    assert answers.failed == []
    assert len(answers.answered_ms) == CALLS
    events = logged(start)
    waited = {event["call"] for event in events if event.get("reason") == "queued"}
    assert waited
    learned: set[str] = set()
    most = 0
    for event in events:
        if event["event"] == "media.learning":
            learned.add(event["call"])
        elif event["event"] in ("media.offloaded", "media.relayed"):
            learned.discard(event["call"])
        most = max(most, len(learned))
    assert most <= 4


@contextmanager
def patience(ms: int) -> Iterator[None]:
    control.asterisk("asterisk2", f"dialplan set global OFFLOAD_PATIENCE {ms}")
    try:
        yield
    finally:
        control.asterisk("asterisk2", "dialplan reload")


def said(since: float) -> list[str]:
    """List what OffloadDial() has logged of the application's pace."""
    log = control.docker("logs", "--since", f"{since:.3f}", container("asterisk2"), stderr=True)
    return [row.partition("OffloadDial(): ")[2] for row in log.splitlines() if "OffloadDial(): " in row]


def test_while_the_application_does_not_keep_up_dial_makes_the_calls_and_afterwards_it_makes_them_again(
    cdrs: Cdrs,
) -> None:
    # A caller of option B is not taken back; a letter in the argument of another is none.
    control.asterisk("asterisk2", "dialplan set global LAB_ARGS PJSIP/555@asterisk1,,m(Blues)")
    start, before = time.time(), left_to_dial("overload")
    with patience(PATIENCE_MS):
        with paused("offload"):
            control.originate("ours@asterisk2", count=3)  # the first waits, the others need not
            bridged(6)
            assert left_to_dial("overload") - before == 3
            control.hang_up_all()
            wait_until(lambda: len(cdrs.all()) == 3, within=10, what="the CDR of every call")
        for row in cdrs.all():
            told = {
                name: row[name] for name in ("lastapp", "disposition", "offload_status", "offload_reason")
            }
            assert told == {
                "lastapp": "Dial",
                "disposition": "ANSWERED",
                "offload_status": "relayed",
                "offload_reason": "overload",
            }
            assert row["dialstatus"] == "ANSWER"
        wait_until(lambda: not control.calls(), within=10, what="the application to have no call")
        wait_until(lambda: len(said(start)) == 2, within=CALM_WITHIN, what="the rush to be over")
    wait_until(
        lambda: control.health()["passed_by"].get("overload") == left_to_dial("overload"),
        within=7,
        what="it to be reported",
    )
    control.originate("ours@asterisk2")
    media_moved()
    assert said(start) == [
        f"the application has not begun with a caller within {PATIENCE_MS} ms: Dial() makes the calls that it does not keep up with",
        "the application keeps up again; Dial() made 3 calls meanwhile",
    ]


def test_after_a_caller_with_whom_the_application_began_late_dial_makes_the_next_calls(cdrs: Cdrs) -> None:
    control.asterisk("asterisk2", "dialplan set global LAB_ARGS PJSIP/555@asterisk1")
    start = time.time()
    with patience(LONG_PATIENCE_MS):
        with paused("offload"):
            control.originate("ours@asterisk2")
            late = time.time() + LATE_BY
            wait_until(lambda: time.time() > late, within=5, what="the caller to have waited")
        wait_until(lambda: said(start), within=5, what="the module to know that the application was late")
        control.originate("ours@asterisk2")
        bridged(4)
        media_moved()
        control.hang_up_all()
        wait_until(lambda: len(said(start)) == 2, within=CALM_WITHIN, what="the rush to be over")
    wait_until(lambda: len(cdrs.all()) == 2, within=10, what="the CDR of both calls")
    assert sorted(row["offload_status"] for row in cdrs.all()) == ["offloaded", "relayed"]
    assert [row["offload_reason"] for row in cdrs.all() if row["offload_status"] == "relayed"] == ["overload"]


def test_a_caller_who_is_taken_back_while_the_application_begins_is_dialled_for_once() -> None:
    control.asterisk("asterisk2", "dialplan set global LAB_ARGS PJSIP/555@asterisk1")
    start, before = time.time(), left_to_dial("overload")
    with patience(BEGINS_AFTER_MS), captured() as capture:
        control.originate("ours@asterisk2")
        bridged(2)
        calls = 1
        while left_to_dial("overload") == before:  # the application was faster
            control.hang_up_all()
            wait_until(lambda: not control.channels("asterisk2"), within=5, what="the call to end")
            control.originate("ours@asterisk2")
            bridged(2)
            calls += 1
        wait_until(lambda: not control.calls(), within=5, what="the application to be done with it")
        wait_until(lambda: len(control.channels("asterisk2")) == 2, within=5, what="no other channel")
        control.hang_up_all()
        wait_until(lambda: not control.channels("asterisk2"), within=5, what="the call to end")
    wait_until(lambda: len(said(start)) == 2, within=CALM_WITHIN, what="the rush to be over")
    assert left_to_dial("overload") - before == 1
    invites = [message for message in capture.dialogue("555") if message.start.startswith("INVITE")]
    assert len({message.header("Call-ID") for message in invites}) == calls
