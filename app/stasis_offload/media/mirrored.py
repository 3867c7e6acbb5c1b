"""What a mirrored packet is to the media machine, by the flow that mirrored it."""

from typing import assert_never

from stasis_offload.errors import BadPacketError
from stasis_offload.media import events as ev
from stasis_offload.media.path import ObservedPacket, SwitchPort, headers_of, observed_packet
from stasis_offload.media.reasons import ReasonKind
from stasis_offload.media.roles import Duty, Role
from stasis_offload.packets.frame import Datagram, parse_udp
from stasis_offload.packets.rtcp import cname_of, is_rtcp, says_lost

_OF_RTCP = (Duty.RTCP, Duty.RTCP_DROP, Duty.RTCP_OUT)


def mirrored(role: Role, *, in_port: SwitchPort, frame: bytes) -> ev.Event | None:
    """Return the event of a frame that the switch received on a port; None if it is of no interest."""
    datagram = _datagram(frame)
    packet = _rtp(in_port, datagram) if datagram and role.duty not in _OF_RTCP else None
    match role.duty:
        case Duty.LEARN_IN | Duty.VERIFY | Duty.SAMPLE:
            by_switch = role.duty is not Duty.LEARN_IN
            source = datagram.source if datagram and not packet else None
            return ev.PacketObserved(role.leg, packet, by_switch, source=source)
        case Duty.LEARN_OUT:
            return ev.PacketRelayed(role.leg.other, packet) if packet else None
        case Duty.GUARD_IN:
            headers = headers_of(in_port, datagram) if datagram else None
            return ev.GuardTriggered(ReasonKind.FOREIGN_SOURCE, role.leg, packet, headers)
        case Duty.SMALL:
            return ev.SmallPacketObserved(role.leg, packet) if packet else None
        case Duty.GUARD_OUT:  # not of a keepalive, or Asterisk's answer to STUN
            return ev.GuardTriggered(ReasonKind.ASTERISK_MEDIA, role.leg, packet) if packet else None
        case Duty.RTCP:
            return ev.RtcpReceived(role.leg, datagram) if datagram else None
        case Duty.RTCP_DROP | Duty.RTCP_OUT:
            if datagram and is_rtcp(datagram.payload):
                return _rtcp_sent(role, in_port, frame, datagram)
            return ev.OtherDropped(role.leg, in_port, frame) if role.duty is Duty.RTCP_DROP else None
        case Duty.FORWARD | Duty.LARGE:
            return None  # not mirrored
        case _:
            assert_never(role.duty)


def _rtcp_sent(role: Role, in_port: SwitchPort, frame: bytes, datagram: Datagram) -> ev.RtcpSent:
    rtcp = datagram.payload
    return ev.RtcpSent(
        role.leg, headers_of(in_port, datagram), frame, cname_of(rtcp), says_lost=says_lost(rtcp)
    )


def _rtp(in_port: SwitchPort, datagram: Datagram) -> ObservedPacket | None:
    try:
        return observed_packet(in_port, datagram)
    except BadPacketError:
        return None


def _datagram(frame: bytes) -> Datagram | None:
    try:
        return parse_udp(frame)
    except BadPacketError:
        return None
