"""What an event of Asterisk about a leg, or its answer to a command, means to the dialing of the call."""

from collections.abc import Callable, Mapping
from functools import partial

from stasis_offload.events import (
    ChannelDestroyed,
    DialChanged,
    DialState,
    HangupRequested,
    StasisEnd,
    StasisStart,
)
from stasis_offload.events import Event as AriEvent
from stasis_offload.signals import (
    CALLER,
    Answer,
    Answered,
    BridgeFailed,
    CallerDying,
    CallerGone,
    Cause,
    Command,
    Create,
    Dial,
    Dying,
    Entered,
    Event,
    Failed,
    Gone,
    Join,
    Joined,
    Left,
    MakeBridge,
    Progress,
    Refused,
    Ringing,
)


def outcome(command: Command, *, done: bool) -> Event | None:
    """Return the event that answers a command that Asterisk has done, or refused; None when none is needed.

    ARI does not tell why a channel cannot be made; the cause is what chan_pjsip.c gives for lack of a way to it.
    """
    match command, done:
        case Join(n), True:
            return Joined(n)
        case Create(n), False:
            return Failed(n, Cause.NO_ROUTE_DESTINATION)
        case Dial(n), False:
            return Refused(n, Cause.NO_ROUTE_DESTINATION)
        case MakeBridge() | Join() | Answer(), False:
            return BridgeFailed()
        case _:
            return None


def heard(event: AriEvent, leg: int) -> Event | None:
    """Return what an event about the channel of a leg (legs.py) means to the call's dialing; None for nothing."""
    return _of_caller(event) if leg == CALLER else _of_callee(event, leg)


def _of_caller(event: AriEvent) -> Event | None:
    match event:
        case StasisEnd():
            return CallerGone(0)
        case ChannelDestroyed(cause=cause):
            return CallerGone(cause)
        case HangupRequested(cause=cause):
            return CallerDying(cause)
        case _:
            return None


def _of_callee(event: AriEvent, n: int) -> Event | None:
    match event:
        case StasisStart():
            return Entered(n)
        case StasisEnd():
            return Left(n)
        case ChannelDestroyed(cause=cause):
            return Gone(n, cause)
        case HangupRequested():
            return Dying(n)
        case DialChanged(state=state):
            return _DIAL_SIGNALS[state](n)
        case _:
            return None


_DIAL_SIGNALS: Mapping[DialState, Callable[[int], Event]] = {
    DialState.RINGING: Ringing,
    DialState.PROGRESS: Progress,
    DialState.ANSWER: Answered,
    DialState.BUSY: partial(Refused, cause=Cause.USER_BUSY),
    DialState.CONGESTION: partial(Refused, cause=Cause.CONGESTION),
}
