"""One call's signalling as a value."""

from dataclasses import dataclass, replace
from enum import StrEnum

from stasis_offload.signalling import events as ev
from stasis_offload.signalling.dial_args import DialRequest

IN_BRIDGE_TECHNOLOGY = "PJSIP"


class Phase(StrEnum):
    """Where the call stands."""

    NEW = "new"
    DIALING = "dialing"
    TALKING = "talking"
    ENDING = "ending"
    OVER = "over"


class Callee(StrEnum):
    """Where the channel of one target stands."""

    CREATING = "asked"  # its channel was asked for
    DIALLED = "called"  # it is ours, and dialled or about to be
    HANGING_UP = "dying"  # Asterisk is hanging it up; Gone follows, with the cause
    DISMISSED = "unwanted"  # we told it to go
    DESTROYED = "gone"


WANTED = frozenset({Callee.CREATING, Callee.DIALLED})


@dataclass(frozen=True, slots=True)
class Dialing:
    """One call's signalling.

    `callees` has one entry for each target once Started, `causes` those of the targets that failed, in the order in which
    they did. `deadline` is when TimedOut is due, in seconds of the clock that `step` is given. `ringing` is
    whether the caller hears that it rings, `caller_here` whether the caller is still in our application,
    `caller_replaced` whether a newcomer stands for the caller: it has no dialplan that could go on. `caller_cause`
    is why the caller is being hung up, 0 when it is not, or when that is not known.
    """

    request: DialRequest
    phase: Phase = Phase.NEW
    callees: tuple[Callee, ...] = ()
    deadline: float | None = None
    winner: int | None = None
    causes: tuple[int, ...] = ()
    ringing: bool = False
    caller_here: bool = True
    caller_replaced: bool = False
    caller_cause: int = 0

    @property
    def over(self) -> bool:
        """Whether nothing of the call is left."""
        return self.phase is Phase.OVER

    @property
    def in_bridge(self) -> bool:
        """Whether the target is dialled inside the bridge."""
        first, *others = self.request.targets
        return not others and first.partition("/")[0].upper() == IN_BRIDGE_TECHNOLOGY

    def callee(self, event: ev.Event) -> Callee | None:
        """Return where the callee that an event is about stands, None for an event about no callee of ours."""
        if not isinstance(event, ev.CalleeEvent) or not 1 <= event.n <= len(self.callees):
            return None
        return self.callees[event.n - 1]

    def with_callee(self, n: int, callee: Callee) -> "Dialing":
        """Return the call with callee n standing elsewhere."""
        return replace(self, callees=(*self.callees[: n - 1], callee, *self.callees[n:]))
