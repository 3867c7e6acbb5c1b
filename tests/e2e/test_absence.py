"""Whatever of ours is missing, stopped or restarted: the call goes through, and nobody is left alone in a bridge."""

from collections.abc import Iterator

import pytest

from lab import control
from lab.capture import captured
from lab.control import wait_until
from tests.support.observed import Cdrs, assert_in_order, hang_up_at_asterisk1, media_moved, more_packets


@pytest.fixture
def stopped_application() -> Iterator[None]:
    control.stop("offload")
    yield
    control.start("offload")


def test_without_the_application_the_dialplan_makes_the_call_by_dial(stopped_application: None) -> None:
    del stopped_application
    with captured() as capture:
        control.originate("555@asterisk2")
        wait_until(lambda: len(control.channels("asterisk1")) == 2, within=10, what="the call to be up")
        wait_until(
            lambda: "Dial" in control.asterisk("asterisk2", "core show channels concise"),
            within=10,
            what="Dial() to run",
        )
        control.hang_up_all()
        wait_until(lambda: not control.channels("asterisk1"), within=10, what="the call to end")
    assert not any(stream.by_switch() for stream in capture.arriving)


def test_a_stopped_application_leaves_its_calls_with_asterisk_and_takes_them_back_when_it_returns() -> None:
    with captured() as capture:
        control.originate("555@asterisk2", count=2)
        media_moved(2)
        control.stop("offload")
        assert control.flows() == []
        assert len(control.channels("asterisk2")) == 4
        control.start("offload")
        media_moved(2)
        control.hang_up_all()
        wait_until(lambda: not control.calls(), within=10, what="the calls to end")
    assert len(capture.end_to_end) == 4
    assert_in_order(*capture.end_to_end)
    assert [stream.lost for stream in capture.end_to_end] == [0] * 4


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
def test_what_was_forwarded_before_a_restart_is_counted_and_the_call_says_that_it_is_partial(
    cdrs: Cdrs, *, kill: bool
) -> None:
    control.asterisk("asterisk2", "dialplan set global LAB_ARGS PJSIP/555@asterisk1")
    control.originate("custom@asterisk2")
    media_moved()
    assert not control.calls()[0]["partial"]
    written = wait_until(lambda: _packets_written() > 100 and _packets_written(), within=30, what="packets")
    control.stop("offload", kill=kill)
    control.start("offload")
    media_moved()
    [call] = control.calls()
    assert call["partial"]
    more_packets(25)
    assert _packets_written() >= written
    control.hang_up_all()
    assert int(cdrs.last()["offload_packets"]) >= written


def _packets_written() -> int:
    """Return OFFLOAD_PACKETS of the only call's caller; 0 if there is none."""
    rows = control.asterisk("asterisk2", f"core show channel {control.calls()[0]['caller']}").split()
    return max((int(row.partition("=")[2]) for row in rows if row.startswith("OFFLOAD_PACKETS=")), default=0)


def test_a_party_that_hung_up_while_the_application_was_away_is_not_waited_for(cdrs: Cdrs) -> None:
    control.asterisk("asterisk2", "dialplan set global LAB_ARGS PJSIP/555@asterisk1")
    control.originate("custom@asterisk2")
    media_moved()
    control.stop("offload")
    hang_up_at_asterisk1("555", called=True)
    wait_until(lambda: len(control.channels("asterisk2")) == 1, within=10, what="the callee to hang up")
    control.start("offload")
    assert cdrs.last()["dialstatus"] == "ANSWER"
    wait_until(lambda: not control.channels("asterisk2"), within=10, what="the caller to be released")


def test_a_killed_application_leaves_flows_that_its_successor_removes() -> None:
    control.originate("555@asterisk2")
    media_moved()
    control.stop("offload", kill=True)
    assert control.flows()
    control.hang_up_all()
    wait_until(lambda: not control.channels("asterisk1"), within=10, what="the endpoints to hang up")
    control.start("offload")
    wait_until(lambda: control.flows() == [], within=10, what="the flows to go")
    wait_until(lambda: not control.channels("asterisk2"), within=10, what="no channel to be left")
