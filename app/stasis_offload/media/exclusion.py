"""Which calls are excluded from the switch: by the caller's variable, by an endpoint, by a percentage of all calls."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.roles import OWNERS, owner_of
from stasis_offload.media.state import Policy

# What Asterisk itself reads as no (main/utils.c, ast_false).
_NO = frozenset({"no", "false", "n", "f", "0", "off"})


def opts_out(variable: str | None) -> bool:
    """Return whether a value of the channel variable OFFLOAD means no."""
    return variable is not None and variable.strip().lower() in _NO


def why_excluded(call: str, channels: Iterable[str], policy: Policy, *, opted_out: bool) -> ReasonKind | None:
    """Return what excludes a call whose legs are the channels of these names; None if nothing does.

    Which calls a percentage includes depends on their ids alone: the same after a restart, and all of them with a
    larger percentage.
    """
    if opted_out:
        return ReasonKind.EXCLUDED_VARIABLE
    endpoints = [_endpoint(channel) for channel in channels]
    # In any case: a technology may be written as in a dial string, where it makes no difference.
    if any(fnmatchcase(endpoint, pattern.lower()) for endpoint in endpoints for pattern in policy.exclude):
        return ReasonKind.EXCLUDED_ENDPOINT
    if owner_of(call) * 100 >= policy.percentage * OWNERS:
        return ReasonKind.EXCLUDED_PERCENTAGE
    return None


def _endpoint(channel: str) -> str:
    """Return the endpoint in a channel's name, `PJSIP/trunk-a` of `PJSIP/trunk-a-0000001f` (chan_pjsip.c)."""
    return channel.rpartition("-")[0].lower()
