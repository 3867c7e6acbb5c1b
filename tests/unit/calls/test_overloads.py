"""What the application says of calls that Asterisk did not give it."""

import asyncio

from structlog.testing import capture_logs

from stasis_offload.calls.overloads import Overloads
from tests.support.fake_asterisk import FakeAsterisk


class _Counting(FakeAsterisk):
    """Counts as in `counts`, one look after the other; `looked` is set at the one after the last."""

    def __init__(self, *counts: str) -> None:
        super().__init__()
        self.looked = asyncio.Event()
        self._counts = iter(counts)

    async def get_global(self, name: str) -> str:
        assert name == "OFFLOAD_OVERLOADS"
        for count in self._counts:
            return count
        self.looked.set()
        return await asyncio.Future[str]()


async def test_what_has_come_since_the_first_look_is_logged_and_a_new_asterisk_counts_anew() -> None:
    asterisk = _Counting("5", "8", "8", "", "2")
    overloads = Overloads(ari=asterisk, every=0)
    with capture_logs() as logs:
        looking = asyncio.create_task(overloads.run())
        await asterisk.looked.wait()
        looking.cancel()
    assert overloads.count == 2
    assert [entry["left_to_dial"] for entry in logs if entry["event"] == "calls.overload"] == [3, 2]
