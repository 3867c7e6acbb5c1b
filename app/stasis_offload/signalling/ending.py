"""How a call ends (app_dial.c, wait_for_answer and dial_exec_full after the bridge): what becomes of each party, and why."""

from dataclasses import replace

from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import option_commands as opt
from stasis_offload.signalling import ringback
from stasis_offload.signalling.causes import Cause, DialStatus
from stasis_offload.signalling.state import WANTED, Callee, Dialing, Phase, Step


def refuse(dialing: Dialing, n: int, cause: int) -> Step:
    """Hang up a target that failed."""
    after, commands = wait_for_others(failed(dialing.with_callee(n, Callee.DISMISSED), cause))
    return after, (cmd.HangUp(n, cause), *commands)


def failed(dialing: Dialing, cause: int) -> Dialing:
    """Note the cause of a target that failed."""
    return replace(dialing, causes=(*dialing.causes, cause))


def wait_for_others(dialing: Dialing) -> Step:
    """Wait for the other targets after one failed; give up after the last."""
    if any(callee in WANTED or callee is Callee.HANGING_UP for callee in dialing.callees):
        return dialing, ()
    return give_up(dialing, _status(dialing))


def _status(dialing: Dialing) -> DialStatus:
    """Return DIALSTATUS when every target failed (app_dial.c, handle_cause and wait_for_answer)."""
    causes = dialing.causes
    if Cause.NO_ANSWER in causes or Cause.NORMAL_CLEARING in causes:
        return DialStatus.NOANSWER
    if dialing.forbade or Cause.USER_BUSY in causes:
        return DialStatus.BUSY
    return DialStatus.CONGESTION if Cause.CONGESTION in causes else DialStatus.CHANUNAVAIL


def give_up(
    dialing: Dialing, status: DialStatus, *, dismissed: Cause = Cause.NORMAL_CLEARING, place: str = ""
) -> Step:
    """Return the caller to the dialplan, at a place if one is given, and hang up the remaining callees with a cause."""
    # Dial() sets no cause of its own either: when no target failed, HANGUPCAUSE reads 0.
    cause = next((cause for cause in reversed(dialing.causes) if cause), 0)
    # A caller who leaves by a digit ends the others with the cause that it has (app_dial.c, hanguptreecause).
    dismissing = cause if place and cause else dismissed
    after, hang_ups = dismiss(dialing, _cancelling(dialing, dismissing))
    go_on = _continue_or_hang_up(dialing, status, cause, place)
    return replace(after, phase=Phase.ENDING, deadline=None), (*hang_ups, *ringback.end(dialing), go_on)


def leave_to_dial(dialing: Dialing) -> Step:
    """Return a caller for whom nothing could be begun to OffloadDial(), which runs Dial() after this DIALSTATUS."""
    created = (Callee.DESTROYED if callee is Callee.CREATING else callee for callee in dialing.callees)
    return give_up(replace(dialing, callees=tuple(created)), DialStatus.INVALIDARGS)


def end_by_callee(dialing: Dialing, cause: int) -> Step:
    """End an answered call because the callee left."""
    cause = cause or Cause.NORMAL_CLEARING
    after, hang_ups = dismiss(dialing, cause)
    end = (
        _continue_or_hang_up(dialing, DialStatus.ANSWER, cause)
        if dialing.request.options.go_on
        else cmd.HangUpCaller(cause)
    )
    return replace(after, phase=Phase.ENDING), (*hang_ups, end)


def release_callee(dialing: Dialing) -> Step:
    """End an answered call whose caller another program has taken: a redirect, or another bridge.

    If it is taking both, the callee is about to leave, too. Dial() hangs neither up, because its bridge waits until both
    are on their way (bridge_channel.c, BRIDGE_DUAL_REDIRECT_WAIT). So does a bridge of ours: when the first StasisEnd
    arrives, the other channel is marked or gone, and Release finds that out where it cannot change: in Asterisk.
    """
    ending, _ = dismiss(replace(dialing, phase=Phase.ENDING, deadline=None), 0)
    if dialing.winner is None or dialing.callees[dialing.winner - 1] not in WANTED:
        return ending, ()
    return (
        ending.with_callee(dialing.winner, Callee.RELEASED),
        (cmd.Release(dialing.winner, Cause.NORMAL_CLEARING),),
    )


def let_go(dialing: Dialing) -> Step:
    """End a call whose parties Asterisk has taken into a bridge of its own; the callee leaves the application, too."""
    n = dialing.winner
    after = dialing.with_callee(n, Callee.RELEASED) if n and dialing.callees[n - 1] in WANTED else dialing
    return replace(after, phase=Phase.ENDING, deadline=None), ()


def release_caller(dialing: Dialing) -> Step:
    """End an answered call whose callee another program has taken, as `release_callee` does.

    A caller that is being moved cannot be sent on in its old dialplan: ARI's continue keeps to the new place
    (pbx.c, ast_explicit_goto).
    """
    after, (*hang_ups, end) = end_by_callee(dialing, Cause.NORMAL_CLEARING)
    return after, (*hang_ups, cmd.ReleaseCaller(end.cause) if isinstance(end, cmd.HangUpCaller) else end)


def _continue_or_hang_up(dialing: Dialing, status: DialStatus, cause: int, place: str = "") -> cmd.Command:
    if dialing.caller_replaced:
        return cmd.HangUpCaller(cause or Cause.NORMAL_CLEARING)
    return cmd.ContinueInDialplan(status, cause, place)


def end_by_caller(dialing: Dialing, cause: int) -> Step:
    """End a call because the caller left."""
    dialing, send = send_on(dialing)
    after, hang_ups = dismiss(dialing, _cancelling(dialing, cause or Cause.NORMAL_CLEARING))
    return replace(after, phase=Phase.ENDING, deadline=None, hearing=frozenset()), (
        *(opt.StopPlaying(leg) for leg in sorted(dialing.hearing)),
        *send,
        *hang_ups,
    )


def end_by_digits(dialing: Dialing) -> Step:
    """End an answered call because a party asked for that by digits."""
    dialing, send = send_on(dialing)
    after, commands = end_by_callee(dialing, Cause.NORMAL_CLEARING)
    return after, (*send, *commands)


def send_on(dialing: Dialing) -> Step:
    """Send a callee that is in the conversation to where option F says, if it does."""
    n, place = dialing.winner, dialing.request.options.callee_goes_to
    if n and place and dialing.phase is Phase.TALKING and dialing.callees[n - 1] is Callee.DIALLED:
        return dialing.with_callee(n, Callee.SENT_ON), (opt.SendCallee(n, place),)
    return dialing, ()


def _cancelling(dialing: Dialing, cause: int) -> int:
    """Return the cause for targets that have not answered (option c), or that of an answered call."""
    elsewhere = dialing.phase is Phase.DIALING and dialing.request.options.answered_elsewhere
    return Cause.ANSWERED_ELSEWHERE if elsewhere else cause


def dismiss(
    dialing: Dialing, cause: int, *, keep: int | None = None
) -> tuple[Dialing, tuple[cmd.HangUp, ...]]:
    """Hang up every callee but one. Skip those that are hanging up: a request would change their cause."""
    after, hang_ups = dialing, []
    for n, callee in enumerate(dialing.callees, start=1):
        if callee in WANTED and n != keep:
            after = after.with_callee(n, Callee.DISMISSED)
            hang_ups.append(cmd.HangUp(n, cause))
    return after, tuple(hang_ups)


def hang_up_late(n: int) -> cmd.HangUp:
    """Return the command for a target that is there too late."""
    return cmd.HangUp(n, Cause.NORMAL_CLEARING)


def end_when_empty(dialing: Dialing, commands: tuple[cmd.Command, ...]) -> Step:
    """End the call once neither the caller nor a callee is left."""
    # Not earlier: destroying a bridge gives the channels in it a hang-up cause of its own (bridge.c).
    empty = not dialing.caller_here and all(callee is Callee.DESTROYED for callee in dialing.callees)
    if dialing.phase is not Phase.ENDING or not empty:
        return dialing, commands
    return replace(dialing, phase=Phase.OVER), (*commands, cmd.DestroyBridge())
