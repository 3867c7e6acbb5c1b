"""Operations without a switch or an Asterisk behind them, for tests of what stands in front of them."""

from collections.abc import MutableMapping, Sequence
from dataclasses import replace
from typing import Any

from stasis_offload.calls.views import (
    Block,
    CallDetails,
    CallView,
    Health,
    MoveView,
    Stats,
    UnknownCallError,
)
from stasis_offload.errors import OffloadError
from stasis_offload.media.quality import LegQuality
from stasis_offload.openflow.flow import FlowCount

OFFLOADED = CallView(
    call="1700000000.1",
    caller="PJSIP/asterisk1-00000001",
    callee="PJSIP/asterisk1-00000002",
    state="offloaded",
    reason=None,
    detail=None,
    age=3725.25,
    state_age=3.5,
    from_caller=FlowCount(packets=1234, octets=246800),
    from_callee=FlowCount(packets=1230, octets=246000),
    caller_quality=LegQuality(loss=0.0125, jitter_ms=1.5, rtt_ms=42.0, mos=4.21),
    callee_quality=LegQuality(),
)
DIALING = CallView(
    call="odd/id [red]",
    caller="PJSIP/asterisk1-00000003",
    callee=None,
    state="dialing",
    reason="nobody answered yet",
    detail="it rings",
    age=1.0,
    state_age=1.0,
    from_caller=FlowCount(packets=0, octets=0),
    from_callee=FlowCount(packets=0, octets=0),
    caller_quality=LegQuality(),
    callee_quality=LegQuality(),
)


MOVES = (
    MoveView(age=3600.5, state="learning", reason="no-media:caller", detail=None),
    MoveView(age=3600.25, state="offloaded", reason=None, detail=None),
    MoveView(age=4.0, state="relayed", reason="codec-mismatch", detail="caller alaw, callee ulaw"),
    MoveView(age=3.5, state="offloaded", reason=None, detail=None),
)
ENDED = replace(OFFLOADED, call="1700000000.7", state="relayed", reason="ended")


FIGURES = Stats(
    age=90_000.0,
    states={"offloaded": 1, "dialing": 1},
    calls=40,
    carried=30,
    talked=7200.0,
    offloaded=6480.0,
    packets=1_234_567,
    asterisk_cpu=None,
)


class FakeOperations:
    """Two calls, and one that has ended; what is asked of them is written down in `asked`; `failure` is raised by whatever is asked.

    `logged` is what the log has had since, `by` who had the last call relayed.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.failure: Exception | None = None
        self.problems: tuple[str, ...] = ()
        self.views = [OFFLOADED, DIALING]
        self.blocked: Block | None = None
        self.drained = False
        self.by = ""
        self.figures = FIGURES
        self.logged: list[MutableMapping[str, Any]] = []

    async def calls(self) -> Sequence[CallView]:
        if self.failure:
            raise self.failure
        return self.views

    async def call(self, call: str) -> CallDetails:
        for view in (*await self.calls(), ENDED):
            if view.call == call:
                return CallDetails(view, MOVES, ended_age=60.0 if view is ENDED else None)
        raise UnknownCallError(f"there is no call {call!r}")

    def health(self) -> Health:
        return Health(
            calls=2,
            blocked=self.blocked,
            drained=self.drained,
            passed_by={"arguments": 2, "overload": 0, "features": 1},
            problems=self.problems,
            version="1.2.3",
            module="0.9.0",
        )

    async def stats(self) -> Stats:
        if self.failure:
            raise self.failure
        return self.figures

    async def relay(self, call: str | None, *, by: str) -> int:
        self.by = by
        return self._do("relay", call)

    async def offload(self, call: str | None) -> int:
        return self._do("offload", call)

    async def measure(self, seconds: float) -> int:
        self.figures = replace(self.figures, states={"relayed" if seconds else "offloaded": 2})
        return self._do(f"measure {seconds:g}", None)

    async def drain(self, *, drained: bool) -> int:
        count = self._do("drain", None)
        self.drained = drained
        return count

    def _do(self, verb: str, call: str | None) -> int:
        if self.failure:
            raise self.failure
        if call is not None and call not in (OFFLOADED.call, DIALING.call):
            raise UnknownCallError(f"there is no call {call!r}")
        self.asked.append((verb, call))
        return 2 if call is None else 1


REFUSED = OffloadError("the switch is away")
METRICS = (b"up 1\n", "text/plain; version=0.0.4; charset=utf-8")


def no_metrics(accept: str) -> tuple[bytes, str]:
    """Answer METRICS to who takes anything."""
    assert accept == "*/*"
    return METRICS
