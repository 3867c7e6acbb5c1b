"""What a call waits for before it is learned: its turn, and room in the tables of a switch."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from stasis_offload.calls.call_flows import CallFlows
from stasis_offload.calls.learning_queue import LearningQueue
from stasis_offload.media import events as ev
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.state import Placement, State

# After one of these a call that is relayed is not about to be learned.
_UNLEARNED = ev.LegsReported | ev.CommandFailed | ev.CallEnded


class Turns:
    """The waits of one call; `post` tells it that one is over."""

    def __init__(
        self,
        call: str,
        *,
        learning: LearningQueue,
        flows: CallFlows,
        post: Callable[[ev.Event], asyncio.Event],
    ) -> None:
        self._call = call
        self._learning = learning
        self._flows = flows
        self._post = post

    def with_room(self, event: ev.LegsReported) -> ev.LegsReported:
        """Return the report with where the call need not wait now: there may have been room when it was asked for."""
        return replace(event, full=self._flows.full(), room=self._learning.has_room(self._call))

    def follow(self, before: Placement, event: ev.Event, after: Placement) -> None:
        """Record that the call is learned, waits for its turn or for room, or none of it."""
        relayed = after.state is State.RELAYED and not before.is_learned
        left = not relayed or after.blocks or isinstance(event, _UNLEARNED)
        if after.is_learned:
            self._learning.add(self._call)
        elif ReasonKind.QUEUED in after.blocks:
            if ReasonKind.QUEUED not in before.blocks:
                self._learning.wait(self._call, partial(self._post, ev.Unblocked(ReasonKind.QUEUED)))
        elif left:
            self._learning.remove(self._call)
        if ReasonKind.TABLE_FULL in after.blocks:
            if ReasonKind.TABLE_FULL not in before.blocks:
                self._wait_for_room(event)
        elif ReasonKind.QUEUED not in after.blocks and left:
            self._flows.need_no_room()

    def _wait_for_room(self, event: ev.Event) -> None:
        """Wait where the report has found none; a call that a switch has refused may at once go to another."""
        reported = isinstance(event, ev.LegsReported)
        for switch in self._flows.full() if reported else self._flows.connected():
            admit = partial(self._post, ev.Unblocked(ReasonKind.TABLE_FULL))
            self._flows.room(switch).wait(self._flows.owner, admit)

    def end(self) -> None:
        """Wait for nothing any more."""
        self._learning.remove(self._call)
        self._flows.need_no_room()
