"""Bridge and channel ids that encode the call they belong to."""

import re

CALLER = 0
"""The caller's leg number; callee n is leg n."""

PREFIX = "offload-"

_CALLEE_ID = re.compile(
    re.escape(PREFIX) + r"(?P<call>.+)-(?P<n>[1-9][0-9]*)(?:~(?P<entry>[1-9][0-9]*))?", re.DOTALL
)
_PLAYBACK_ID = re.compile(re.escape(PREFIX) + r"(?P<call>.+)-(?P<leg>[0-9]+)", re.DOTALL)


def bridge_id(call: str) -> str:
    """Return the id of a call's bridge; `call` is the unique id of the channel that entered Stasis."""
    return f"{PREFIX}{call}"


def callee_id(call: str, n: int, *, entry: int = 0) -> str:
    """Return the id of the channel dialled for the n-th target of a call, counted from 1.

    `entry` counts, from 0, how often the caller has called: its calls have one id, and a callee of an earlier one may
    still be there, or its end yet to be reported.
    """
    return f"{PREFIX}{call}-{n}~{entry}" if entry else f"{PREFIX}{call}-{n}"


def playback_id(call: str, leg: int) -> str:
    """Return the id of what is played to a leg of a call before the conversation."""
    return f"{PREFIX}{call}-{leg}"


def call_of_playback(playback: str) -> tuple[str, int] | None:
    """Return the call and the leg; None if we did not begin the playback."""
    match = _PLAYBACK_ID.fullmatch(playback)
    return (match["call"], int(match["leg"])) if match else None


def call_of_bridge(bridge: str) -> str | None:
    """Return the call that a bridge belongs to; None if we did not create the bridge."""
    return bridge.removeprefix(PREFIX) or None if bridge.startswith(PREFIX) else None


def call_of_callee(channel: str) -> tuple[str, int] | None:
    """Return the call and the target's number; None if we did not dial the channel."""
    match = _CALLEE_ID.fullmatch(channel)
    return (match["call"], int(match["n"])) if match else None


def entry_of_callee(channel: str) -> int:
    """Return which of its caller's calls dialled a channel, as `entry` of `callee_id`."""
    match = _CALLEE_ID.fullmatch(channel)
    return int(match["entry"] or 0) if match else 0
