"""Whether Asterisk still has what a call needs: what /healthz and the log say of it, at both edges, once."""

import asyncio

from structlog.testing import capture_logs

from stasis_offload.asterisk.ari import AriClient
from stasis_offload.calls.ari_watch import AriWatch
from stasis_offload.calls.background import Background
from stasis_offload.calls.offload_gate import OffloadGate
from stasis_offload.calls.registry import Registry
from stasis_offload.errors import AriError, AriUnavailableError
from tests.support.fake_asterisk import IDS

MISSING = AriError("no /ari/bridges in Asterisk")
AWAY = AriUnavailableError("there is no connection")


class _Answering(AriClient):
    """Answers as in `answers`, one after the other; `asked` is set at the question after the last."""

    def __init__(self, *answers: AriError | None) -> None:
        super().__init__(url="http://nowhere", username="", password="", app="", on_event=lambda _: None)
        self.asked = asyncio.Event()
        self._answers = iter(answers)

    async def try_resources(self) -> None:
        for answer in self._answers:
            if answer:
                raise answer
            return
        self.asked.set()
        await asyncio.Future[None]()


async def _watched(*answers: AriError | None, problem: str = "") -> tuple[str | None, list[str]]:
    async with asyncio.TaskGroup() as tasks:
        gate = OffloadGate(Registry(IDS), background=Background(tasks))
        gate.problems.pop("asterisk", None)  # it is connected
        if problem:
            gate.problems["asterisk"] = problem
        ari = _Answering(*answers)
        with capture_logs() as logs:
            watching = asyncio.create_task(AriWatch(ari=ari, gate=gate, every=0).run())
            await ari.asked.wait()
            watching.cancel()
    return gate.problems.get("asterisk"), [log["event"] for log in logs]


async def test_what_is_missing_is_a_problem_until_it_is_back_and_both_are_logged_once() -> None:
    assert await _watched(None, None) == (None, [])
    assert await _watched(None, MISSING, MISSING) == (str(MISSING), ["ari.incomplete"])
    assert await _watched(MISSING, MISSING, None, None) == (None, ["ari.incomplete", "ari.complete"])


async def test_while_there_is_no_connection_what_that_says_stands() -> None:
    assert await _watched(AWAY, AWAY, problem="Connection refused") == ("Connection refused", [])
    assert await _watched(None, problem="Connection refused") == ("Connection refused", [])
    assert await _watched(MISSING, AWAY) == (str(MISSING), ["ari.incomplete"])
