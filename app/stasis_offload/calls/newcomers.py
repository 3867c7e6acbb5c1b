"""Whose a channel is when its id does not tell: it stands for a leg of a call, or is to stand for one (legs.py)."""

from stasis_offload.calls.call import Call


class Replacements:
    """The newcomers to all calls."""

    def __init__(self) -> None:
        self._standing: dict[str, Call] = {}
        self._coming: dict[str, Call] = {}

    def call_of(self, channel: str) -> Call | None:
        """Return the call of which a newcomer is a leg now."""
        return self._standing.get(channel)

    def announce(self, call: Call, newcomer: str, name: str, *, replaces: str) -> bool:
        """Take it that a newcomer is to stand for a leg as soon as it is in the bridge; False when it may not."""
        if not call.announce_replacement(newcomer, name, replaces=replaces):
            return False
        self._coming[newcomer] = call
        return True

    def cancel(self, newcomer: str) -> None:
        """Take it that a channel ended: if it was to stand for a leg, it will not."""
        call = self._coming.pop(newcomer, None)
        if call:
            call.legs.cancel_replacement(newcomer)

    def commit(self, call: Call, newcomer: str, *, was: Call | None) -> None:
        """Take it that a newcomer is a leg of a call from now on, and no more of the call whose it `was`."""
        self._coming.pop(newcomer, None)
        self._standing[newcomer] = call
        if was and was is not call:
            was.release_leg(newcomer)

    def drop(self, call: Call) -> None:
        """Forget a call that is over, and its newcomers."""
        for newcomers in (self._standing, self._coming):
            for newcomer in [newcomer for newcomer, owner in newcomers.items() if owner is call]:
                del newcomers[newcomer]
