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

    async def worker() -> None:
        for number, item in turns:
            results[number] = await work(item)

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(most):
                tasks.create_task(worker())
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    return [results[number] for number in sorted(results)]
