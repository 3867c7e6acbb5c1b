"""The signalling state of one call, as an immutable value."""

from dataclasses import dataclass, replace
from enum import StrEnum

from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import events as ev
from stasis_offload.signalling.dial_args import DialRequest

IN_BRIDGE_TECHNOLOGY = "PJSIP"


class Phase(StrEnum):
    """The phase of a call."""

    NEW = "new"
    DIALING = "dialing"
    TALKING = "talking"
    ENDING = "ending"
    OVER = "over"


class Callee(StrEnum):
    """The state of one target's channel."""

    CREATING = "creating"  # its channel has been requested
    DIALLED = "dialled"  # in the application, and dialled or about to be
    HANGING_UP = "hanging-up"  # Asterisk is hanging it up; CalleeDestroyed follows, with the cause
    DISMISSED = "dismissed"  # we hung it up
    RELEASED = "released"  # we hung it up, unless another program has taken it from us
    SENT_ON = "sent-on"  # we sent it into the dialplan
    DESTROYED = "destroyed"


WANTED = frozenset({Callee.CREATING, Callee.DIALLED})


@dataclass(frozen=True, slots=True)
class Diversion:
    """Callee n is called because callee `by`, whose own number is `number` (may be empty), forwards.

    `to` is a number or `TECH/resource`.
    """

    n: int
    by: int
    number: str
    to: str


@dataclass(frozen=True, slots=True)
class Dialing:
    """The signalling state of one call.

    `callees` has one entry per target once Started, and one more for each of `diversions`; `causes` are those of the failed
    targets, in the order of failure. `deadline` is when DialTimedOut is due, in seconds of the clock passed to `step`.
    `ringing` is whether a callee's ringing was passed on to the caller, `entertained` whether that of an option was begun
    (signalling/ringback.py), `rang` and `progressed` whether it is known when a callee first rang and sent early media
    (signalling/durations.py), `forbade` whether a callee forwarded that was not allowed to, `caller_here` whether the
    caller is still in the application, `caller_up` whether it was answered before, `caller_replaced` whether a replacement
    channel is the caller: it has no dialplan to continue in. `caller_cause` is why the caller is hanging up, 0 when that is
    unknown; None when it is not. `hearing` are the legs that a file is played to (signalling/answering.py, time_limit.py).
    `limit_sounds` are the announcements of a time limit; of one that has any, `ends` is when it ends the call, and `warns`
    when the next warning is due. `parker` is the leg that has asked for the other to be parked, which it is by `parks_until` if ever
    (signalling/parking.py), `handed_over` whether Asterisk takes both parties into a bridge of its own.
    """

    request: DialRequest
    phase: Phase = Phase.NEW
    callees: tuple[Callee, ...] = ()
    diversions: tuple[Diversion, ...] = ()
    deadline: float | None = None
    winner: int | None = None
    causes: tuple[int, ...] = ()
    ringing: bool = False
    rang: bool = False
    progressed: bool = False
    entertained: bool = False
    forbade: bool = False
    caller_here: bool = True
    caller_up: bool = False
    caller_replaced: bool = False
    caller_cause: int | None = None
    hearing: frozenset[int] = frozenset()
    limit_sounds: ev.LimitSoundsRead = ev.NO_LIMIT_SOUNDS_READ
    ends: float | None = None
    warns: float | None = None
    parker: int | None = None
    parks_until: float = 0.0
    handed_over: bool = False

    @property
    def over(self) -> bool:
        """Whether the call has neither a channel nor a bridge left."""
        return self.phase is Phase.OVER

    @property
    def in_bridge(self) -> bool:
        """Whether the target is dialled inside the bridge: the only one, or what it forwards to."""
        first, *others = self.request.targets
        if others or self.request.options.entertained:
            return False
        last = self.diversions[-1].to if self.diversions else first
        return "/" in last and last.partition("/")[0].upper() == IN_BRIDGE_TECHNOLOGY

    def diversion(self, n: int) -> Diversion | None:
        """Return why callee n is called, if because another one forwards."""
        return next((diversion for diversion in self.diversions if diversion.n == n), None)

    def dialled(self, n: int) -> str:
        """Return what was dialled for callee n, as `TECH/resource`."""
        diversion = self.diversion(n)
        if diversion is None:
            return self.request.targets[n - 1]
        return diversion.to if "/" in diversion.to else f"Local/{diversion.to}"

    def callee(self, event: ev.Event) -> Callee | None:
        """Return the state of the callee that an event is about; None if it is about no callee of this call."""
        if not isinstance(event, ev.CalleeEvent) or not 1 <= event.n <= len(self.callees):
            return None
        return self.callees[event.n - 1]

    def with_callee(self, n: int, callee: Callee) -> "Dialing":
        """Return the call with callee n in another state."""
        return replace(self, callees=(*self.callees[: n - 1], callee, *self.callees[n:]))


Step = tuple[Dialing, tuple[cmd.Command, ...]]
"""A call after an event, and the commands to execute."""
