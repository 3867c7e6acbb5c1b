"""What a call's endpoints notice when its media moves between Asterisk and the switch: ideally nothing."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

from lab import control
from lab.capture import FROM_ASTERISK, Capture, Stream
from lab.control import wait_until

MOVED_WITHIN = 30.0
SETTLED_AFTER = 1.0


@dataclass(frozen=True, slots=True)
class Moved:
    """What all endpoints got while their calls moved `moves` times, a move being one call into the switch or out of it.

    `reordered_at_cutover` of the reordered packets came late by Asterisk, after one that the switch forwarded.
    The gaps are the longest times between two packets of a stream, as received and as sent: a gap that the generator
    or the machine made is in both.
    """

    moves: int
    lost: int
    duplicated: int
    reordered: int
    reordered_at_cutover: int
    ssrc_changes: int
    largest_gap_ms: float
    largest_gap_sent_ms: float

    def __str__(self) -> str:
        return (
            f"{self.moves} moves: {self.lost} packets lost, {self.duplicated} duplicated, "
            f"{self.reordered} reordered, {self.ssrc_changes} changes of SSRC"
        )


@dataclass(frozen=True, slots=True)
class Moving:
    """The time in which calls moved (Unix time, s), and how many moves that were."""

    start: float
    end: float
    moves: int


def move(calls: int, *, times: int) -> Moving:
    """Move calls that the switch carries out of it and in again, `times` in all.

    Raises:
        LabError: they did not all move in time.

    """
    start = time.time()
    for number in range(times):
        command, state = ("offload", "offloaded") if number % 2 else ("relay", "relayed")
        control.offload(command, "--all")
        all_are(state, calls)
    # The effects of the last move are seen a moment after it.
    time.sleep(SETTLED_AFTER)
    return Moving(start=start, end=time.time(), moves=calls * times)


def all_are(state: str, calls: int) -> None:
    """Wait until so many calls are there and all in a state.

    Raises:
        LabError: in vain.

    """

    def reached() -> bool:
        there = control.calls()
        return len(there) == calls and all(c["state"] == state and c["callee"] for c in there)

    # Each question starts a process in a container: asked often, that is what the calls would notice.
    wait_until(reached, within=MOVED_WITHIN, what=f"{calls} calls to be {state}", every=0.5)


def judge(capture: Capture, moving: Moving) -> Moved:
    """Say what became of the packets of all streams while their calls moved."""
    streams, sent, all_arriving = (
        [_within(stream, moving) for stream in some]
        for some in (capture.end_to_end, capture.sent, capture.arriving)
    )
    ssrcs: dict[object, set[int]] = {}
    for stream in all_arriving:
        if stream.packets:
            ssrcs.setdefault(stream.destination, set()).add(stream.ssrc)
    return Moved(
        moves=moving.moves,
        lost=sum(stream.lost for stream in streams),
        duplicated=sum(stream.duplicated for stream in streams),
        reordered=sum(stream.reordered for stream in streams),
        reordered_at_cutover=sum(packet.ttl == FROM_ASTERISK for s in streams for packet in s.overtaken),
        ssrc_changes=sum(len(seen) - 1 for seen in ssrcs.values()),
        largest_gap_ms=_largest_gap_ms(streams),
        largest_gap_sent_ms=_largest_gap_ms(sent),
    )


def _within(stream: Stream, moving: Moving) -> Stream:
    return replace(stream, packets=[p for p in stream.packets if moving.start <= p.at < moving.end])


def _largest_gap_ms(streams: Iterable[Stream]) -> float:
    return max(1000 * (later.at - earlier.at) for s in streams for earlier, later in pairwise(s.packets))
