"""Tasks that run on their own."""

import asyncio

import pytest

from stasis_offload.calls.background import Background


class EndError(Exception):
    """The application ends."""


async def test_what_is_to_start_while_the_application_ends_is_left_undone() -> None:
    done: list[str] = []

    async def work() -> None:
        done.append("work")

    async def report_late(background: Background) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            background.start(work())

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(report_late(Background(tasks)))
            await asyncio.sleep(0)
            raise EndError

    with pytest.raises(ExceptionGroup) as caught:
        await run()
    assert [type(error) for error in caught.value.exceptions] == [EndError]
    assert done == []
