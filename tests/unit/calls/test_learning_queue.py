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


def test_a_call_that_is_being_set_up_takes_the_place_of_one_that_is_learned() -> None:
    queue, admitted = LearningQueue(most=2), list[str]()
    queue.begin_set_up("dialling")
    assert queue.has_room("first")
    queue.add("first")
    for call in ("second", "third", "fourth"):
        assert not queue.has_room(call)
        queue.wait(call, partial(admitted.append, call))
    queue.remove("first")
    assert admitted == ["second"]
    queue.begin_set_up("dialling too")
    queue.remove("second")
    assert admitted == ["second"]
    queue.end_set_up("dialling")
    assert admitted == ["second", "third"]
    queue.end_set_up("dialling")  # it is over
    assert admitted == ["second", "third"]


def test_a_call_whose_room_arose_before_it_waits_is_admitted_at_once() -> None:
    queue, admitted = LearningQueue(most=1), list[str]()
    queue.add("first")
    assert not queue.has_room("second")
    queue.remove("first")
    queue.wait("second", partial(admitted.append, "second"))
    assert admitted == ["second"]
    assert not queue.has_room("third")
