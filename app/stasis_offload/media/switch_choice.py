"""By which of several switches a call is learned, and carried then: all show it, and one is enough.

It is the one by which the call was learned last, or the first that is connected; if its tables are full, or it cannot do what
the call needs, the first that has room, or can. When another shows all that this one does, and has shown more for a while, that
one takes its place. So nobody has to say which call passes which switch; of two that see the whole call, one behind the other,
the first in the operator's order has it.
"""

from collections.abc import Mapping
from dataclasses import replace

from stasis_offload.media import events as ev
from stasis_offload.media.eligibility import needs_sizes
from stasis_offload.media.path import Direction, Leg, ObservedPacket, Shown
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.relaying import Step
from stasis_offload.media.starting import start_learning
from stasis_offload.media.state import NOT_NATIVE, Phase, Placement, State

# Seconds. Packets that pass two switches are shown by both within milliseconds of each other, unless one is busy.
HEAD_START = 0.2


def is_elsewhere(placement: Placement, packet: ObservedPacket) -> bool:
    """Return whether another switch than that by which the call is learned has shown a packet."""
    return packet.headers.in_port.switch != placement.switch


def at_connected(placement: Placement, event: ev.LegsReported) -> Placement:
    """Have a call learned by a switch that is connected, if there is one; if it is not learned yet, by one that can carry it and has room."""
    switch, needs = placement.switch, needs_sizes(placement.featured, event.by_leg)
    if switch not in event.switches or placement.state is State.RELAYED:
        preferred = sorted(
            (needs and not splits, each in event.full, each != switch, each)
            for each, splits in event.switches.items()
        )
        switch = preferred[0][-1] if preferred else switch
    splits = event.switches.get(switch, placement.splits)
    if switch == placement.switch:
        return replace(placement, splits=splits)
    return replace(placement, switch=switch, splits=splits, withheld={})


def note_elsewhere(placement: Placement, shown: Shown, packet: ObservedPacket, now: float) -> Step:
    """Record what another switch has shown; start again at the first that has shown more than is observed, for a while."""
    switch = packet.headers.in_port.switch
    since = placement.shown_elsewhere.get(switch, {})
    elsewhere = {**placement.shown_elsewhere, switch: {**since, shown: since.get(shown, now)}}
    noted = replace(placement, shown_elsewhere=elsewhere)
    more = [number for number, since in sorted(elsewhere.items()) if _shown(noted) < since.keys()]
    if not any(_is_ahead(noted, elsewhere[number], now) for number in more):
        return noted, ()
    moved = replace(noted, switch=max(more, key=lambda number: len(elsewhere[number])), withheld={})
    return start_learning(moved, placement.reports, now, soon=placement.reason == NOT_NATIVE)


def why_apart(placement: Placement, now: float) -> Reason | None:
    """Return that some of the call passes another switch alone, if that is known: of a dormant call it is not."""
    if placement.phase is Phase.DORMANT:
        return None
    apart = any(_is_ahead(placement, since, now) for since in placement.shown_elsewhere.values())
    return Reason(ReasonKind.DIFFERENT_SWITCHES) if apart else None


def _is_ahead(placement: Placement, since: Mapping[Shown, float], now: float) -> bool:
    """Return whether a switch has shown for a while what the one by which the call is learned has not."""
    own = _shown(placement)
    return any(shown not in own and now - at >= HEAD_START for shown, at in since.items())


def _shown(placement: Placement) -> frozenset[Shown]:
    """Return what the switch by which the call is learned has shown; of a dormant call it is to show one packet."""
    if placement.phase is Phase.DORMANT:
        return frozenset()
    sent = {(Direction.IN, leg) for leg in Leg if leg in placement.last_packets}
    return frozenset(sent | {(Direction.OUT, leg) for leg in Leg if leg in placement.relayed_packets})
