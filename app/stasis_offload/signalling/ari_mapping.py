"""Translates ARI events and command results into signalling events."""

from collections.abc import Callable, Mapping
from functools import partial

from stasis_offload.asterisk.ari_events import (
    Channel,
    ChannelDestroyed,
    DialChanged,
    DialState,
    DigitReceived,
    Diverted,
    HangupRequested,
    StasisEnd,
    StasisStart,
)
from stasis_offload.asterisk.ari_events import Event as AriEvent
from stasis_offload.asterisk.leg_report import UP
from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import events as ev
from stasis_offload.signalling import option_commands as opt
from stasis_offload.signalling.call_ids import CALLER
from stasis_offload.signalling.causes import Cause


def started(caller: Channel) -> ev.Started:
    """Return the event that begins the call of a caller."""
    return ev.Started(local=caller.name.startswith("Local/"), up=caller.state == UP)


def event_from_result(command: cmd.Command, *, done: bool) -> ev.Event | None:
    """Return the event for the result of a command, executed or refused; None when none is needed.

    ARI does not report why a channel cannot be created. The cause is the one chan_pjsip.c gives for an endpoint
    that it cannot reach.
    """
    match command, done:
        case cmd.Join(n), True:
            return ev.CalleeBridged(n)
        case cmd.Create(n), False:
            return ev.CreateFailed(n, Cause.NO_ROUTE_DESTINATION)
        case cmd.CreateDiverted(n), False:
            return ev.CreateFailed(n, Cause.NONE)
        case cmd.Dial(n), False:
            return ev.CalleeRejected(n, Cause.NO_ROUTE_DESTINATION)
        case opt.Play(n), False:
            return ev.Played(n)
        case opt.SendCallee(n), False:
            return ev.CalleeNotSent(n)
        case cmd.CheckForwards(), False:
            return ev.ForwardsExceeded()
        case cmd.CreateBridge(), False:
            return ev.BridgeRefused()
        case cmd.Join() | cmd.Answer(), False:
            return ev.BridgeFailed()
        case _:
            return None


def event_from_ari(event: AriEvent, leg: int) -> ev.Event | None:
    """Return the signalling event for an ARI event about a leg's channel (legs.py); None if there is none."""
    return _of_caller(event) if leg == CALLER else _of_callee(event, leg)


def _of_caller(event: AriEvent) -> ev.Event | None:
    match event:
        case StasisEnd():
            return ev.CallerLeft(0)
        case ChannelDestroyed(cause=cause):
            return ev.CallerLeft(cause)
        case HangupRequested(cause=cause):
            return ev.CallerHangingUp(cause)
        case DigitReceived(digit=digit):
            return ev.CallerSentDigit(digit)
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
        case DialChanged(state=DialState.RINGING, age=age):
            return ev.CalleeRinging(n, age)
        case DialChanged(state=DialState.PROGRESS, age=age):
            return ev.CalleeProgress(n, age)
        case Diverted(to=to, context=context, number=number):
            return ev.CalleeDiverted(n, to, context, number)
        case DialChanged(state=state):
            return _DIAL_SIGNALS[state](n)
        case _:
            return None


_DIAL_SIGNALS: Mapping[DialState, Callable[[int], ev.Event]] = {
    DialState.ANSWER: ev.CalleeAnswered,
    DialState.BUSY: partial(ev.CalleeRejected, cause=Cause.USER_BUSY),
    DialState.CONGESTION: partial(ev.CalleeRejected, cause=Cause.CONGESTION),
}
