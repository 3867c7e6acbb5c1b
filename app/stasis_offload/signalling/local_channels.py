"""Finds two calls joined by a Local channel pair, which can be merged: the far legs in one bridge, without the pair.

A transfer to an extension that runs Stasis(offload) again, or between two of our calls, thus ends as a call that the
switch can forward. Asterisk never optimizes a Local pair out of a Stasis bridge, because such a bridge prohibits
merges and swaps (res/res_stasis.c, bridge_create_common; main/bridge.c, ast_bridge_unreal_optimize_out).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stasis_offload.asterisk.leg_report import PARTIES, UP, LegReport

Parties = Mapping[int, str]
"""The names of the two channels of an answered call, by their legs (legs.py)."""


@dataclass(frozen=True, slots=True)
class LocalPair:
    """The two ends of a Local pair: leg `near_leg` of call `near` is its half `;1`, `far_leg` of `far` its `;2`."""

    near: str
    near_leg: int
    far: str
    far_leg: int


def find_local_pair(call: str, parties: Parties, others: Iterable[tuple[str, Parties]]) -> LocalPair | None:
    """Return the Local pair that joins a call to one of the others, or None; calls are given by id.

    The others are iterated only when a leg of the call is a Local channel.
    """
    halves = {half: leg for leg, name in parties.items() if (half := other_half(name))}
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
    """Return whether each of two bridges, as reported by the module, has two answered channels and nothing else.

    A third party would be left alone, and a recording of the Local channel would end. Asterisk keeps such a pair for
    the same reason (main/bridge.c, optimize_lock_chan_stack).
    """
    return all(
        len(legs) == PARTIES
        and all(leg.state == UP and leg.bridge_channels == PARTIES and not leg.audio_hook for leg in legs)
        for legs in map(tuple, bridges)
    )


def other_half(name: str) -> str | None:
    """Return the name of a Local channel's other half (main/core_unreal.c, ast_unreal_new_channels)."""
    stem, half = name[:-2], name[-2:]
    other = {";1": ";2", ";2": ";1"}.get(half)
    return stem + other if other and name.startswith("Local/") else None
