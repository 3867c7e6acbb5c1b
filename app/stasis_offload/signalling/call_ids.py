"""Bridge and channel ids that encode the call they belong to, and the application."""

import re

CALLER = 0
"""The caller's leg number; callee n is leg n."""


def playback_id(bridge: str, leg: int) -> str:
    """Return the id of what is played to a leg of the call of this bridge before, or in, the conversation."""
    return f"{bridge}-{leg}"


class CallIds:
    """The ids that the Stasis application `app` chooses. No id of one application can be read as one of another.

    They begin with the name of the application. A hyphen in it is written as `=`, which no name has, so that the first
    hyphen of an id ends the name.
    """

    def __init__(self, app: str) -> None:
        self.app = app
        self._prefix = f"{app.replace('-', '=')}-"
        prefix = re.escape(self._prefix)
        self._callee = re.compile(
            prefix + r"(?P<call>.+)-(?P<n>[1-9][0-9]*)(?:~(?P<entry>[1-9][0-9]*))?", re.DOTALL
        )
        self._playback = re.compile(prefix + r"(?P<call>.+)-(?P<leg>[0-9]+)", re.DOTALL)

    def bridge(self, call: str) -> str:
        """Return the id of a call's bridge; `call` is the unique id of the channel that entered Stasis."""
        return f"{self._prefix}{call}"

    def callee(self, call: str, n: int, *, entry: int = 0) -> str:
        """Return the id of the channel dialled for the n-th target of a call, counted from 1.

        `entry` counts, from 0, how often the caller has called: its calls have one id, and a callee of an earlier one may
        still be there, or its end yet to be reported.
        """
        return f"{self._prefix}{call}-{n}~{entry}" if entry else f"{self._prefix}{call}-{n}"

    def call_of_playback(self, playback: str) -> tuple[str, int] | None:
        """Return the call and the leg; None if we did not begin the playback."""
        match = self._playback.fullmatch(playback)
        return (match["call"], int(match["leg"])) if match else None

    def call_of_bridge(self, bridge: str) -> str | None:
        """Return the call that a bridge belongs to; None if we did not create the bridge."""
        return bridge.removeprefix(self._prefix) or None if bridge.startswith(self._prefix) else None

    def call_of_callee(self, channel: str) -> tuple[str, int] | None:
        """Return the call and the target's number; None if we did not dial the channel."""
        match = self._callee.fullmatch(channel)
        return (match["call"], int(match["n"])) if match else None

    def entry_of_callee(self, channel: str) -> int:
        """Return which of its caller's calls dialled a channel, as `entry` of `callee`."""
        match = self._callee.fullmatch(channel)
        return int(match["entry"] or 0) if match else 0
