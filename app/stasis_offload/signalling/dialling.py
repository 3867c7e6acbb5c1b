"""What happens to a callee's channel from its creation until it is dialled (app_dial.c, dial_exec_full)."""

from dataclasses import replace

from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import option_commands as opt
from stasis_offload.signalling import ringback
from stasis_offload.signalling.state import Callee, Dialing, Step


def on_created(dialing: Dialing, n: int) -> Step:
    """Dial callee n, whose channel is there, or put it into the bridge first."""
    options, diversion = dialing.request.options, dialing.diversion(n)
    dialled = dialing.with_callee(n, Callee.DIALLED)
    prepare: list[cmd.Command] = [opt.Inherit(n)] if _is_prepared(dialing, n) else []
    if diversion is not None:
        if options.forwards_wait:
            dialled = replace(dialled, deadline=None)
        prepare.append(cmd.SetDiversion(n, diversion.by, diversion.number, diversion.to))
    if options.caller_id is not None:
        prepare.append(opt.SetCallerId(n, options.caller_id))
    connected = options.connected or (options.forwards_as if diversion else None)
    if connected is not None:
        prepare.append(opt.SetConnected(n, connected, options.presentation, options.tag))
    if options.callee_sub is not None and diversion is None:
        prepare.append(opt.RunPreDialSub(n, options.callee_sub))
    # Its channel itself tells the caller who it is, as soon as that is known (chan_pjsip.c, update_initial_connected_line).
    after, commands = (dialled, (cmd.Join(n),)) if dialing.in_bridge else dial(dialled, n)
    return after, (*prepare, *commands)


def dial(dialing: Dialing, n: int) -> Step:
    """Dial callee n; with the first, begin what an option has the caller hear.

    That comes first if they are in the bridge, by which a callee's early media would overtake it.
    """
    after, begin = ringback.begin(dialing)
    commands: tuple[cmd.Command, ...] = (cmd.Dial(n, inherited=_is_prepared(dialing, n)),)
    return after, (*begin, *commands) if dialing.in_bridge else (*commands, *begin)


def _is_prepared(dialing: Dialing, n: int) -> bool:
    """Return whether callee n has what the caller's channel gives it before it is dialled, so that it can be changed."""
    return dialing.request.options.prepares_callee or dialing.diversion(n) is not None
