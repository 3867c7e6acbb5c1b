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


def event_from_result(command: cmd.Command, *, done: bool) -> ev.Event | None:
    """Return the event that answers a command that Asterisk has done, or refused; None when none is needed.

    ARI does not tell why a channel cannot be made; the cause is what chan_pjsip.c gives for lack of a way to it.
    """
    match command, done:
        case cmd.Join(n), True:
            return ev.CalleeBridged(n)
        case cmd.Create(n), False:
            return ev.CreateFailed(n, Cause.NO_ROUTE_DESTINATION)
        case cmd.Dial(n), False:
            return ev.CalleeRejected(n, Cause.NO_ROUTE_DESTINATION)
        case cmd.CreateBridge() | cmd.Join() | cmd.Answer(), False:
            return ev.BridgeFailed()
        case _:
            return None


def event_from_ari(event: AriEvent, leg: int) -> ev.Event | None:
    """Return what an event about the channel of a leg (legs.py) means to the call's dialing; None for nothing."""
    return _of_caller(event) if leg == CALLER else _of_callee(event, leg)


def _of_caller(event: AriEvent) -> ev.Event | None:
    match event:
        case StasisEnd():
            return ev.CallerLeft(0)
        case ChannelDestroyed(cause=cause):
            return ev.CallerLeft(cause)
        case HangupRequested(cause=cause):
            return ev.CallerHangingUp(cause)
        case _:
            return None


def _of_callee(event: AriEvent, n: int) -> ev.Event | None:
    match event:
        case StasisStart():
            return ev.CalleeEnteredStasis(n)
        case StasisEnd():
            return ev.CalleeLeftStasis(n)
        case ChannelDestroyed(cause=cause):
            return ev.CalleeDestroyed(n, cause)
        case HangupRequested():
            return ev.CalleeHangingUp(n)
        case DialChanged(state=state):
            return _DIAL_SIGNALS[state](n)
        case _:
            return None


_DIAL_SIGNALS: Mapping[DialState, Callable[[int], ev.Event]] = {
    DialState.RINGING: ev.CalleeRinging,
    DialState.PROGRESS: ev.CalleeProgress,
    DialState.ANSWER: ev.CalleeAnswered,
    DialState.BUSY: partial(ev.CalleeRejected, cause=Cause.USER_BUSY),
    DialState.CONGESTION: partial(ev.CalleeRejected, cause=Cause.CONGESTION),
}
