"""Call forwarding by a callee (SIP 302), followed as Dial() does (app_dial.c, do_forward).

Asterisk announces it in a Dial event and hangs the channel up (bridge_channel.c, bridge_handle_trip), so that nothing can
be asked of it any more. What Dial() reads there our module has noted; of a caller in Stasis() itself, for which it notes
nothing, it is taken from the event and from the caller.
"""

from dataclasses import replace

from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import ending
from stasis_offload.signalling import events as ev
from stasis_offload.signalling.causes import Cause, DialStatus
from stasis_offload.signalling.state import Callee, Dialing, Diversion, Phase, Step

# What a call may be forwarded in all: Asterisk's limit for forwards from dialplan to dialplan (max_forwards.c), which count
# for themselves. Dial() has none for targets that forward by a technology of their own.
MAX_DIVERSIONS = 20


def is_exhausted(max_forwards: str | None) -> bool:
    """Return whether a caller may not dial once more, by its CHANNEL(max_forwards); None if that is not known.

    Each channel that ARI dials, and each Local channel that it dials, has one less (max_forwards.c).
    """
    left = max_forwards or ""
    return left.removeprefix("-").isdecimal() and int(left) <= 0


def endpoint_of(to: str, context: str) -> str:
    """Return what is dialled, as `TECH/resource`, where a callee forwards to: a number is one of a context."""
    return to if "/" in to else f"Local/{to}@{context}"


def is_local(to: str) -> bool:
    """Return whether a Local channel goes where a callee forwards to."""
    return "/" not in to or to.upper().startswith("LOCAL/")


def follow(dialing: Dialing, event: ev.CalleeDiverted) -> Step:
    """Replace the callee by a new one, if the call may be forwarded; the caller is rung again when that rings.

    Where option i forbids it Dial() counts the callee as busy, and has no cause of it.
    """
    by = event.n
    if dialing.request.options.no_forwarding:
        return ending.refuse(replace(dialing, forbade=True), by, Cause.NONE)
    if len(dialing.diversions) == MAX_DIVERSIONS:
        return ending.refuse(dialing, by, Cause.USER_BUSY)
    n = len(dialing.callees) + 1
    diverted = replace(
        dialing.with_callee(by, Callee.DISMISSED),
        diversions=(*dialing.diversions, Diversion(n=n, by=by, number=event.number, to=event.to)),
        ringing=False,
    )
    after = replace(diverted, callees=(*diverted.callees, Callee.CREATING))
    # The dialplan that a Local channel runs may tell the caller whatever it wants.
    withholds = "" if is_local(event.to) else dialing.request.options.withholds
    return after, (
        cmd.CreateDiverted(n, by, event.to, event.context, withholds),
        cmd.HangUp(by, Cause.REDIRECTED),
    )


def refuse(dialing: Dialing) -> Step:
    """Refuse to dial as Dial() does after too many forwards (app_dial.c, dial_exec_full): BUSY, and the caller is hung up.

    As if there were no target: none has a channel yet, or will have one.
    """
    ending = replace(dialing, callees=(), phase=Phase.ENDING, deadline=None)
    return ending, (cmd.SetStatus(DialStatus.BUSY), cmd.HangUpCaller(Cause.NONE))
