"""What RTCP reports of a call: a leg that does not receive what the switch forwards, a hold, a silent party."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab import control
from lab.capture import FROM_SWITCH
from lab.control import wait_until
from stasis_offload.packets.rtcp import ReceiverReport, SenderReport, parse_rtcp
from tests.support.edge_call import (
    ALICE,
    ALICE_PORT,
    BOB,
    BOB_PORT,
    Conversation,
    assert_by_asterisk,
    conversation,
)
from tests.support.phone import sdp

# Seconds between two reports.
OFTEN = 0.5
# Of 3,000 packets, those that on a busy machine may be sent between two readings of what is compared.
BETWEEN_READINGS = 0.004
# Asterisk's are 5 s apart (rtp.conf, rtcpinterval).
ASTERISK_REPORTS_TWICE = 11.5


@contextmanager
def reporting() -> Iterator[Conversation]:
    """Begin a call in which both report often what they receive."""
    with conversation() as call:
        for speaker in ("bob", "alice"):
            call.voices.set(speaker, rtcp=OFTEN)
        yield call


def quality(leg: str) -> dict[str, float | None]:
    return dict(control.calls()[0]["quality"][leg])


@contextmanager
def dropped(chain: str, end: str, port: int, bits: str) -> Iterator[None]:
    """Drop at the edge the packets of a port in which some bits have a value (iptables-extensions, u32)."""
    rule = [chain, "-p", "udp", end, str(port), "-m", "u32", "--u32", bits, "-j", "DROP"]
    control.execute("edge", "iptables", "-t", "raw", "-A", *rule)
    try:
        yield
    finally:
        control.execute("edge", "iptables", "-t", "raw", "-D", *rule)


# What the switch forwards, as if it took a wrong way: Asterisk's own packets, with another TTL, arrive.
BY_SWITCH = f"8>>24={FROM_SWITCH}"
# Of RTP without IP options, each 64th packet by its sequence number.
EACH_64TH = "28&0x3F=0x3F"


@pytest.mark.parametrize(
    ("leg", "port", "speaker"), [("callee", ALICE_PORT, BOB), ("caller", BOB_PORT, ALICE)]
)
def test_a_leg_that_does_not_receive_what_the_switch_forwards_goes_back_to_asterisk_and_stays(
    leg: str, port: int, speaker: int
) -> None:
    with reporting() as call:
        call.carried()
        wait_until(lambda: (quality(leg)["mos"] or 0) > 3, within=10, what="a good score")
        with dropped("PREROUTING", "--dport", port, BY_SWITCH):
            wait_until(lambda: quality(leg)["mos"] == 1, within=10, what="the worst score", every=0.05)
            back = call.returned(f"deaf:{leg}")
            end = call.passed(4)
        assert (control.calls()[0]["state"], control.calls()[0]["reason"]) == ("relayed", f"deaf:{leg}")
        assert (quality(leg)["mos"] or 5) < 4
    assert_by_asterisk(call.capture, speaker, back + 1, end)


def test_a_silent_party_makes_no_other_deaf() -> None:
    with reporting() as call:
        call.carried()
        call.voices.set("bob", silent=1)
        call.passed(8)
        assert control.calls()[0]["state"] == "offloaded"
        call.voices.set("bob", silent=0)
        call.passed(3)
        assert control.calls()[0]["state"] == "offloaded"


def test_a_hold_is_no_loss() -> None:
    with reporting() as call:
        call.carried()
        wait_until(lambda: quality("callee")["loss"] == 0, within=10, what="a report")
        for _ in range(2):
            assert " 200 " in call.bob.reinvite(sdp(BOB_PORT, host="0.0.0.0")).start
            call.relayed("hold:callee")
            call.passed(3)
            assert " 200 " in call.bob.reinvite(sdp(BOB_PORT)).start
            call.carried()
            call.passed(3)
            for leg in ("caller", "callee"):
                assert quality(leg)["loss"] == 0
                assert (quality(leg)["mos"] or 0) > 3


def test_what_is_lost_before_the_switch_is_counted_and_nothing_else_is() -> None:
    with conversation() as call, dropped("OUTPUT", "--sport", BOB_PORT, EACH_64TH):
        call.carried()
        # Of 3,000 packets, at the first audit after them: long before it they are sent ten times as fast as others.
        for speaker in ("bob", "alice"):
            call.voices.set(speaker, hurry=3000)
        expected = {
            "caller": pytest.approx(1 / 64, abs=BETWEEN_READINGS),
            "callee": pytest.approx(0, abs=BETWEEN_READINGS),
        }
        # At that speed a machine that stands still for a moment between two readings makes a difference, which a later audit has not.
        wait_until(
            lambda: {leg: quality(leg)["upstream_loss"] for leg in expected} == expected,
            within=40,
            what=f"the loss before the switch: {expected}",
        )


def test_a_party_that_speaks_while_the_other_is_silent_has_lost_nothing_before_the_switch() -> None:
    with conversation() as call:
        # Reports that show no progress have the counters read long after the audit, 11 s after the cutover, saw Bob alone.
        call.voices.set("bob", rtcp=10)
        call.voices.set("alice", rtcp=2)
        call.carried()
        call.voices.set("alice", silent=1)
        call.passed(12.0)
        call.voices.set("bob", hurry=3000)
        call.passed(7.0)
        call.voices.set("alice", silent=0)
        wait_until(
            lambda: quality("caller")["upstream_loss"] is not None,
            within=100,
            what="the loss before the switch",
        )
        assert quality("caller")["upstream_loss"] == pytest.approx(0, abs=BETWEEN_READINGS)
        assert call.returns() == []


def test_after_a_return_asterisk_reports_no_loss_of_what_the_switch_carried() -> None:
    stay = 8
    with conversation() as call:
        call.carried()
        call.passed(stay)
        control.offload("relay", "--all")
        back = call.relayed("operator")
        end = call.passed(ASTERISK_REPORTS_TWICE)
        assert control.withholding() == []
    for speaker in (BOB, ALICE):
        blocks = [
            block
            for each in call.capture.rtcp
            if each.arrived and each.ssrc == speaker and back <= each.at < end
            for report in parse_rtcp(each.datagram.payload)
            if isinstance(report, SenderReport | ReceiverReport)
            for block in report.blocks
        ]
        assert {block.fraction_lost for block in blocks} == {0}
        # What the switch carried stays in the cumulative number.
        assert blocks[-1].cumulative_lost >= 50 * stay
