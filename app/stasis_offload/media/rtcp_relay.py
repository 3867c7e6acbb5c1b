"""RTCP of an offloaded call: what a leg reports goes on to the other leg as if Asterisk had sent it.

It goes in the frame of Asterisk's own RTCP to that leg, and under the CNAME in it, so that the leg receives one CNAME
all the time; of the sender's own names (SDES) none goes on. Nothing does until Asterisk has sent RTCP to the leg in the
present stay: `rtcpinterval` (5 s) at most. What is not RTCP is between a leg and Asterisk: STUN, and the answers to it.

After a return Asterisk's first report counts as lost what the switch has carried since the one before. It is withheld.
"""

from collections.abc import Mapping
from dataclasses import replace

from stasis_offload.errors import BadPacketError
from stasis_offload.media import commands as cmd
from stasis_offload.media import events as ev
from stasis_offload.media.path import Headers, Leg
from stasis_offload.media.relaying import Step
from stasis_offload.media.state import Placement
from stasis_offload.packets.frame import Datagram, Envelope
from stasis_offload.packets.rtcp import reporters, with_cname


def is_own(placement: Placement, leg: Leg, datagram: Datagram) -> bool:
    """Return whether what came to a leg's RTCP port is the leg's own RTCP: whose SSRC its RTP has.

    Asterisk takes another's, too, such as one of a call before on the same ports (ast_rtcp_interpret in res/res_rtp_asterisk.c).
    """
    own = placement.reports[leg].ssrc_rx
    found = reporters(datagram.payload)
    return bool(found) and (own is None or found == {own})


def pass_on_report(placement: Placement, event: ev.RtcpReceived, now: float) -> Step:
    """Record that the leg is there, even if it sends no audio, and pass on its RTCP; another's changes nothing."""
    if not is_own(placement, event.leg, event.datagram):
        return placement, ()
    alive = replace(placement, rtcp_at={**placement.rtcp_at, event.leg: now})
    to_other = _to_other(placement, event.leg, event.datagram)
    return alive, (to_other,) if to_other else ()


def pass_on_answer(placement: Placement, event: ev.OtherDropped, _now: float) -> Step:
    """Pass on to the leg what Asterisk answers: the switch cannot tell it from RTCP."""
    return placement, (cmd.InjectPacket(event.in_port, event.frame),)


def withhold(placement: Placement, event: ev.RtcpSent, _now: float) -> Step:
    """Withhold Asterisk's first report since the return that says lost what the switch carried; pass on any before."""
    if event.leg not in placement.withheld:
        return placement, ()
    if not event.says_lost:
        return placement, (cmd.InjectPacket(event.headers.in_port, event.frame),)
    done = _no_longer_withheld(placement, event.leg)
    return done, (done.set_flows(),)


def end_withholding(placement: Placement, event: ev.WithholdingEnded, _now: float) -> Step:
    """Have Asterisk's reports to the leg go their own way again, even if the flow was added anew in the moment of its end."""
    ended = _no_longer_withheld(placement, event.leg)
    return ended, (ended.set_flows(),)


def _no_longer_withheld(placement: Placement, leg: Leg) -> Placement:
    rest = {other: received for other, received in placement.withheld.items() if other is not leg}
    return replace(placement, withheld=rest)


def _to_other(placement: Placement, leg: Leg, datagram: Datagram) -> cmd.InjectPacket | None:
    """Build a leg's RTCP as Asterisk's to the other leg, one hop older; None if it is not to go on."""
    cname = placement.cnames.get(leg.other)
    if cname is None or datagram.ttl <= 1:
        return None
    try:
        payload = with_cname(datagram.payload, cname)
    except BadPacketError:
        return None
    own = placement.rtcp_out[leg.other]
    return cmd.InjectPacket(own.in_port, envelope_of(own).wrap(payload, ttl=datagram.ttl - 1))


def envelope_of(headers: Headers) -> Envelope:
    """Return the envelope of what goes the way of a packet with these headers."""
    return Envelope(
        Datagram(
            eth_src=headers.eth_src,
            eth_dst=headers.eth_dst,
            tag=headers.tag,
            dscp=headers.dscp,
            source=headers.source,
            destination=headers.destination,
            ttl=0,
            size=0,
            payload=b"",
        )
    )


def with_reports(placement: Placement, reported: Mapping[Leg, float]) -> Placement:
    """Record when legs have sent reports that passed without a step of the machine (usual_rtcp.py)."""
    return replace(placement, rtcp_at={**placement.rtcp_at, **reported})
