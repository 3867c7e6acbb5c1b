"""What comes between the callee's answer and the conversation (app_dial.c, dial_exec_full after wait_for_answer)."""

from dataclasses import replace

from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import option_commands as opt
from stasis_offload.signalling import ringback, time_limit
from stasis_offload.signalling.call_ids import CALLER
from stasis_offload.signalling.causes import Cause, DialStatus
from stasis_offload.signalling.diversion import is_local
from stasis_offload.signalling.option_arguments import Place
from stasis_offload.signalling.state import Callee, Dialing, Phase, Step

# GOSUB_RESULT: the caller continues in the dialplan with this DIALSTATUS, and the callee is hung up.
_GOES_ON = {
    "BUSY": DialStatus.BUSY,
    "CONGESTION": DialStatus.CONGESTION,
    "CHANUNAVAIL": DialStatus.CHANUNAVAIL,
    "CONTINUE": DialStatus.ANSWER,
}
_GOTO = "GOTO:"


def answer(dialing: Dialing, n: int, now: float, *, picked_up: bool) -> Step:
    """Begin what options have Asterisk do before callee n, who answered or picked up, is bridged to the caller.

    If both are in the bridge already, and it has no answer to pass on, it would not bridge natively by itself
    (bridge_channel.c, bridge_channel_handle_control). Whoever left and came back would have one more CDR.

    The bridge has told the caller who the callee is, but not who picked up.
    """
    options = dialing.request.options
    end: tuple[cmd.Command, ...] = (opt.RunHAtEnd(n),) if options.runs_h and not options.part_at else ()
    if picked_up or not (dialing.in_bridge or _withholds(dialing, n)):
        end = (*end, cmd.TellCaller(n))
    if dialing.in_bridge:
        after, commands = on_bridged(dialing, n, now)
        begin = (*ringback.end(dialing), cmd.Answer(bridged=True)) if picked_up or dialing.caller_up else ()
        return after, (*end, *begin, *_limit(dialing, n), *commands)
    begin = (*end, cmd.Answer()) if options.answer_first else end
    if options.delays_answer:
        begin = (cmd.SetStatus(DialStatus.ANSWER), *begin, opt.Unbridge(n))
    files = tuple(
        opt.Play(leg, (f"sound:{file}",))
        for leg, file in zip((n, CALLER), options.files, strict=True)
        if file
    )
    if files:
        return replace(dialing, hearing=frozenset(file.n for file in files)), (*begin, *files)
    after, commands = _after_files(dialing, n)
    return after, (*begin, *commands)


def _withholds(dialing: Dialing, n: int) -> bool:
    """Return whether the caller is not to be told who callee n is: option I, but for a Local channel forwarded to."""
    forwarded = dialing.diversion(n)
    return dialing.request.options.no_updates and not (forwarded and is_local(forwarded.to))


def on_bridged(dialing: Dialing, n: int, now: float) -> Step:
    """Begin the conversation."""
    after, commands = time_limit.begin(dialing, now)
    # The media starts after an announcement.
    start = () if after.hearing else (cmd.StartMedia(n),)
    return after, (cmd.SetStatus(DialStatus.ANSWER), *start, *commands)


def on_played(dialing: Dialing, n: int, leg: int) -> Step:
    """Go on when the last file was played."""
    after = replace(dialing, hearing=dialing.hearing - {leg})
    return (after, ()) if after.hearing else _after_files(after, n)


def on_sub_returned(dialing: Dialing, n: int, result: str) -> Step:
    """Do what the callee's subroutine says: by default the two are bridged."""
    word = result.upper()
    status = _GOES_ON.get(word)
    place = result[len(_GOTO) :] if word.startswith(_GOTO) else ""
    if place or (word == "ABORT" and dialing.request.options.go_on):
        status = DialStatus.ANSWER
    if status is None and word != "ABORT":
        return _bridge(dialing, n)
    cause = Cause.NORMAL_CLEARING
    end = cmd.HangUpCaller(cause) if status is None else cmd.ContinueInDialplan(status, cause, place)
    ended = replace(dialing.with_callee(n, Callee.DISMISSED), phase=Phase.ENDING)
    return ended, (*ringback.end(dialing), cmd.HangUp(n, cause), end)


def _after_files(dialing: Dialing, n: int) -> Step:
    sub, place = dialing.request.options.answer_sub, dialing.request.options.part_at
    if place:
        return _part(dialing, n, place)
    return (dialing, (opt.RunAnswerSub(n, sub),)) if sub else _bridge(dialing, n)


def _part(dialing: Dialing, n: int, place: Place) -> Step:
    """Send both on in the dialplan."""
    context, exten, priority = place
    go_on = cmd.ContinueInDialplan(DialStatus.ANSWER, Cause.NORMAL_CLEARING, "^".join(place))
    send = opt.SendCallee(n, (context, exten, str(int(priority) + 1)))
    return replace(dialing.with_callee(n, Callee.SENT_ON), phase=Phase.ENDING), (go_on, send)


def _bridge(dialing: Dialing, n: int) -> Step:
    digits = zip((n, CALLER), dialing.request.options.digits, strict=True)
    join = cmd.Join(n)
    sends = (opt.SendDigits(leg, text) for leg, text in digits if text)
    return dialing, (*_limit(dialing, n), *sends, *ringback.end(dialing), cmd.Answer(), join)


def _limit(dialing: Dialing, n: int) -> tuple[cmd.Command, ...]:
    seconds = time_limit.silent(dialing)
    return () if seconds is None else (opt.SetTimeLimit(n, seconds),)
