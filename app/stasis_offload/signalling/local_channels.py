"""Two calls of ours that a Local channel pair joins can become one: the far legs in one bridge, and the pair gone.

So a transfer to an extension that runs Stasis(offload) again, or between two calls of ours, ends as a call that the
switch can carry. Asterisk itself never optimizes a Local pair out of a Stasis bridge: such a bridge forbids to be
merged or swapped with (res/res_stasis.c, bridge_create_common; main/bridge.c, ast_bridge_unreal_optimize_out).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stasis_offload.asterisk.leg_report import PARTIES, UP, LegReport

Parties = Mapping[int, str]
"""The names of the two channels of an answered call, by their legs (legs.py)."""


@dataclass(frozen=True, slots=True)
class LocalPair:
    """Where two calls hang together: leg `near_leg` of call `near` is the half `;1` of the pair, `far_leg` its `;2`."""

    near: str
    near_leg: int
    far: str
    far_leg: int


def find_local_pair(call: str, parties: Parties, others: Iterable[tuple[str, Parties]]) -> LocalPair | None:
    """Return the Local pair that joins a call with one of the others, if there is one; each call by its id.

    The others are looked at only when a leg of the call is a Local channel.
    """
    halves = {half: leg for leg, name in parties.items() if (half := _other_half(name))}
    if not halves:
        return None
    for other, names in others:
        for other_leg, name in names.items():
            if name in halves:
                mine, theirs = (call, halves[name]), (other, other_leg)
                near, far = (theirs, mine) if name.endswith(";1") else (mine, theirs)
                return LocalPair(*near, *far)
    return None


def can_optimize(*bridges: Iterable[LegReport]) -> bool:
    """Whether each of two bridges, as the module reports them, holds an answered call of two and nothing else.

    A third party would be left alone, and a recording of the Local channel would end (for which Asterisk, too, leaves
    such a pair in place: main/bridge.c, optimize_lock_chan_stack).
    """
    return all(
        len(legs) == PARTIES
        and all(leg.state == UP and leg.bridge_channels == PARTIES and not leg.audio_hook for leg in legs)
        for legs in map(tuple, bridges)
    )


def _other_half(name: str) -> str | None:
    """Return the name of a Local channel's other half (main/core_unreal.c, ast_unreal_new_channels)."""
    stem, half = name[:-2], name[-2:]
    other = {";1": ";2", ";2": ";1"}.get(half)
    return stem + other if other and name.startswith("Local/") else None
