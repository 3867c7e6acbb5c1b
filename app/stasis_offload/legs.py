"""A leg of a call outlives its channel: a newcomer that takes a channel's place in the bridge stands for its leg.

Legs are numbered: 0 is the caller, n the callee of the n-th target. Asterisk announces a newcomer before it swaps
it in (StasisStart.replace_channel, res/stasis/stasis_bridge.c), and may still fail to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from stasis_offload.dialstring import call_of_callee, callee_id

CALLER = 0


@dataclass(frozen=True, slots=True)
class Legs:
    """The channels of one call, by their ids.

    `stand_ins` are the newcomers that stand for legs, `coming` those that were announced, each by its leg.
    """

    call: str
    stand_ins: Mapping[int, str] = field(default_factory=dict)
    coming: Mapping[int, str] = field(default_factory=dict)

    def channel(self, n: int) -> str:
        """Return the id of the channel that leg n is, or would be, at present."""
        return self.stand_ins.get(n) or (callee_id(self.call, n) if n else self.call)

    def leg(self, channel: str) -> int | None:
        """Return which leg a channel is at present; None for one that was replaced, or is of another call."""
        for n, stand_in in self.stand_ins.items():
            if stand_in == channel:
                return n
        dialled = call_of_callee(channel) or (channel, CALLER)
        n = dialled[1]
        return n if dialled[0] == self.call and n not in self.stand_ins else None

    def expecting(self, n: int, newcomer: str) -> "Legs":
        """Return the legs when a newcomer was announced for leg n."""
        return replace(self, coming={**self.coming, n: newcomer})

    def leg_ahead(self, newcomer: str) -> int | None:
        """Return the leg that an announced newcomer is to stand for."""
        return next((n for n, coming in self.coming.items() if coming == newcomer), None)

    def swapped(self, n: int) -> "Legs":
        """Return the legs once the newcomer that was announced for leg n stands for it."""
        return replace(self.without(self.coming[n]), stand_ins={**self.stand_ins, n: self.coming[n]})

    def without(self, newcomer: str) -> "Legs":
        """Return the legs when an announced newcomer did not come."""
        coming = {n: channel for n, channel in self.coming.items() if channel != newcomer}
        return replace(self, coming=coming)

    def newcomers(self, members: Sequence[str], legs: Sequence[int]) -> tuple[tuple[int, str], ...]:
        """Return who must stand for which leg, from who is in the bridge: strangers for legs that are missing."""
        missing = [n for n in legs if self.channel(n) not in members]
        strangers = [channel for channel in members if self.leg(channel) is None]
        return tuple(zip(missing, strangers, strict=False))
