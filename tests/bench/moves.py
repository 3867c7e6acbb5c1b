"""What a call's endpoints notice when its media moves between Asterisk and the switch: ideally nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from lab import control
from lab.capture import FROM_ASTERISK, HEADERS, Capture, Packet, Stream, captured
from lab.control import wait_until
from tests.bench.load import GENERATOR

MOVED_WITHIN = 30.0


@dataclass(frozen=True, slots=True)
class Moved:
    """What all endpoints got while their calls moved `moves` times, a move being one call taken over or handed back.

    `reordered_at_take_over` of the reordered packets came late by Asterisk, after one that the switch forwarded.
    The gaps are the longest times between two packets of a stream, as received and as sent: a gap that the generator
    or the machine made is in both.
    """

    moves: int
    lost: int
    duplicated: int
    reordered: int
    reordered_at_take_over: int
    ssrc_changes: int
    largest_gap_ms: float
    largest_gap_sent_ms: float

    def __str__(self) -> str:
        return (
            f"{self.moves} moves: {self.lost} packets lost, {self.duplicated} duplicated, "
            f"{self.reordered} reordered, {self.ssrc_changes} changes of SSRC"
        )


def move(calls: int, *, times: int) -> Moved:
    """Move calls that the switch carries out of it and in again, `times` in all; it carries them at the end if even.

    Raises:
        LabError: they did not all move in time.

    """
    with captured(GENERATOR, snaplen=HEADERS) as capture:
        for number in range(times):
            command, state = ("offload", "offloaded") if number % 2 else ("relay", "relayed")
            control.offload(command, "--all")
            all_are(state, calls)
    return _judge(capture, moves=calls * times)


def all_are(state: str, calls: int) -> None:
    """Wait until so many calls are there and all in a state.

    Raises:
        LabError: in vain.

    """

    def reached() -> bool:
        there = control.calls()
        return len(there) == calls and all(c["state"] == state and c["callee"] for c in there)

    wait_until(reached, within=MOVED_WITHIN, what=f"{calls} calls to be {state}")


def _judge(capture: Capture, *, moves: int) -> Moved:
    streams = capture.end_to_end
    ssrcs: dict[object, set[int]] = {}
    for stream in capture.arriving:
        ssrcs.setdefault(stream.destination, set()).add(stream.ssrc)
    return Moved(
        moves=moves,
        lost=sum(stream.lost for stream in streams),
        duplicated=sum(stream.duplicated for stream in streams),
        reordered=sum(stream.reordered for stream in streams),
        reordered_at_take_over=sum(packet.ttl == FROM_ASTERISK for s in streams for packet in _late(s)),
        ssrc_changes=sum(len(seen) - 1 for seen in ssrcs.values()),
        largest_gap_ms=_largest_gap_ms(streams),
        largest_gap_sent_ms=_largest_gap_ms(capture.sent),
    )


def _late(stream: Stream) -> Iterable[Packet]:
    """List the packets that passed after one with a higher number."""
    highest = stream.sequences[0]
    for packet, sequence in zip(stream.packets, stream.sequences, strict=True):
        if sequence < highest:
            yield packet
        highest = max(highest, sequence)


def _largest_gap_ms(streams: Iterable[Stream]) -> float:
    return max(1000 * (later.at - earlier.at) for s in streams for earlier, later in pairwise(s.packets))
