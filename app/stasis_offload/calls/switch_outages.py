"""Which switches are there, and what one that is not means: a return for its own calls, and nothing for any other."""

import asyncio
from collections.abc import Sequence

import structlog

from stasis_offload.calls.call import Call
from stasis_offload.calls.offload_gate import OffloadGate
from stasis_offload.calls.registry import Registry
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.state import State
from stasis_offload.openflow.events import SwitchDown, SwitchUp
from stasis_offload.openflow.switch import Switch

_KIND = ReasonKind.SWITCH_UNREACHABLE


class SwitchOutages:
    """Follows which of the switches are connected.

    `gate.problems` has a sentence about each that is not. All calls, and those to come, are blocked while none is: then
    no call could be offloaded.
    """

    def __init__(self, registry: Registry, *, switches: Sequence[Switch], gate: OffloadGate) -> None:
        self._registry = registry
        self._switches = switches
        self._gate = gate
        self._up: set[int] = set()
        self._leased: dict[int, asyncio.TimerHandle] = {}
        self._log = structlog.get_logger(__name__)
        for switch in switches:
            gate.problems[switch.title] = "not reached yet"

    def on_up(self, number: int, event: SwitchUp) -> None:
        """Have calls in a switch that is connected; those that it carried and has lost the flows of begin again."""
        switch = self._switches[number]
        datapath = f"{event.description.datapath_id:016x}"
        self._log.info("switch.up", **switch.named, datapath=datapath, kept=event.kept)
        self._gate.problems.pop(switch.title, None)
        self._end_lease(number)
        self._up.add(number)
        lost = [] if event.kept else self._calls_at(number)
        self._gate.block(_KIND, lost)
        self._gate.unblock(_KIND, also=lost)
        self._gate.unblock(ReasonKind.TABLE_FULL)  # it may have room

    def on_down(self, number: int, event: SwitchDown) -> None:
        """Return the calls of a switch that is not connected, once it may not carry them any more."""
        switch = self._switches[number]
        self._log.warning("switch.down", **switch.named, reason=event.reason, grace=round(event.grace, 1))
        self._gate.problems[switch.title] = event.reason
        self._end_lease(number)
        self._up.discard(number)
        if self._up:
            self._gate.unblock(ReasonKind.TABLE_FULL)  # those that have waited for room in this one
        if event.grace > 0:
            loop = asyncio.get_running_loop()
            self._leased[number] = loop.call_later(event.grace, self._on_lease_ended, number)
        else:
            self._on_lease_ended(number)

    def _end_lease(self, number: int) -> None:
        if number in self._leased:
            self._leased.pop(number).cancel()

    def _on_lease_ended(self, number: int) -> None:
        self._end_lease(number)
        lost = self._calls_at(number)
        if self._up:
            self._gate.block(_KIND, lost)
            self._gate.unblock(_KIND, also=lost)  # another switch may see them
        elif self._leased:
            self._gate.block(_KIND, lost)
        elif _KIND not in self._gate.blocks:
            self._gate.block(_KIND)

    def _calls_at(self, number: int) -> list[Call]:
        """Return the calls that a switch carries, or that are learned by what it shows."""
        placements = ((call, call.media.placement) for call in self._registry)
        return [call for call, at in placements if at.switch == number and at.state is not State.RELAYED]
