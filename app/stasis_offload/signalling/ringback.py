"""What the caller is sent until the answer (app_dial.c, wait_for_answer): ringing, early media, or music of an option."""

from dataclasses import replace

from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import option_commands as opt
from stasis_offload.signalling.state import Dialing, Step


def begin(dialing: Dialing) -> Step:
    """Begin what an option asks for, once the first target is dialled."""
    options = dialing.request.options
    if dialing.entertained:
        return dialing, ()
    if options.music is not None:
        return replace(dialing, entertained=True), (opt.StartMusic(options.music),)
    if options.tone is not None:
        return replace(dialing, entertained=True), (opt.StartTone(options.tone),)
    if options.ring_at_once:
        return replace(dialing, entertained=True), (cmd.Ring(),)
    return dialing, ()


def on_ringing(dialing: Dialing) -> Step:
    """Pass on the first ringing of a callee, even if an option has the caller ring already."""
    options = dialing.request.options
    if dialing.ringing or options.music is not None or options.tone is not None:
        return dialing, ()
    return replace(dialing, ringing=True), () if dialing.in_bridge else (cmd.Ring(),)


def on_progress(dialing: Dialing) -> Step:
    """Pass on a callee's early media: in the bridge it passes by itself, else nothing but its announcement does.

    Where the only target is outside the bridge because of what comes before the conversation, Dial() would pass it on,
    and the announcement would have the caller hear nothing: it is sent ringing.
    """
    options = dialing.request.options
    if dialing.in_bridge or dialing.ringing or options.ring_only:
        return dialing, ()
    if options.delays_answer and len(dialing.callees) == 1:
        return on_ringing(dialing)
    return dialing, (cmd.Progress(),)


def end(dialing: Dialing) -> tuple[cmd.Command, ...]:
    """Stop what the caller is sent."""
    if dialing.entertained and dialing.request.options.music is not None:
        return (opt.StopMusic(),)
    return (cmd.StopRing(),) if dialing.ringing or dialing.entertained else ()
