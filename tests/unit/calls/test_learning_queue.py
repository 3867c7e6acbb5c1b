"""Which calls are learned at once."""

from functools import partial

import pytest

from stasis_offload.calls import learning_queue
from stasis_offload.calls.learning_queue import LearningQueue


async def test_calls_are_admitted_in_their_order_as_room_arises() -> None:
    queue, admitted = LearningQueue(least=2, most=2), list[str]()
    for call in ("first", "second"):
        assert queue.has_room(call)
        queue.add(call)
    for call in ("third", "fourth", "fifth"):
        assert not queue.has_room(call)
        queue.wait(call, partial(admitted.append, call))
    queue.remove("fourth")  # it ended
    assert admitted == []
    queue.remove("first")
    assert admitted == ["third"]
    assert queue.has_room("third")
    assert not queue.has_room("sixth")
    queue.remove("third")  # it could not be learned
    queue.remove("second")
    assert admitted == ["third", "fifth"]
    assert queue.has_room("sixth")


def learn(queue: LearningQueue) -> int:
    """Let as many calls as there is room for be learned; return how many those are."""
    calls = []
    for call in map(str, range(100)):
        if queue.has_room(call):
            queue.add(call)
            calls.append(call)
    for call in calls:
        queue.remove(call)
    return len(calls)


async def test_more_calls_are_learned_at_once_while_each_is_learned_quickly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = LearningQueue(least=4, most=16)
    assert [learn(queue) for _ in range(4)] == [4, 8, 16, 16]
    monkeypatch.setattr(learning_queue, "QUICK", 0.0)
    assert [learn(queue) for _ in range(2)] == [16, 4]
