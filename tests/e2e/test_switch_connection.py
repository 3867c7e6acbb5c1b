"""The connection to the switch ends while calls change: what Asterisk has decided meanwhile holds as soon as there is one again."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab import control
from lab.control import wait_until
from tests.support.applications import application
from tests.support.edge_call import (
    ALICE,
    BOB_PORT,
    assert_by_asterisk,
    assert_carried,
    conversation,
)
from tests.support.phone import sdp
from tests.support.tcp_connection import CONNECTION, cut, listening


@contextmanager
def by_tcp() -> Iterator[None]:
    """Have the application dial the bridge by TCP, and not its management socket, which nothing can cut."""
    with listening(), application(OPENFLOW__CONNECTION=CONNECTION):
        yield


def test_a_hold_and_a_hang_up_without_a_connection_to_the_switch_hold_as_soon_as_there_is_one() -> None:
    with by_tcp(), conversation() as call:
        start = call.carried()
        end = call.passed(0.5)
        with cut():
            call.bob.offer(sdp(BOB_PORT, direction="sendonly"))
            wait_until(call.returns, within=2, what="the hold")
            assert control.flows()
        wait_until(lambda: not control.flows(), within=3, what="the flows to go")
        held = call.passed(0.5)
        assert [row["state"] for row in control.calls()] == ["relayed"]
        unheld = call.passed(1.0)
        assert " 200 " in call.bob.reinvite(sdp(BOB_PORT)).start
        again = call.carried()
        again_until = call.passed(0.5)
        with cut():
            call.alice.leave()
            call.bob.ended()
            assert control.flows()
        wait_until(lambda: not control.flows(), within=3, what="the flows to go")
    assert_carried(call.capture, start, end)
    assert_by_asterisk(call.capture, ALICE, held, unheld)
    assert_carried(call.capture, again, again_until)
