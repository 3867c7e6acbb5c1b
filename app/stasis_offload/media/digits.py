"""Digits that a leg sends as telephone-event while its packets are mirrored."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stasis_offload.media import events as ev
from stasis_offload.media.eligibility import why_not_observed
from stasis_offload.media.path import Leg
from stasis_offload.media.state import Placement

# Those of the events that are digits, by their number (RFC 4733 3.2).
_DIGITS = "0123456789*#ABCD"
_ENDS = 0x80


@dataclass(frozen=True, slots=True)
class Digits:
    """The timestamp of the digit of each leg that was noted last: its last packet is sent three times (RFC 4733 2.5.1.4)."""

    noted: Mapping[Leg, int] = field(default_factory=dict)

    def after(self, placement: Placement, event: ev.Event) -> tuple["Digits", str]:
        """Return what is noted after a mirrored packet, and the digit that it ends for which Asterisk does not look itself.

        Empty if it ends none that is new. A stranger's digit is none, as to Asterisk.
        """
        if not placement.featured or placement.leaves_digits:
            return self, ""
        if not isinstance(event, ev.PacketObserved | ev.SmallPacketObserved) or event.packet is None:
            return self, ""
        leg, packet, report = event.leg, event.packet, placement.reports.get(event.leg)
        if report is None or packet.payload_type not in report.event_pts_rx.values():
            return self, ""
        number, flags = packet.head.ljust(2, b"\0")[:2]
        if number >= len(_DIGITS) or not flags & _ENDS or self.noted.get(leg) == packet.timestamp:
            return self, ""
        if why_not_observed(leg, report, packet):
            return self, ""
        return Digits({**self.noted, leg: packet.timestamp}), _DIGITS[number]
