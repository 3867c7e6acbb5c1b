"""Calls in the signalling machine: requests, what happens to them, and what the last event commanded."""

from stasis_offload.signalling import commands as cmd
from stasis_offload.signalling import events as ev
from stasis_offload.signalling.dial_args import DialRequest
from stasis_offload.signalling.machine import step
from stasis_offload.signalling.state import Dialing

NOW = 100.0
ONE = DialRequest(("PJSIP/555@peer",))
TWO = DialRequest(("PJSIP/555@peer", "PJSIP/556@peer"))
CALLED = (ev.CalleeEnteredStasis(1), ev.CalleeBridged(1))
TALKING = (*CALLED, ev.CalleeAnswered(1))
BOTH_CALLED = (ev.CalleeEnteredStasis(1), ev.CalleeEnteredStasis(2))


def after(request: DialRequest, *events: ev.Event) -> tuple[Dialing, list[cmd.Command]]:
    """Run events from the start of a call; return the call, and what the last event commanded."""
    dialing = Dialing(request)
    commands: tuple[cmd.Command, ...] = ()
    for event in (ev.Started(), *events):
        dialing, commands = step(dialing, event, NOW)
    return dialing, list(commands)
