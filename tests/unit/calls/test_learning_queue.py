"""Which calls are learned at once."""

from functools import partial

from stasis_offload.calls.learning_queue import LearningQueue


def test_calls_are_admitted_in_their_order_as_room_arises() -> None:
    queue, admitted = LearningQueue(most=2), list[str]()
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
