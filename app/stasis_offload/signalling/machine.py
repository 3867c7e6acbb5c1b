"""Dial()'s rules for one call. Every change of a call's signalling state happens in `step`.

Each row of the table does what Dial() does (app_dial.c), with one difference: a single PJSIP target is dialled
inside the call's bridge, so that ringing, early media and the answer reach the caller through it. A target of any
other technology may send a busy frame, which a bridge would pass on to the caller as the final answer
(bridge_channel.c, bridge_handle_trip). It is dialled outside the bridge, as several targets are.
"""

from dataclasses import replace

from stasis_offload.signalling import answering, dialling, diversion, ending, parking, ringback, time_limit
from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import events as ev
from stasis_offload.signalling import option_commands as opt
from stasis_offload.signalling.call_ids import CALLER
from stasis_offload.signalling.causes import Cause, DialStatus
from stasis_offload.signalling.durations import note_first_signal
from stasis_offload.signalling.state import Callee, Dialing, Phase, Step


def step(dialing: Dialing, event: ev.Event, now: float) -> Step:
    """Return the call after an event, and the commands to execute; `now` in seconds.

    Whatever happens, EndMedia precedes the first command that ends a channel of the conversation or its bridge, and
    ReturnMedia one that ends a replaced channel: flows that outlive a channel would forward packets to a port that may
    already be another call's.
    """
    after, commands = _transition(dialing, event, now)
    after, durations = note_first_signal(dialing, event, after)
    return after, _media_first(after, (*commands, *durations))


def returns_media(dialing: Dialing, event: ev.Event) -> bool:
    """Return whether the media returns to Asterisk at once, before `step` processes the event: a leg is leaving.

    It may still be replaced; the conversation then goes on with StartMedia.
    """
    match event:
        case ev.CallerHangingUp() | ev.CallerLeft():
            return True
        case ev.CalleeHangingUp(n) | ev.CalleeLeftStasis(n) | ev.CalleeDestroyed(n):
            return n == dialing.winner
        case _:
            return False


def supersedes(newer: ev.Event, older: ev.Event) -> bool:
    """Return whether an event makes an earlier one needless that has yet to be processed: nothing is begun for a caller who has left."""
    return isinstance(newer, ev.CallerLeft) and isinstance(older, ev.Started)


def _media_first(dialing: Dialing, commands: tuple[cmd.Command, ...]) -> tuple[cmd.Command, ...]:
    for at, command in enumerate(commands):
        match command:
            case cmd.HangUp(n) if n != dialing.winner:
                pass  # a target that is not in the conversation
            case (
                cmd.HangUp()
                | cmd.HangUpCaller()
                | cmd.Release()
                | cmd.ReleaseCaller()
                | cmd.ContinueInDialplan()
                | opt.SendCallee()
                | cmd.DestroyBridge()
            ):
                return *commands[:at], cmd.EndMedia(), *commands[at:]
            case cmd.HangUpReplaced():
                return *commands[:at], cmd.ReturnMedia(), *commands[at:]
            case _:
                pass
    return commands


def _transition(dialing: Dialing, event: ev.Event, now: float) -> Step:  # noqa: PLR0912, PLR0915 - a table
    """Apply the first row of the table that matches.

    An event without a row is late or a duplicate and changes nothing: a callee answers while it is being
    cancelled, a caller hangs up while a channel is being created.
    """
    after: Step
    match dialing.phase, dialing.callee(event), event:
        case Phase.OVER, _, ev.CalleeEnteredStasis(n) | ev.CalleeAnswered(n):
            return dialing, (ending.hang_up_late(n),)
        case Phase.OVER, _, _:
            return dialing, ()
        case _, _, ev.LimitSoundsRead():
            after = replace(dialing, limit_sounds=event), ()
        case Phase.NEW, _, ev.Started(local, up):
            after = _start(replace(dialing, caller_up=up), now, local=local)
        case Phase.DIALING, _, ev.CallerHangingUp(cause):
            after = ending.end_by_caller(dialing, cause)
        case Phase.TALKING, _, ev.CallerHangingUp(cause):
            # If it has just requested a transfer, its replacement is announced before its channel ends.
            after = replace(dialing, caller_cause=cause), ()
        case Phase.TALKING, _, ev.HandOver(begun):
            after = replace(dialing, handed_over=begun), ()
        case Phase.TALKING, Callee.DIALLED, ev.CalleeLeftStasis(n) if (
            n == dialing.winner and dialing.handed_over
        ):
            after = ending.let_go(dialing.with_callee(n, Callee.DESTROYED))
        case Phase.TALKING, _, ev.CallerLeft(0) if dialing.handed_over:
            after = ending.let_go(replace(dialing, caller_here=False))
        case Phase.TALKING, _, ev.ParkAsked(leg):
            after = parking.ask(dialing, leg, now)
        case Phase.TALKING, _, ev.LeftBridge(leg) if leg == dialing.parker and parking.is_parked(dialing):
            after = parking.end(dialing)
        case Phase.TALKING, _, ev.DialTimedOut() if parking.is_parked(dialing):
            after = parking.end(dialing)
        case Phase.TALKING, _, ev.CallerLeft(0) if parking.parks(dialing, dialing.winner, now):
            after = parking.await_parker(replace(dialing, caller_here=False), now)
        case Phase.TALKING, Callee.DIALLED, ev.CalleeLeftStasis(n) if n == dialing.winner and parking.parks(
            dialing, CALLER, now
        ):
            after = parking.await_parker(dialing.with_callee(n, Callee.DESTROYED), now)
        case Phase.TALKING, _, ev.CallerLeft(0) if dialing.caller_cause is None:
            after = ending.release_callee(replace(dialing, caller_here=False))
        case _, _, ev.CallerLeft(cause):
            after = ending.end_by_caller(
                replace(dialing, caller_here=False), cause or dialing.caller_cause or 0
            )
        case Phase.DIALING, _, ev.DialTimedOut():
            after = ending.give_up(dialing, DialStatus.NOANSWER, dismissed=Cause.NO_ANSWER)
        case Phase.DIALING, _, ev.CallerSentDigit(digit) if dialing.request.options.digit_exits:
            after = dialing, (opt.FindExit(digit),)
        case Phase.DIALING, _, ev.DisconnectAsked():
            after = ending.give_up(dialing, DialStatus.CANCEL)
        case Phase.TALKING, _, ev.DisconnectAsked():
            after = ending.end_by_digits(dialing)
        case Phase.DIALING, _, ev.ExitFound(place):
            after = ending.give_up(dialing, DialStatus.CANCEL, place=place)
        case Phase.DIALING, _, ev.BridgeRefused():
            after = ending.leave_to_dial(dialing)
        case Phase.DIALING, _, ev.BridgeFailed():
            after = ending.give_up(ending.failed(dialing, Cause.CONGESTION), DialStatus.CONGESTION)
        case Phase.DIALING, Callee.CREATING, ev.CalleeEnteredStasis(n):
            after = dialling.on_created(dialing, n)
        case Phase.DIALING, Callee.DIALLED, ev.CalleeBridged(n):
            after = dialling.dial(dialing, n)
        case Phase.DIALING, Callee.DIALLED, ev.CalleeRinging():
            after = ringback.on_ringing(dialing)
        case Phase.DIALING, Callee.DIALLED, ev.CalleeProgress():
            after = ringback.on_progress(dialing)
        case Phase.DIALING, Callee.DIALLED, ev.CalleeAnswered(n):
            after = _connect(dialing, n, now)
        case Phase.DIALING, Callee.CREATING, ev.CreateFailed(n, cause):
            after = ending.wait_for_others(ending.failed(dialing.with_callee(n, Callee.DESTROYED), cause))
        case Phase.DIALING, Callee.DIALLED, ev.CalleeRejected(n, cause):
            after = ending.refuse(dialing, n, cause)
        case Phase.DIALING, Callee.DIALLED | Callee.HANGING_UP, ev.CalleeDiverted():
            after = diversion.follow(dialing, event)
        case Phase.DIALING, _, ev.ForwardsExceeded():
            after = diversion.refuse(dialing)
        case Phase.DIALING, Callee.DIALLED, ev.CalleeLeftStasis(n):
            # It could not be dialled, and Asterisk sends it into the dialplan (control.c, app_control_dial). Dial() has no
            # cause for where it was forwarded to (app_dial.c, do_forward).
            after = ending.refuse(
                dialing, n, Cause.NONE if dialing.diversion(n) else Cause.NO_ROUTE_DESTINATION
            )
        case Phase.DIALING, Callee.CREATING | Callee.DIALLED | Callee.HANGING_UP, ev.CalleeDestroyed(
            n, cause
        ):
            after = ending.wait_for_others(ending.failed(dialing.with_callee(n, Callee.DESTROYED), cause))
        case Phase.TALKING, _, ev.Played(leg) if leg in dialing.hearing and dialing.ends is not None:
            after = time_limit.on_played(dialing, leg)
        case Phase.TALKING, _, ev.Played(leg) if leg in dialing.hearing and dialing.winner:
            after = answering.on_played(dialing, dialing.winner, leg)
        case Phase.TALKING, _, ev.DialTimedOut() if dialing.ends is not None:
            after = time_limit.on_deadline(dialing, now)
        case Phase.TALKING, Callee.DIALLED, ev.SubReturned(n, result) if n == dialing.winner:
            after = answering.on_sub_returned(dialing, n, result)
        case Phase.TALKING, Callee.DIALLED, ev.CalleeBridged(n) if n == dialing.winner:
            after = answering.on_bridged(dialing, n, now)
        case Phase.TALKING, _, ev.CallerReplaced(old, joined) if dialing.winner:
            after = _replace_leg(
                replace(dialing, caller_replaced=True, caller_cause=None), dialing.winner, old, joined=joined
            )
        case Phase.TALKING, Callee.DIALLED | Callee.HANGING_UP, ev.CalleeReplaced(n, old, joined) if (
            n == dialing.winner
        ):
            after = _replace_leg(dialing.with_callee(n, Callee.DIALLED), n, old, joined=joined)
        case Phase.DIALING, Callee.DIALLED | Callee.HANGING_UP, ev.CalleePickedUp(n, old):
            after = _connect(dialing.with_callee(n, Callee.DIALLED), n, now, picked_up=old)
        case Phase.TALKING, _, ev.CalleePickedUp(n, old) if n == dialing.winner:
            after = _replace_leg(dialing.with_callee(n, Callee.DIALLED), n, old, joined=False)
        case Phase.DIALING, _, ev.CallerReplaced(old):
            after = replace(dialing, caller_replaced=True), (cmd.HangUpReplaced(old),)
        case Phase.DIALING, Callee.DIALLED | Callee.HANGING_UP, ev.CalleeReplaced(n, old):
            after = dialing.with_callee(n, Callee.DIALLED), (cmd.HangUpReplaced(old),)
        case _, _, ev.CallerReplaced():
            # Too late: the call is ending, and the replacement is hung up as well.
            after = replace(dialing, caller_here=True), (cmd.HangUpCaller(Cause.NORMAL_CLEARING),)
        case _, Callee(), ev.CalleeReplaced(n) | ev.CalleePickedUp(n):
            after = dialing.with_callee(n, Callee.DISMISSED), (ending.hang_up_late(n),)
        case Phase.TALKING, _, ev.BridgeFailed():
            # A callee that hangs up before the two are bridged ends the call like any other.
            delayed = dialing.request.options.delays_answer
            after = ending.end_by_callee(dialing, Cause.NORMAL_CLEARING if delayed else Cause.CONGESTION)
        case Phase.TALKING, Callee.DIALLED, ev.CalleeLeftStasis(n) if n == dialing.winner:
            after = ending.release_caller(dialing.with_callee(n, Callee.DESTROYED))
        case Phase.TALKING, Callee.DIALLED | Callee.HANGING_UP, ev.CalleeDestroyed(n, cause) if (
            n == dialing.winner
        ):
            after = ending.end_by_callee(dialing.with_callee(n, Callee.DESTROYED), cause)
        case _, Callee.SENT_ON, ev.CalleeLeftStasis(n):
            after = dialing.with_callee(n, Callee.DESTROYED), ()
        case _, Callee.SENT_ON, ev.CalleeNotSent(n):
            after = dialing.with_callee(n, Callee.DISMISSED), (ending.hang_up_late(n),)
        case _, Callee.CREATING | Callee.DIALLED, ev.CalleeHangingUp(n):
            after = dialing.with_callee(n, Callee.HANGING_UP), ()
        case _, Callee.DISMISSED, ev.CalleeAnswered(n):
            after = dialing, (ending.hang_up_late(n),)
        case _, Callee.DISMISSED | Callee.DESTROYED, ev.CalleeEnteredStasis(n):
            # A channel that was hung up, or whose creation seemed to have failed, exists after all.
            after = dialing.with_callee(n, Callee.DISMISSED), (ending.hang_up_late(n),)
        case _, Callee.RELEASED, ev.CalleeLeftStasis(n):
            after = dialing.with_callee(n, Callee.DESTROYED), ()
        case _, Callee(), ev.CalleeDestroyed(n) | ev.CreateFailed(n):
            after = dialing.with_callee(n, Callee.DESTROYED), ()
        case _:
            return dialing, ()
    return ending.end_when_empty(*after)


def _start(dialing: Dialing, now: float, *, local: bool) -> Step:
    request = dialing.request
    started = replace(
        dialing,
        phase=Phase.DIALING,
        callees=(Callee.CREATING,) * len(request.targets),
        deadline=None if request.timeout is None else now + request.timeout,
    )
    withholds = request.options.withholds
    creates = (cmd.Create(n, endpoint, withholds) for n, endpoint in enumerate(request.targets, start=1))
    # A caller who hangs up is already in the h extension when the event arrives, and variables can no longer be set.
    # Until a callee answers, h must read CANCEL.
    reset = (opt.ResetCdr(),) if request.options.reset_cdr else ()
    sub = (opt.RunSub(CALLER, request.options.caller_sub),) if request.options.caller_sub else ()
    sounds = (opt.ReadLimitSounds(),) if request.options.announced_limit else ()
    leave = (cmd.LeavePickupGroups(),) if started.in_bridge else ()
    # Forwards from dialplan to dialplan pass through a Local channel each.
    check = (cmd.CheckForwards(),) if local else ()
    status = cmd.SetStatus(DialStatus.CANCEL)
    # Before anything else: a caller for whom there is none is left to Dial() as if it had never been here.
    bridge = cmd.CreateBridge()
    return started, (status, bridge, *check, *sounds, *reset, *sub, *creates, *leave)


def _connect(dialing: Dialing, n: int, now: float, *, picked_up: str | None = None) -> Step:
    """Connect the caller to callee n, who answered, or who picked up what rang at the channel `picked_up`.

    Asterisk puts the latter in the place of that channel, where it rang in no bridge of ours too; and of an INVITE with
    Replaces the bridge passes on no answer. The phone that rang is told that the call is answered elsewhere, as pickup.c
    does.
    """
    others, hang_ups = ending.dismiss(dialing, dialing.request.options.dismiss_cause, keep=n)
    talking = replace(others, phase=Phase.TALKING, winner=n, deadline=None)
    rang = () if picked_up is None else (cmd.HangUpReplaced(picked_up, Cause.ANSWERED_ELSEWHERE),)
    after, commands = answering.answer(talking, n, now, picked_up=picked_up is not None)
    return after, (*hang_ups, *rang, *commands)


def _replace_leg(dialing: Dialing, n: int, old: str, *, joined: bool) -> Step:
    """Continue with the replacement channel; hang up the channel that left by a transfer, as Dial() does."""
    return dialing, (cmd.HangUpReplaced(old), cmd.StartMedia(n) if joined else cmd.Join(n, silent=False))
