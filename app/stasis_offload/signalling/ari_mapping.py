"""What an event of Asterisk about a leg, or its answer to a command, means to the dialing of the call."""

from collections.abc import Callable, Mapping
from functools import partial

from stasis_offload.asterisk.ari_events import (
    ChannelDestroyed,
    DialChanged,
    DialState,
    HangupRequested,
    StasisEnd,
    StasisStart,
)
from stasis_offload.asterisk.ari_events import Event as AriEvent
from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import events as ev
from stasis_offload.signalling.call_ids import CALLER
from stasis_offload.signalling.causes import Cause


def outcome(command: cmd.Command, *, done: bool) -> ev.Event | None:
    """Return the event that answers a command that Asterisk has done, or refused; None when none is needed.

    ARI does not tell why a channel cannot be made; the cause is what chan_pjsip.c gives for lack of a way to it.
    """
    match command, done:
        case cmd.Join(n), True:
            return ev.Joined(n)
        case cmd.Create(n), False:
            return ev.Failed(n, Cause.NO_ROUTE_DESTINATION)
        case cmd.Dial(n), False:
            return ev.Refused(n, Cause.NO_ROUTE_DESTINATION)
        case cmd.MakeBridge() | cmd.Join() | cmd.Answer(), False:
            return ev.BridgeFailed()
        case _:
            return None


def heard(event: AriEvent, leg: int) -> ev.Event | None:
    """Return what an event about the channel of a leg (legs.py) means to the call's dialing; None for nothing."""
    return _of_caller(event) if leg == CALLER else _of_callee(event, leg)


def _of_caller(event: AriEvent) -> ev.Event | None:
    match event:
        case StasisEnd():
            return ev.CallerGone(0)
        case ChannelDestroyed(cause=cause):
            return ev.CallerGone(cause)
        case HangupRequested(cause=cause):
            return ev.CallerDying(cause)
        case _:
            return None


def _of_callee(event: AriEvent, n: int) -> ev.Event | None:
    match event:
        case StasisStart():
            return ev.Entered(n)
        case StasisEnd():
            return ev.Left(n)
        case ChannelDestroyed(cause=cause):
            return ev.Gone(n, cause)
        case HangupRequested():
            return ev.Dying(n)
        case DialChanged(state=state):
            return _DIAL_SIGNALS[state](n)
        case _:
            return None


_DIAL_SIGNALS: Mapping[DialState, Callable[[int], ev.Event]] = {
    DialState.RINGING: ev.Ringing,
    DialState.PROGRESS: ev.Progress,
    DialState.ANSWER: ev.Answered,
    DialState.BUSY: partial(ev.Refused, cause=Cause.USER_BUSY),
    DialState.CONGESTION: partial(ev.Refused, cause=Cause.CONGESTION),
}
