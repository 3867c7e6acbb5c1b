"""What the application says of calls that Asterisk did not give it."""

import asyncio

from structlog.testing import capture_logs

from stasis_offload.calls.passed_by import PassedBy
from stasis_offload.calls.statistics import Statistics
from tests.support.fake_asterisk import FakeAsterisk


class _Counting(FakeAsterisk):
    """Counts as in `counts`, one look after the other; `looked` is set at the one after the last."""

    def __init__(self, *counts: str) -> None:
        super().__init__()
        self.looked = asyncio.Event()
        self._counts = iter(counts)

    async def get_global(self, name: str) -> str:
        assert name == "OFFLOAD_PASSED_BY"
        for count in self._counts:
            return count
        self.looked.set()
        return await asyncio.Future[str]()


async def test_what_has_come_since_the_first_look_is_logged_and_a_new_asterisk_counts_anew() -> None:
    asterisk = _Counting(
        "",
        "overload=5;features=1",
        "overload=8;features=1",
        "overload=8;features=3",
        "",  # a dialplan that clears its global variables
        "overload=2;features=0",
    )
    statistics = Statistics()
    passed_by = PassedBy(ari=asterisk, statistics=statistics, every=0)
    with capture_logs() as logs:
        looking = asyncio.create_task(passed_by.run())
        await asterisk.looked.wait()
        looking.cancel()
    assert statistics.passed_by == {"arguments": 0, "no-bridge": 0, "overload": 2, "features": 0}
    assert [
        (entry["log_level"], entry["reason"], entry["left_to_dial"])
        for entry in logs
        if entry["event"] == "calls.passed_by"
    ] == [("warning", "overload", 3), ("info", "features", 2), ("warning", "overload", 2)]
