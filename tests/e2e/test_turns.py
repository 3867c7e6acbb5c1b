"""Two parties of whom one speaks at a time: the other sends comfort noise or nothing, and never do both send audio at once."""

from collections import Counter
from itertools import cycle

from lab import control
from lab.capture import Capture
from lab.rtp_talker import COMFORT_NOISE
from tests.support.edge_call import (
    ALICE,
    ALICE_PORT,
    BOB,
    BOB_PORT,
    Conversation,
    assert_by_asterisk,
    assert_by_switch,
    assert_whole,
    phones,
)
from tests.support.phone import ULAW, sdp

# Seconds. The first two turns are longer than it takes to know that the other is silent (media.verify_within, 1 s).
FIRST_TURNS, NEXT_TURNS = 2.5, 1.5
MOST_TURNS, FOLLOWING = 4, 4
# Bob sends comfort noise in each so many packets' time while Alice speaks; she sends nothing while he does.
NOISE_EVERY = 10
SPEAKERS = {"bob": BOB, "alice": ALICE}
FORMATS = {**ULAW, COMFORT_NOISE: "CN/8000"}


def take_turn(call: Conversation, speaker: str, seconds: float) -> tuple[int, float, float]:
    """Let one speak for a while, after the other has ended; return who, and from when to when (Unix time, s)."""
    other = next(name for name in SPEAKERS if name != speaker)
    call.voices.set(other, silent=1)
    start = call.passed(0.1)
    call.voices.set(speaker, silent=0)
    return SPEAKERS[speaker], start, call.passed(seconds)


def noise(capture: Capture, start: float, end: float) -> tuple[int, int]:
    """Count the packets of comfort noise that were sent between two moments, and those that arrived."""
    sent, arrived = (
        Counter(packet.payload_type for s in streams for packet in s.packets if start <= packet.at < end)
        for streams in (capture.sent, capture.arriving)
    )
    return sent[COMFORT_NOISE], arrived[COMFORT_NOISE]


def test_two_who_strictly_take_turns_get_into_the_switch_and_stay_and_hear_all_of_each_other() -> None:
    with phones() as call:
        call.connect(sdp(BOB_PORT, formats=FORMATS), sdp(ALICE_PORT, formats=FORMATS))
        call.speak(silent=1)
        call.voices.set("bob", noise=NOISE_EVERY)
        speakers = cycle(SPEAKERS)
        first = [take_turn(call, next(speakers), FIRST_TURNS)]
        # The second, unless the first began just as the call was no longer learned.
        while control.calls()[0]["state"] != "offloaded" and len(first) < MOST_TURNS:
            first.append(take_turn(call, next(speakers), FIRST_TURNS))
        [offloaded] = control.calls()
        assert offloaded["state"] == "offloaded"
        entered = first[-1][2] - offloaded["state_age"]
        following = [take_turn(call, next(speakers), NEXT_TURNS) for _ in range(FOLLOWING)]
        assert control.calls()[0]["state"] == "offloaded"
        assert call.returns() == []
    for turn in (*first, *following):
        assert_whole(call.capture, *turn)
    assert_by_asterisk(call.capture, *first[0])
    for turn in following:
        assert_by_switch(call.capture, *turn)
    # Asterisk's bridge does not pass comfort noise on.
    for start, end in ((first[1][1], entered), (first[1][2], following[-1][2])):
        sent, arrived = noise(call.capture, start, end)
        assert sent
        assert not arrived
