"""Many requests, a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

# So many requests are under way at a time: fewer than the connections of ari_http.py, of which calls need some meanwhile.
MOST = 16


async def for_each(items: Iterable[T], work: Callable[[T], Awaitable[R]], *, most: int = MOST) -> list[R]:
    """Do the work for every item, at most so many at a time, and return the results in the order of the items.

    An item is taken from the iterable only when it is its turn. Whatever the work raises ends the whole, and is raised.
    """
    turns = enumerate(items)
    results: dict[int, R] = {}
    failures: list[Exception] = []
    workers: list[asyncio.Task[None]] = []

    async def worker() -> None:
        for number, item in turns:
            try:
                results[number] = await work(item)
            except Exception as error:  # noqa: BLE001 - raised below: a task group with a failed task may drop a cancellation
                failures.append(error)
                for other in workers:
                    if other is not asyncio.current_task():
                        other.cancel()
                return

    async with asyncio.TaskGroup() as tasks:
        workers += [tasks.create_task(worker()) for _ in range(most)]
    if failures:
        raise failures[0]
    return [results[number] for number in sorted(results)]
