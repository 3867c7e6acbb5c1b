"""RINGTIME and PROGRESSTIME: how long after its creation the first callee rang, and sent early media."""

from dataclasses import replace

from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import events as ev
from stasis_offload.signalling.state import Dialing, Phase


def note_first_signal(
    before: Dialing, event: ev.Event, after: Dialing
) -> tuple[Dialing, tuple[cmd.Command, ...]]:
    """Return the call, and the duration to set, if the event is the first of its kind while the call is dialled.

    Later ones, of the same callee or another, change nothing (app_dial.c, wait_for_answer, sent_ring and sent_progress).
    """
    if before.phase is not Phase.DIALING:
        return after, ()
    match event:
        case ev.CalleeRinging(age=float(age)) if not before.rang:
            return replace(after, rang=True), (cmd.SetDuration("RINGTIME", age),)
        case ev.CalleeProgress(age=float(age)) if not before.progressed:
            return replace(after, progressed=True), (cmd.SetDuration("PROGRESSTIME", age),)
        case _:
            return after, ()
