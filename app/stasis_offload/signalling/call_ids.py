"""The ids that carry a call's identity: of its bridge, and of the channels dialled for it."""

import re

CALLER = 0
"""The number of the caller where legs are counted: callee n is leg n."""

PREFIX = "offload-"

_CALLEE_ID = re.compile(re.escape(PREFIX) + r"(?P<call>.+)-(?P<n>[1-9][0-9]*)", re.DOTALL)


def bridge_id(call: str) -> str:
    """Id of a call's bridge; `call` is the unique id of the channel that entered Stasis."""
    return f"{PREFIX}{call}"


def callee_id(call: str, n: int) -> str:
    """Id of the channel dialled for the n-th target of a call, counted from 1."""
    return f"{PREFIX}{call}-{n}"


def call_of_bridge(bridge: str) -> str | None:
    """Return the call that a bridge was made for, or None when the id is not one of ours."""
    return bridge.removeprefix(PREFIX) or None if bridge.startswith(PREFIX) else None


def call_of_callee(channel: str) -> tuple[str, int] | None:
    """Return the call and the number of the target, or None when the channel is none that we dialled."""
    match = _CALLEE_ID.fullmatch(channel)
    return (match["call"], int(match["n"])) if match else None
