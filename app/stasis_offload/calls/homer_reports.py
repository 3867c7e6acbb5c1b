"""Reports the legs of one call to a Homer collector, as long as the switch carries it, and once when that is over."""

import time
from collections.abc import Iterable, Mapping

from stasis_offload.asterisk.leg_report import LegReport
from stasis_offload.calls.hep_sender import HepSender
from stasis_offload.errors import BadPacketError
from stasis_offload.media.homer import rtcp_capture, rtp_capture
from stasis_offload.media.path import Leg
from stasis_offload.media.quality import Quality
from stasis_offload.media.state import Placement, State
from stasis_offload.packets.frame import parse_udp
from stasis_offload.packets.rtcp import Bye, Packet


class HomerReports:
    """The reports of one call.

    It remembers the legs of the last stay in the switch, and how many packets of each leg were forwarded before these two were
    connected.
    """

    def __init__(self, sender: HepSender) -> None:
        self._sender = sender
        self._legs: Mapping[Leg, LegReport] = {}
        self._before: dict[Leg, int] = {}

    def on_rtcp(self, leg: Leg, packets: Iterable[Packet], frame: bytes, placement: Placement) -> None:
        """Report what a leg's own RTCP says, if the collector is to have that."""
        if not self._sender.wants_rtcp:
            return
        try:
            datagram = parse_udp(frame)
        except BadPacketError:
            return
        for packet in packets:
            if not isinstance(packet, Bye):
                capture = rtcp_capture(placement.reports[leg], packet, datagram, at=time.time())
                self._sender.send(capture)

    def on_transition(self, before: Placement, after: Placement, quality: Quality) -> None:
        """Remember the legs of a stay, and report on what they receive at each audit that counts their packets."""
        if after.state is not State.OFFLOADED:
            return
        self._legs = after.reports
        audited = after.counts is not before.counts and after.unsampled
        if audited and before.state is State.OFFLOADED:
            self._report(after, quality, ended=False)

    def end(self, placement: Placement, quality: Quality) -> None:
        """Report for the last time on the present two legs, if the switch ever carried them."""
        self._report(placement, quality, ended=True)
        self._legs = {}
        self._before = {leg: placement.forwarded(leg).packets for leg in Leg}

    def _report(self, placement: Placement, quality: Quality, *, ended: bool) -> None:
        if not self._sender.wants_reports:
            return
        for leg, report in self._legs.items():
            forwarded = placement.forwarded(leg.other).packets - self._before.get(leg.other, 0)
            capture = rtp_capture(
                report,
                self._legs[leg.other],
                quality.of(leg),
                forwarded=forwarded,
                ended=ended,
                at=time.time(),
            )
            if capture:
                self._sender.send(capture)
