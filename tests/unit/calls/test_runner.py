"""The runner of a pure machine: the order of events and commands, the deadline, and the end."""

import asyncio
import math
from dataclasses import dataclass, replace

import pytest

from stasis_offload.calls.runner import MachineRunner

# Seconds, below those (runner.py, _MAX_DELAY) by which an event may be late and still precede the expiry.
IN_TIME = 0.04


@dataclass(frozen=True)
class Log:
    """A machine that notes every event, and asks for those that a question of its own answers."""

    events: tuple[str, ...] = ()
    times: tuple[float, ...] = ()
    deadline: float | None = None
    over: bool = False


def step(log: Log, event: str, now: float) -> tuple[Log, tuple[str, ...]]:
    noted = replace(log, events=(*log.events, event), times=(*log.times, now), deadline=None)
    return replace(noted, over=event == "end"), ("query",) if event == "question" else ()


def runner(state: Log | None = None, *, arrives: str | None = None) -> MachineRunner[Log, str, str]:
    """Make a runner; while a question is answered, `arrives` is posted."""

    async def execute(commands: tuple[str, ...]) -> list[str]:
        if "defect" in machine.state.events:
            raise RuntimeError("as planned")
        if arrives:
            machine.post(arrives)
        await asyncio.sleep(0)
        return [f"answer to {command}" for command in commands]

    machine = MachineRunner[Log, str, str](state or Log(), step=step, execute=execute, expired="deadline")
    return machine


async def nothing(_commands: tuple[str, ...]) -> list[str]:
    return []


async def test_an_answer_is_taken_before_what_arrived_meanwhile() -> None:
    machine = runner(arrives="later")
    machine.post("question")
    machine.post("end")
    await machine.run()
    assert machine.state.events == ("question", "answer to query", "end")


async def test_what_waits_for_an_answer_is_known_in_its_order() -> None:
    machine = runner(arrives="later")
    machine.post("question")
    machine.post("soon")
    assert machine.queued == ("question", "soon")
    running = asyncio.create_task(machine.run())
    await asyncio.sleep(0)  # the question is being answered
    assert machine.queued == ("soon", "later")
    await machine.post("end").wait()
    assert not machine.queued
    await running


async def test_what_is_posted_is_done_with_its_commands() -> None:
    machine = runner()
    running = asyncio.create_task(machine.run())
    await machine.post("question").wait()
    assert machine.state.events == ("question", "answer to query")
    await machine.post("end").wait()
    await running


async def test_the_deadline_is_an_event() -> None:
    machine = runner(Log(deadline=asyncio.get_running_loop().time()))
    running = asyncio.create_task(machine.run())
    while not machine.state.events:  # noqa: ASYNC110 - a state has no event
        await asyncio.sleep(0)
    machine.post("end")
    await running
    assert machine.state.events == ("deadline", "end")


async def test_the_time_of_an_event_is_that_of_its_arrival_however_late_it_is_processed() -> None:
    loop = asyncio.get_running_loop()
    machine = runner(arrives="meanwhile")
    before = loop.time()
    machine.post("question")
    machine.post("end")
    after = loop.time()
    while loop.time() == after:
        pass
    await machine.run()
    asked, answered, ended = machine.state.times
    assert before <= asked <= ended <= after < answered


async def test_all_that_had_arrived_is_processed_before_a_deadline_expires() -> None:
    machine = runner(Log(deadline=asyncio.get_running_loop().time() - 0.01))
    machine.post("arrived before")
    machine.post("end")
    await machine.run()
    assert machine.state.events == ("arrived before", "end")


async def test_what_arrives_without_end_does_not_put_a_deadline_off_for_ever() -> None:
    machine = runner(Log(deadline=asyncio.get_running_loop().time() - 0.1))
    machine.post("arrived after")
    machine.post("end")
    await machine.run()
    assert machine.state.events == ("deadline", "arrived after", "end")


async def test_an_event_takes_the_place_of_those_that_it_supersedes() -> None:
    def supersedes(newer: str, older: str) -> bool:
        return newer[0] == older[0] == "p"

    machine = MachineRunner[Log, str, str](
        Log(), step=step, execute=nothing, expired="deadline", supersedes=supersedes
    )
    first = machine.post("packet 1")
    machine.post("other")
    machine.post("packet 2")
    assert first.is_set()
    machine.post("end")
    await machine.run()
    assert machine.state.events == ("other", "packet 2", "end")


async def test_what_arrives_in_the_moment_of_the_expiry_is_processed_before_it() -> None:
    loop = asyncio.get_running_loop()
    late = math.inf
    while late > IN_TIME:  # of a busy machine
        deadline = loop.time() + 0.01
        machine = runner(Log(deadline=deadline))
        running = asyncio.create_task(machine.run())
        await asyncio.sleep(0)  # it waits for an event or its deadline, whose timer is the earlier of the two
        loop.call_at(deadline, machine.post, "arrived")
        while not machine.state.events:  # noqa: ASYNC110 - a state has no event
            await asyncio.sleep(0)
        late = loop.time() - deadline
        machine.post("end")
        await running
    assert machine.state.events == ("arrived", "end")


async def test_nobody_waits_for_a_machine_that_has_ended() -> None:
    machine = runner()
    machine.post("end")
    late = machine.post("late")
    await machine.run()
    await late.wait()
    await machine.post("too late").wait()
    assert machine.state.events == ("end",)


async def test_a_defect_ends_the_machine_and_all_who_wait_for_it() -> None:
    machine = runner()
    posted = [machine.post(event) for event in ("defect", "question", "never taken")]
    with pytest.raises(RuntimeError, match="as planned"):
        await machine.run()
    for handled in posted:
        await handled.wait()


def is_packet(_log: Log, event: str) -> bool:
    return event.startswith("packet")


def step_packets(log: Log, event: str, now: float) -> tuple[Log, tuple[str, ...]]:
    after, commands = step(log, event, now)
    return after, ("inject",) if is_packet(log, event) else commands


async def test_what_passes_a_question_is_done_before_its_answer_with_its_commands_and_the_rest_after() -> (
    None
):
    answered, done = asyncio.Event(), list[str]()

    async def execute(commands: tuple[str, ...]) -> list[str]:
        if "packet 1" in machine.state.events:
            done.append(machine.state.events[-1])
            return []
        await machine.beside(answered.wait(), is_packet)
        return [f"answer to {command}" for command in commands]

    machine = MachineRunner[Log, str, str](Log(), step=step_packets, execute=execute, expired="deadline")
    running = asyncio.create_task(machine.run())
    machine.post("question")
    machine.post("later")
    await machine.post("packet 1").wait()
    await machine.post("packet 2").wait()
    assert done == ["packet 1", "packet 2"]
    answered.set()
    machine.post("end")
    await running
    assert machine.state.events == (
        "question",
        "packet 1",
        "packet 2",
        "answer to query",
        "later",
        "end",
    )


async def test_a_defect_of_what_passes_a_question_ends_the_machine() -> None:
    async def execute(commands: tuple[str, ...]) -> list[str]:
        if "query" not in commands:
            raise RuntimeError("as planned")
        await machine.beside(handled.wait(), is_packet)
        return []

    machine = MachineRunner[Log, str, str](Log(), step=step_packets, execute=execute, expired="deadline")
    machine.post("question")
    handled = machine.post("packet")
    with pytest.raises(RuntimeError, match="as planned"):
        await machine.run()
