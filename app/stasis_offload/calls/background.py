"""Tasks that run on their own: each ends with the application, and its failure is logged."""

import asyncio
from collections.abc import Coroutine

import structlog

from stasis_offload.errors import AriError, ModuleError


class Background:
    """Starts tasks within the application's task group."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self._log = structlog.get_logger(__name__)

    def start(self, work: Coroutine[None, None, None], **about: str) -> None:
        """Run a coroutine as a task; `about` identifies in the log what it is for. None is started at the end."""
        running = self._run(work, about)
        try:
            task = self._tasks.create_task(running)
        except RuntimeError:  # the application ends, and the switch still reports
            running.close()
            work.close()
        else:
            task.add_done_callback(lambda _: work.close())  # it may end before it has begun

    async def _run(self, work: Coroutine[None, None, None], about: dict[str, str]) -> None:
        try:
            await work
        except (AriError, ModuleError) as error:
            self._log.warning("task.refused", error=str(error), **about)
        except Exception:  # noqa: BLE001 - a defect in one task must not end the others
            self._log.exception("task.defect", **about)
