"""Many requests, a few at a time: what ends them ends the whole, and a cancellation is never lost."""

import asyncio

import pytest

from stasis_offload.calls.concurrency import for_each
from stasis_offload.errors import OffloadError


@pytest.mark.parametrize("turns", range(4))
async def test_what_is_cancelled_while_the_work_fails_has_ended(turns: int) -> None:
    """In whichever turn of the loop the cancellation comes."""
    fails = asyncio.Event()
    began = asyncio.Event()

    async def work(_: int) -> None:
        began.set()
        await fails.wait()
        raise OffloadError("refused")

    task = asyncio.create_task(for_each([1], work))
    await began.wait()
    fails.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled() == (turns < 3)


async def test_what_the_work_raises_is_raised() -> None:
    async def work(item: int) -> int:
        if item == 2:
            raise OffloadError("refused")
        return item

    assert await for_each([1, 3], work) == [1, 3]
    with pytest.raises(OffloadError, match=r"^refused$"):
        await for_each([1, 2, 3], work)
