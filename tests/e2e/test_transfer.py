"""A party of an offloaded call transfers the other: the others talk on, and the switch carries them again.

bob calls alice; carol is whom the transfer is to. What each hears is read from the packets that arrive at their ports.
"""

from urllib.parse import quote

import pytest

from lab import control
from lab.capture import NODE2, Capture
from lab.control import wait_until
from tests.support.applications import application
from tests.support.edge_call import dialog_of, replacing
from tests.support.observed import Cdrs, media_moved
from tests.support.party import (
    ALICE,
    BOB,
    CAROL,
    TARGET,
    assert_hears,
    assert_talk,
    forwarded_more,
    over,
    relayed_because,
    relayed_more,
    talking,
)
from tests.support.phone import Phone

CONSULTING_PORT = 5085
CONSULTING = 46000
# From Asterisk's word that the transfer is done on (s).
GONE_WITHIN = 1.5


def assert_left(capture: Capture, listener: int) -> None:
    """Whoever transferred hears nothing from a moment after Asterisk said that the transfer is done."""
    done = next(m.at for m in capture.sip if m.start.startswith("NOTIFY ") and "SIP/2.0 200" in m.text)
    late = [
        packet
        for stream in capture.arriving
        if stream.destination.port == listener
        for packet in stream.packets
        if packet.at > done + GONE_WITHIN
    ]
    assert not late


def replaces(consulting: Phone) -> str:
    """Write a Refer-To with the dialog of a call that this phone made, for Asterisk to find it."""
    return f"<sip:target@{NODE2}?Replaces={quote(dialog_of(consulting), safe='')}>"


@pytest.mark.parametrize("by", ["callee", "caller"])
def test_a_blind_transfer_to_an_extension_of_ours_ends_in_the_switch_again(by: str, cdrs: Cdrs) -> None:
    with talking() as (all_, bob, alice, carol):
        who, port, other, other_port = (
            (alice, ALICE, bob, BOB) if by == "callee" else (bob, BOB, alice, ALICE)
        )
        assert who.refer(f"<sip:target@{NODE2}>").start.startswith("SIP/2.0 202")
        # Asterisk leaves the BYE to the phone for a minute (res_pjsip_session.c, ast_sip_session_defer_termination).
        who.hang_up()
        all_.answer(carol, CAROL)
        media_moved()
        forwarded_more()
        other.hang_up()
        carol.ended()
        over()
    assert_talk(all_.capture, other_port, CAROL)
    assert_left(all_.capture, port)
    cdr = cdrs.last()
    assert cdr["dialstatus"] == "ANSWER"
    # As it was when the caller left, whatever Asterisk told of the change of the bridge before.
    assert (cdr["offload_status"], cdr["offload_reason"]) == ("offloaded", "")
    # A caller who leaves may take the CDR along before the counters of the flows are read.
    assert by == "caller" or int(cdr["offload_packets"]) > 0


@pytest.mark.parametrize("by", ["callee", "caller"])
def test_an_attended_transfer_between_two_calls_of_ours_ends_in_the_switch_again(by: str) -> None:
    with talking() as (all_, bob, alice, carol):
        who, port, other, other_port = (
            (alice, ALICE, bob, BOB) if by == "callee" else (bob, BOB, alice, ALICE)
        )
        consulting = all_.phone("consulting", CONSULTING_PORT)
        all_.call(consulting, "target", CONSULTING)
        all_.answer(carol, CAROL)
        all_.answered(consulting, CONSULTING)
        media_moved(2)
        assert who.refer(replaces(consulting)).start.startswith("SIP/2.0 202")
        who.hang_up()
        consulting.ended()
        media_moved()
        forwarded_more()
        carol.hang_up()
        other.ended()
        over()
    assert_talk(all_.capture, other_port, CAROL)
    for left in (port, CONSULTING):
        assert_left(all_.capture, left)


@pytest.mark.parametrize("attended", [False, True], ids=["blind", "attended"])
def test_a_transfer_to_a_call_of_dial_stays_with_asterisk_and_says_why(*, attended: bool) -> None:
    with talking() as (all_, bob, alice, carol):
        if attended:
            consulting = all_.phone("consulting", CONSULTING_PORT)
            all_.call(consulting, "dial-target", CONSULTING)
            all_.answer(carol, CAROL)
            all_.answered(consulting, CONSULTING)
            alice.refer(replaces(consulting))
        else:
            alice.refer(f"<sip:dial-target@{NODE2}>")
            all_.answer(carol, CAROL)
        alice.hang_up()
        relayed_because("not-rtp:callee")
        wait_until(lambda: not control.flows(), within=2, what="no flow of the call")
        relayed_more()
        bob.hang_up()
        carol.ended()
        over()
    assert_talk(all_.capture, BOB, CAROL, by_switch=False)


@pytest.mark.parametrize(
    ("extension", "endpoint", "reason"),
    [("target", "phone-excluded", "excluded-policy"), ("target-opted-out", "phone", "excluded-variable")],
)
def test_a_transfer_to_what_is_excluded_stays_with_asterisk(
    extension: str, endpoint: str, reason: str
) -> None:
    with talking(TARGET.replace("phone", endpoint)) as (all_, bob, alice, carol):
        alice.refer(f"<sip:{extension}@{NODE2}>")
        alice.hang_up()
        all_.answer(carol, CAROL)
        relayed_because(reason)
        relayed_more()
        bob.hang_up()
        carol.ended()
        over()
    assert_talk(all_.capture, BOB, CAROL, by_switch=False)


def test_a_transfer_to_a_context_that_a_rule_forbids_stays_with_asterisk() -> None:
    """Asterisk makes a call of its own there, of a Local channel, which becomes one with the first."""
    rule = '[[policy]]\ncontext = "with-h"\noffload = "never"'
    with application(more=rule), talking() as (all_, bob, alice, carol):
        control.asterisk("asterisk2", f"dialplan set global LAB_ARGS {TARGET}")
        alice.refer(f"<sip:h-offload@{NODE2}>")
        alice.hang_up()
        all_.answer(carol, CAROL)
        relayed_because("excluded-variable")
        relayed_more()
        control.stop("offload", kill=True)
        control.docker("start", control.container("offload"))
        wait_until(
            lambda: "excluded-variable" in control.execute("offload", "stasis-offload", "calls", check=False),
            within=20,
            what="the next process to keep to it",
        )
        bob.hang_up()
        carol.ended()
        over()
    assert_talk(all_.capture, BOB, CAROL, by_switch=False)


def test_a_transfer_to_nowhere_leaves_the_call_as_it_was() -> None:
    with talking() as (all_, bob, alice, _):
        alice.refer(f"<sip:nowhere@{NODE2}>")
        media_moved()
        forwarded_more()
        bob.hang_up()
        alice.ended()
        over()
    assert_talk(all_.capture, BOB, ALICE)


def test_a_transfer_to_a_busy_phone_ends_the_call_as_dial_does(cdrs: Cdrs) -> None:
    with talking() as (_, bob, alice, carol):
        alice.refer(f"<sip:target@{NODE2}>")
        alice.hang_up()
        carol.invited()
        carol.refuse()
        bob.ended()
        over()
    assert cdrs.last()["dialstatus"] == "ANSWER"


def test_who_comes_by_an_invite_with_replaces_is_in_the_switch_at_once() -> None:
    with talking() as (all_, bob, alice, _):
        [invite] = [m for m in alice.messages if m.start.startswith("INVITE ")]
        call, asterisks = invite.header("Call-ID"), (invite.header("From") or "").partition("tag=")[2]
        with replacing(f"{call};to-tag={asterisks};from-tag={call}"):  # the phone's tag is its Call-ID
            control.originate("556@asterisk2", application="Echo")
            alice.ended()
        media_moved()
        forwarded_more()
        bob.hang_up()
        over()
    assert_hears(all_.capture, BOB, BOB)


@pytest.mark.parametrize("by", ["callee", "caller"])
def test_a_restarted_application_takes_a_transferred_call_over(by: str) -> None:
    with talking() as (all_, bob, alice, carol):
        who, other, other_port = (alice, bob, BOB) if by == "callee" else (bob, alice, ALICE)
        who.refer(f"<sip:target@{NODE2}>")
        who.hang_up()
        all_.answer(carol, CAROL)
        media_moved()
        control.stop("offload", kill=True)
        control.start("offload")
        media_moved()
        forwarded_more()
        carol.hang_up()
        other.ended()
        over()
    assert_talk(all_.capture, other_port, CAROL)


def test_a_restarted_application_joins_two_calls_that_a_recording_kept_apart() -> None:
    with talking() as (all_, bob, alice, carol):
        recorded = control.calls()[0]["caller"]
        control.asterisk("asterisk2", f"mixmonitor start {recorded} /tmp/recording.wav")
        consulting = all_.phone("consulting", CONSULTING_PORT)
        all_.call(consulting, "target", CONSULTING)
        all_.answer(carol, CAROL)
        all_.answered(consulting, CONSULTING)
        assert alice.refer(replaces(consulting)).start.startswith("SIP/2.0 202")
        alice.hang_up()
        consulting.ended()
        reasons = ["not-rtp:callee", "not-rtp:caller"]
        wait_until(
            lambda: sorted(str(call["reason"]) for call in control.calls()) == reasons,
            within=10,
            what="a Local pair",
        )
        control.stop("offload")
        control.asterisk("asterisk2", f"mixmonitor stop {recorded}")
        control.start("offload")
        media_moved()
        forwarded_more()
        carol.hang_up()
        bob.ended()
        over()
    assert_talk(all_.capture, BOB, CAROL)


def test_a_restarted_application_takes_a_call_over_whose_leg_is_a_local_channel() -> None:
    with talking() as (all_, bob, alice, carol):
        alice.refer(f"<sip:dial-target@{NODE2}>")
        alice.hang_up()
        all_.answer(carol, CAROL)
        relayed_because("not-rtp:callee")
        control.stop("offload")
        control.start("offload")
        relayed_because("not-rtp:callee")
        relayed_more()
        bob.hang_up()
        carol.ended()
        over()
    assert_talk(all_.capture, BOB, CAROL, by_switch=False)
