"""RTP that reaches Asterisk beside the switch, which forwards it too: Asterisk relays it, and the other party gets it twice.

That is the leg's own packet, by SSRC, number and time. Under the leg's SSRC Asterisk sends music and digits, too, in a native
bridge, but with numbers and times of their own (ast_rtp_write in res/res_rtp_asterisk.c).
"""

from stasis_offload.media import events as ev
from stasis_offload.media.emodel import CLOCK_RATES
from stasis_offload.media.path import Leg, ObservedPacket
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.reception import USUAL_PTIME
from stasis_offload.media.state import Placement
from stasis_offload.packets.rtp import signed

# What Asterisk had received before the cutover, and sends on late, is no more than this beyond the last observed packet.
_BEFORE_THE_CUTOVER = 10


def doubled_by(placement: Placement, event: ev.GuardTriggered) -> Reason | None:
    """Return the leg whose packet Asterisk has relayed although the switch forwards it; None if it is not known to be one."""
    leg, packet = event.leg.other, event.packet
    if event.kind is not ReasonKind.ASTERISK_MEDIA or packet is None:
        return None
    last = placement.last_packets.get(leg)
    if last is None or not _continues(placement, leg, last, packet):
        return None
    return Reason(
        ReasonKind.DOUBLED,
        leg,
        detail=f"Asterisk sent packet {packet.sequence} of SSRC {packet.ssrc:#010x}, the {leg}'s",
    )


def _continues(placement: Placement, leg: Leg, last: ObservedPacket, packet: ObservedPacket) -> bool:
    """Return whether a packet is a later one of a leg's audio: as many packets later as its time says."""
    report = placement.reports[leg]
    rate = CLOCK_RATES.get(report.format_rx)
    ticks = int(rate * (report.ptime or USUAL_PTIME) // 1000) if rate else 0
    if not ticks or (packet.ssrc, packet.payload_type) != (
        last.ssrc,
        placement.reports[leg.other].audio_pt_tx,
    ):
        return False
    packets, rest = divmod(signed(packet.timestamp - last.timestamp, bits=32), ticks)
    late = packets > _BEFORE_THE_CUTOVER
    return late and rest == 0 and signed(packet.sequence - last.sequence - packets, bits=16) == 0
