"""Captures for a Homer collector, kept where they would be sent."""

import json
from typing import Any

from stasis_offload.calls.hep_sender import Collector, HepSender
from stasis_offload.packets.hep import Agent, Capture, Kind


class KeptCaptures(HepSender):
    """A sender with a collector, which keeps what it is given."""

    def __init__(self, *, rtcp: bool = False) -> None:
        super().__init__(Collector("homer.example", 9060, Agent(), rtcp=rtcp))
        self.captures: list[Capture] = []

    def send(self, capture: Capture) -> None:
        """Keep a capture."""
        self.captures.append(capture)

    @property
    def reports(self) -> list[tuple[str | None, dict[str, Any]]]:
        """The reports on what legs received, each with the call it is of."""
        reports = [each for each in self.captures if each.kind is Kind.RTP_REPORT]
        return [(each.call_id or each.channel, json.loads(each.payload)) for each in reports]
