"""Re-INVITEs and UPDATEs that change nothing, or look so, from the phones and from Asterisk; beside plain Dial()."""

from collections.abc import Callable

import pytest

from lab import control
from lab.capture import SipMessage
from tests.support.beside_dial import Scene, Setting, beside_dial
from tests.support.edge_call import (
    ALICE,
    ALICE_PORT,
    BOB,
    BOB_PORT,
    assert_by_asterisk,
    assert_by_switch,
)
from tests.support.phone import Phone, sdp

# By default (media.returns_per_minute); fewer than what follows causes, from both sides, or would have caused.
RETURNS_PER_MINUTE = 6
REFRESHES = 4
# What a phone behind a NAT says of itself; Asterisk sends to where its packets come from (rtp_symmetric).
PRIVATE = "10.86.0.86"


def by_reinvite(phone: Phone, offer: str) -> SipMessage:
    return phone.reinvite(offer)


def by_update(phone: Phone, offer: str) -> SipMessage:
    return phone.update(offer)


def by_late_offer(phone: Phone, offer: str) -> SipMessage:
    return phone.reinvite_late(offer)


def assert_undisturbed(ours: Scene, dial: Scene) -> None:
    """Our call stayed in the switch, no packet noticed, and the phones were told what Dial() tells them."""
    assert ours.returns == []
    assert ours.told == dial.told
    assert ours.missed() == dict.fromkeys((BOB, ALICE), 0)
    for speaker in (BOB, ALICE):
        assert_by_switch(ours.capture, speaker, ours.begun, ours.ended)
        assert_by_asterisk(dial.capture, speaker, dial.begun, dial.ended)
        numbers = [p.talk[1] for p in ours.capture.heard(speaker) if p.talk and p.at >= ours.begun]
        assert numbers == sorted(numbers)


@pytest.mark.parametrize("refresh", [by_reinvite, by_update, by_late_offer])
def test_a_session_that_either_side_refreshes_stays_in_the_switch_and_loses_no_packet(
    refresh: Callable[[Phone, str], SipMessage],
) -> None:
    def scene(scene: Scene) -> None:
        for phone, port in ((scene.bob, BOB_PORT), (scene.alice, ALICE_PORT)):
            same = sdp(port)
            for offer in (same, same, *(sdp(port) for _ in range(REFRESHES - 2))):
                assert " 200 " in refresh(phone, offer).start
        scene.settle()

    setting = Setting(user="timers", callee="phone-timers", late=refresh is by_late_offer)
    assert_undisturbed(*beside_dial(scene, setting))


def test_two_parties_who_refresh_at_once_and_one_who_collides_with_asterisk_stay_in_the_switch() -> None:
    def scene(scene: Scene) -> None:
        for phone, port, channel in zip(
            (scene.bob, scene.alice), (BOB_PORT, ALICE_PORT), legs(), strict=True
        ):
            tell_connected_line(channel, "4711")
            phone.invited()
            assert phone.reinvite(sdp(port)).start.startswith("SIP/2.0 491 ")
            phone.collide()
            phone.invited()  # again, up to 4 s later (RFC 3261 14.1)
            phone.answer(sdp(port))
            assert " 200 " in phone.reinvite(sdp(port)).start
        for phone, port in ((scene.bob, BOB_PORT), (scene.alice, ALICE_PORT)):
            phone.offer(sdp(port))
        assert " 200 " in scene.bob.answered().start
        assert " 200 " in scene.alice.answered().start
        scene.settle()

    assert_undisturbed(*beside_dial(scene, Setting(user="names", callee="phone-names", know_update=False)))


def test_a_party_behind_a_nat_that_refreshes_is_heard_as_with_dial_and_comes_back_to_the_switch() -> None:
    bob, alice = sdp(BOB_PORT, host=PRIVATE), sdp(ALICE_PORT, host=PRIVATE)

    def scene(scene: Scene) -> None:
        for phone, offer in ((scene.bob, bob), (scene.alice, alice)) * REFRESHES:
            assert " 200 " in phone.reinvite(offer).start
            scene.settle()

    ours, dial = beside_dial(scene, Setting(bob=bob, alice=alice))
    assert ours.told == dial.told
    # Until a packet from behind the NAT has told Asterisk again where to send.
    assert max(*ours.missed().values(), *dial.missed().values()) <= 5 * REFRESHES
    assert len(ours.returns) > RETURNS_PER_MINUTE
    assert set(ours.returns) == {"call-changed"}


def legs() -> list[str]:
    """List the channels of the one call there is, the caller's first."""
    return sorted(control.channels("asterisk2"))


def tell_connected_line(channel: str, number: str) -> None:
    """Have Asterisk tell a phone who it is connected to, as after a transfer or by a directory."""
    control.asterisk("asterisk2", f"dialplan set chanvar {channel} CONNECTEDLINE(num) {number}")
