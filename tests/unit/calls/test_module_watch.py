"""Whether the module is there when no call asks: what /healthz and the log say of it, at both edges, once."""

import asyncio

from structlog.testing import capture_logs

from stasis_offload.asterisk.rtpstreams import RtpStreams
from stasis_offload.calls.background import Background
from stasis_offload.calls.module_watch import ModuleWatch
from stasis_offload.calls.offload_gate import OffloadGate
from stasis_offload.calls.registry import Registry
from stasis_offload.errors import ModuleError
from tests.support.fake_asterisk import IDS, NOWHERE

GONE = ModuleError("/run/asterisk.ctl: res_rtpstreams is not loaded")


class _Answering(RtpStreams):
    """Answers as in `answers`, one after the other; `asked` is set at the question after the last."""

    def __init__(self, *answers: str | ModuleError) -> None:
        super().__init__(NOWHERE.path)  # type: ignore[arg-type] # nothing is asked there
        self.asked = asyncio.Event()
        self._answers = iter(answers)

    async def version(self) -> str:
        for answer in self._answers:
            if isinstance(answer, ModuleError):
                raise answer
            return answer
        self.asked.set()
        return await asyncio.Future[str]()


async def _watched(*answers: str | ModuleError) -> tuple[ModuleWatch, OffloadGate, list[tuple[str, object]]]:
    async with asyncio.TaskGroup() as tasks:
        gate = OffloadGate(Registry(IDS), background=Background(tasks))
        module = _Answering(*answers)
        watch = ModuleWatch(rtpstreams=module, gate=gate, every=0)
        assert gate.problems["module"] == "not reached yet"
        with capture_logs() as logs:
            watching = asyncio.create_task(watch.run())
            await module.asked.wait()
            watching.cancel()
    of_module = [log for log in logs if log["event"].startswith("module.")]
    return watch, gate, [(log["event"], log.get("version")) for log in of_module]


async def test_a_module_that_answers_is_no_problem_and_is_logged_once() -> None:
    watch, gate, logged = await _watched("0.1.0", "0.1.0", "0.1.0")
    assert (watch.version, logged) == ("0.1.0", [("module.up", "0.1.0")])
    assert "module" not in gate.problems


async def test_a_module_that_is_gone_is_a_problem_until_it_is_back_and_both_are_logged_once() -> None:
    watch, gate, logged = await _watched("0.1.0", *[GONE] * 6)
    assert (watch.version, gate.problems["module"]) == (None, str(GONE))
    assert logged == [("module.up", "0.1.0"), ("module.down", None)]
    watch, gate, logged = await _watched("0.1.0", *[GONE] * 6, "0.2.0", "0.2.0")
    assert (watch.version, "module" in gate.problems) == ("0.2.0", False)
    assert logged == [("module.up", "0.1.0"), ("module.down", None), ("module.up", "0.2.0")]


async def test_a_module_that_is_missing_from_the_start_is_logged_once() -> None:
    _, gate, logged = await _watched(*[GONE] * 6)
    assert (gate.problems["module"], logged) == (str(GONE), [("module.down", None)])


async def test_one_late_answer_is_no_problem() -> None:
    watch, gate, logged = await _watched("0.1.0", GONE, "0.1.0", GONE, "0.1.0")
    assert (watch.version, "module" in gate.problems, logged) == ("0.1.0", False, [("module.up", "0.1.0")])


async def test_another_version_is_logged() -> None:
    watch, _, logged = await _watched("0.1.0", "0.2.0")
    assert (watch.version, logged) == ("0.2.0", [("module.up", "0.1.0"), ("module.up", "0.2.0")])
