"""Asterisk sends RTP of its own to one leg of a call in the switch, and no event tells of it: its first packet does."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab import control
from lab.control import wait_until
from tests.support import ari_program
from tests.support.midcall import (
    PACKETS_PER_SECOND,
    READ_BEFORE_NATIVE,
    Call,
    assert_handed_over,
    offloaded_call,
)

ASTERISK_MEDIA = "asterisk-media:caller"
# The roles of the flows that show what Asterisk sends to a leg: the last two digits of their cookies.
GUARDS = {"0b", "0c"}
# RFC 4733 as asterisk1 offers it; how long the digit is (s). Asterisk sends its end three times (RFC 4733, 2.5.1.4).
TELEPHONE_EVENT = 101
DIGIT = 0.2
LEAST_OF_DIGIT = 5


@contextmanager
def guarded_call() -> Iterator[Call]:
    """Make a call in the switch that watches what Asterisk sends."""
    with ari_program.program("other") as other, offloaded_call(other) as call:
        wait_until(lambda: _roles() >= GUARDS, within=15, what="the guards of the call")
        yield call


def _roles() -> set[str]:
    return {flow.partition("cookie=")[2].partition(",")[0][-2:] for flow in control.flows()}


def test_a_digit_sent_to_a_channel_is_heard_and_the_switch_steps_aside_for_it() -> None:
    length = str(round(DIGIT * 1000))
    with guarded_call() as call:
        call.interrupt(
            lambda call: ari_program.post("channels", call.caller, "dtmf", dtmf="5", duration=length),
            reason=ASTERISK_MEDIA,
        )
        call.wait_until_back()
    # While Asterisk sends a digit it passes on nothing else to that leg.
    assert_handed_over(call, swallowed={"caller": round(DIGIT * PACKETS_PER_SECOND)})
    made = [packet for packet in call.ears["caller"].by_asterisk if packet.at > call.begun]
    digit = [packet for packet in made if packet.payload_type == TELEPHONE_EVENT]
    assert len(digit) >= LEAST_OF_DIGIT
    assert len(made) - len(digit) <= READ_BEFORE_NATIVE


def test_music_on_a_channel_is_heard_and_the_switch_steps_aside_for_it() -> None:
    with guarded_call() as call:
        call.change(lambda call: ari_program.post("channels", call.caller, "moh"), reason=ASTERISK_MEDIA)
        call.undo(lambda call: ari_program.delete("channels", call.caller, "moh"))
    assert_handed_over(call)
    music = [packet for packet in call.ears["caller"].by_asterisk if call.begun < packet.at < call.undone]
    assert len(music) >= (call.undone - call.answered) * PACKETS_PER_SECOND / 2


def test_playback_to_a_channel_is_heard_and_the_call_stays_with_asterisk_as_long() -> None:
    with guarded_call() as call:
        call.change(
            lambda call: ari_program.post(
                "channels", call.caller, "play", media="tone:1004/1000", playbackId="tone"
            ),
            reason=ASTERISK_MEDIA,
        )
        call.undo(lambda _: ari_program.delete("playbacks", "tone"))
    assert_handed_over(call, hears=("caller",))


def test_a_held_channel_hears_music_and_the_call_stays_with_asterisk_until_it_is_resumed() -> None:
    with guarded_call() as call:
        call.change(lambda call: ari_program.post("channels", call.caller, "hold"), reason="hold:caller")
        assert call.was_relayed_for(ASTERISK_MEDIA)
        call.undo(lambda call: ari_program.delete("channels", call.caller, "hold"))
    assert_handed_over(call)
