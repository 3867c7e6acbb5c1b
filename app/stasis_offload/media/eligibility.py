"""Eligibility: the tests of Asterisk's reports and of packets that give a reason to relay a call.

The switch may carry a call only while neither endpoint could distinguish it from Asterisk's own native bridge
(bridges/bridge_native_rtp.c). Any doubt is a reason to relay.
"""

from collections.abc import Callable, Collection, Mapping

from stasis_offload.asterisk.leg_report import NATIVE_RTP, PARTIES, UP, Glue, LegReport, RtcpMode
from stasis_offload.media.path import Leg, ObservedPacket
from stasis_offload.media.reasons import Reason, ReasonKind
from stasis_offload.media.sizes import is_constant

# An offloaded call is audited three times within an endpoint's rtp_timeout (s) (Placement.next_audit).
MIN_RTP_TIMEOUT = 10
# Packets that Asterisk may have received, or strangers sent, without a meaning: before the switch mirrored them, by chance.
_FEW_PACKETS = 10
# RFC 3551 4.5.2; no SDP has to name it.
COMFORT_NOISE = 13
# Hops. Fewer are left if the sender is distant or has chosen a low TTL. A switch decrements the TTL as a router does
# and drops a packet whose TTL expires, yet counts it (OVS: compose_dec_ttl in ofproto/ofproto-dpif-xlate.c).
MIN_TTL = 16


def _is_null(leg: LegReport) -> bool:
    return any(address is None or not address.is_concrete for address in (leg.local, leg.remote))


_ONE_LEG: tuple[tuple[ReasonKind, Callable[[LegReport], bool]], ...] = (
    (ReasonKind.NOT_UP, lambda leg: leg.state != UP),
    (ReasonKind.NOT_TWO_PARTIES, lambda leg: leg.bridge_channels != PARTIES),
    (ReasonKind.NOT_RTP, lambda leg: leg.glue is Glue.NONE),
    (ReasonKind.T38, lambda leg: leg.t38),
    (ReasonKind.ENCRYPTED, lambda leg: leg.srtp or leg.dtls),
    (ReasonKind.ICE, lambda leg: leg.ice),
    (ReasonKind.GLUE_FORBIDS, lambda leg: leg.glue is Glue.FORBID),
    (ReasonKind.DIRECT_MEDIA, lambda leg: leg.glue is Glue.REMOTE),
    (ReasonKind.VIDEO, lambda leg: leg.video_glue is not Glue.NONE),
    (ReasonKind.RTCP_MUX, lambda leg: leg.rtcp is RtcpMode.MUX),
    (ReasonKind.RTCP_OFF, lambda leg: leg.rtcp is RtcpMode.OFF),
    (ReasonKind.RTP_TIMEOUT, lambda leg: 0 < leg.rtp_timeout < MIN_RTP_TIMEOUT),
    (ReasonKind.RTP_KEEPALIVE, lambda leg: leg.rtp_keepalive > 0),
    (ReasonKind.HOLD, lambda leg: leg.hold),
    (ReasonKind.AUDIO_HOOK, lambda leg: leg.audio_hook),
    (ReasonKind.ASTERISK_MEDIA, lambda leg: leg.generator),
    (ReasonKind.NULL_ADDRESS, _is_null),
)

_BOTH_LEGS: tuple[tuple[ReasonKind, Callable[[LegReport, LegReport], bool]], ...] = (
    (ReasonKind.ADDRESS_FAMILY, lambda a, b: len(_families(a) | _families(b)) != 1),
    (ReasonKind.CODEC, lambda a, b: a.format_rx != b.format_tx or b.format_rx != a.format_tx),
    (ReasonKind.PTIME, lambda a, b: a.ptime != b.ptime),
    (ReasonKind.AUDIO_PT, lambda a, b: None in (a.audio_pt_rx, b.audio_pt_rx)),
    (ReasonKind.AUDIO_PT, lambda a, b: a.audio_pt_rx != b.audio_pt_tx or b.audio_pt_rx != a.audio_pt_tx),
    (ReasonKind.EVENT_PT, lambda a, b: bool(a.event_pts_rx) != bool(b.event_pts_tx)),
    (ReasonKind.EVENT_PT, lambda a, b: bool(b.event_pts_rx) != bool(a.event_pts_tx)),
    (ReasonKind.NOT_NATIVE, lambda a, _: a.bridge_technology != NATIVE_RTP),
    (ReasonKind.NOT_NATIVE, lambda a, b: not (a.local_bridge and b.local_bridge)),
)


# What is compared, of the one leg or of each of the two.
_DETAILS: Mapping[ReasonKind, Callable[[LegReport], object]] = {
    ReasonKind.NOT_UP: lambda leg: f"state {leg.state}",
    ReasonKind.NOT_TWO_PARTIES: lambda leg: f"{leg.bridge_channels} channels in the bridge",
    ReasonKind.GLUE_FORBIDS: lambda leg: f"glue {leg.glue}",
    ReasonKind.RTP_TIMEOUT: lambda leg: f"rtp_timeout {leg.rtp_timeout} s, less than {MIN_RTP_TIMEOUT}",
    ReasonKind.RTP_KEEPALIVE: lambda leg: f"rtp_keepalive {leg.rtp_keepalive} s",
    ReasonKind.NULL_ADDRESS: lambda leg: f"local {leg.local}, remote {leg.remote}",
    ReasonKind.HAIRPIN: lambda leg: f"remote {leg.remote}",
    ReasonKind.ADDRESS_FAMILY: lambda leg: leg.remote,
    ReasonKind.NOT_NATIVE: lambda leg: leg.bridge_technology + ("" if leg.local_bridge else ", not locally"),
    ReasonKind.CODEC: lambda leg: leg.format_rx,
    ReasonKind.PTIME: lambda leg: f"{leg.ptime} ms",
    ReasonKind.AUDIO_PT: lambda leg: f"{leg.format_rx} {leg.audio_pt_rx}",
    ReasonKind.EVENT_PT: lambda leg: _numbers(leg.event_pts_rx),
}


def _numbers(event_pts: Mapping[int, int]) -> str:
    numbers = (f"telephone-event/{rate} {number}" for rate, number in sorted(event_pts.items()))
    return ", ".join(numbers) or "no telephone-event"


def of_both(kind: ReasonKind, caller: LegReport, callee: LegReport) -> Reason:
    """Return a reason that is both legs', with what they differ in."""
    of_leg = _DETAILS.get(kind)
    detail = f"caller {of_leg(caller)}, callee {of_leg(callee)}" if of_leg else None
    return Reason(kind, detail=detail)


def _of_one(kind: ReasonKind, leg: Leg | None, report: LegReport) -> Reason:
    of_leg = _DETAILS.get(kind)
    return Reason(kind, leg, detail=str(of_leg(report)) if of_leg else None)


def _families(leg: LegReport) -> set[int]:
    return {address.host.version for address in (leg.local, leg.remote) if address}


def differ_in_digits(a: LegReport, b: LegReport) -> bool:
    """Return whether Asterisk gives a leg's digits of some clock rate another payload type for the other leg, or none."""
    return a.event_pts_rx != b.event_pts_tx or b.event_pts_rx != a.event_pts_tx


def why_not(caller: LegReport | None, callee: LegReport | None, *, splits: bool = True) -> Reason | None:
    """Return the reason against learning in Asterisk's reports; None if the call is eligible.

    A leg that Asterisk does not list is None; `splits` is whether the switch can tell packets apart by their size. The
    first reason found is returned: reasons that explain others come first (T.38 and encryption before the glue that
    forbids because of them; a codec mismatch before the bridge that is not native because of it).
    """
    if caller is None or callee is None:
        return Reason(ReasonKind.UNREPORTED, Leg.CALLER if caller is None else Leg.CALLEE)
    for kind, applies in _ONE_LEG:
        for leg, report in ((Leg.CALLER, caller), (Leg.CALLEE, callee)):
            if applies(report):
                return _of_one(kind, None if kind is ReasonKind.NOT_TWO_PARTIES else leg, report)
    for leg, near, far in ((Leg.CALLER, caller, callee), (Leg.CALLEE, callee, caller)):
        if near.remote in (near.local, far.local):
            return _of_one(ReasonKind.HAIRPIN, leg, near)
    splits = splits and all(is_constant(report.format_rx) for report in (caller, callee))
    if not splits and differ_in_digits(caller, callee):
        return of_both(ReasonKind.EVENT_PT, caller, callee)
    kinds = (kind for kind, applies in _BOTH_LEGS if applies(caller, callee))
    return next((of_both(kind, caller, callee) for kind in kinds), None)


def why_not_followed(
    featured: Collection[Leg], reports: Mapping[Leg, LegReport], *, splits: bool
) -> Reason | None:
    """Return the leg whose digits the application would not see, which asks for features by them; None if there is none.

    Only what the switch tells from audio by its size comes by Asterisk, and is mirrored.
    """
    for leg in featured:
        report = reports[leg]
        if not (splits and is_constant(report.format_rx) and report.event_pts_rx):
            return Reason(ReasonKind.DTMF_UNSEEN, leg)
    return None


def needs_sizes(featured: Collection[Leg], reports: Mapping[Leg, LegReport]) -> bool:
    """Return whether digits go by Asterisk while the switch carries the call, which tells them from audio by their size."""
    return bool(featured) or (len(reports) == len(Leg) and differ_in_digits(*reports.values()))


def has_own_hooks(featured: Collection[Leg], reports: Mapping[Leg, LegReport]) -> bool:
    """Return whether Asterisk bridges the call as it does because it follows digits, which it ceases to do when told."""
    return bool(featured) and any(report.dtmf_hooks for report in reports.values())


def why_not_observed(leg: Leg, report: LegReport, packet: ObservedPacket) -> Reason | None:
    """Return why an observed packet is not the media that Asterisk reports of this leg; None if it is."""
    headers = packet.headers
    if headers.destination != report.local or report.source not in (None, headers.source):
        detail = f"on the wire {headers.source} to {headers.destination}, by Asterisk {report.source} to {report.local}"
        return Reason(ReasonKind.FOREIGN_SOURCE, leg, detail)
    agreed = (report.audio_pt_rx, *report.event_pts_rx.values())
    if packet.payload_type not in agreed:
        detail = f"payload type {packet.payload_type}, agreed are {', '.join(map(str, agreed))}"
        return Reason(ReasonKind.FOREIGN_MEDIA, leg, detail)
    if packet.ttl < MIN_TTL:
        return Reason(ReasonKind.LOW_TTL, leg, f"TTL {packet.ttl}")
    if report.ssrc_rx is not None and packet.ssrc != report.ssrc_rx:
        detail = f"SSRC on the wire {packet.ssrc:#010x}, by Asterisk {report.ssrc_rx:#010x}"
        return Reason(ReasonKind.FOREIGN_SSRC, leg, detail)
    return None


def why_not_observable(leg: Leg, *, before: LegReport, after: LegReport, strangers: int) -> Reason:
    """Return why no packet of a leg was observed between two reports, while `strangers` came from elsewhere."""
    if are_several(strangers):
        detail = f"{strangers} packets came from elsewhere, none from {after.source or after.remote}"
        return Reason(ReasonKind.FOREIGN_SOURCE, leg, detail)
    detail = f"meanwhile Asterisk received {_received(before, after)} packets, the switch showed none"
    return Reason(
        ReasonKind.BYPASSES_SWITCH if goes_to_asterisk(before, after) else ReasonKind.NO_MEDIA, leg, detail
    )


def why_not_relayed(leg: Leg, *, before: LegReport, after: LegReport) -> Reason:
    """Return why Asterisk did not relay packets of a leg that were observed between two reports."""
    received = (after.ssrc_rx, after.packets_rx) != (before.ssrc_rx, before.packets_rx)
    detail = f"the switch showed packets, Asterisk received {_received(before, after)}"
    return Reason(ReasonKind.NOT_RELAYED if received else ReasonKind.NOT_RECEIVED, leg, detail)


def goes_to_asterisk(before: LegReport, after: LegReport) -> bool:
    """Return whether Asterisk has received more than a few packets of a leg between two reports."""
    return are_several(_received(before, after))


def _received(before: LegReport, after: LegReport) -> int:
    # It counts anew from each new SSRC on.
    return after.packets_rx - (before.packets_rx if before.ssrc_rx == after.ssrc_rx else 0)


def are_several(packets: int) -> bool:
    """Return whether so many packets mean something."""
    return packets > _FEW_PACKETS


def has_received(report: LegReport) -> bool:
    """Return whether Asterisk itself has received this leg's RTP, so that strict RTP has learned its source.

    Otherwise, after a return, Asterisk could drop packets as coming from an unknown source (res/res_rtp_asterisk.c,
    strict RTP learning).
    """
    return report.ssrc_rx is not None and report.packets_rx > 0


def addresses_in(reports: Mapping[Leg, LegReport]) -> tuple[object, ...]:
    """Return the channel of each leg, and the addresses between which its media goes."""
    ordered = (reports.get(leg) for leg in Leg)
    return tuple((each.channel_id, each.local, each.remote, each.sdp) for each in ordered if each)


def is_other_media(before: Mapping[Leg, LegReport], after: Mapping[Leg, LegReport]) -> bool:
    """Return whether the reports differ in a channel, an address or what is sent: the path must be learned again."""
    return any(_media(before.get(leg)) != _media(after.get(leg)) for leg in Leg)


def _media(report: LegReport | None) -> tuple[object, ...] | None:
    if report is None:
        return None
    addresses = (report.local, report.remote, report.sdp)
    return (
        report.channel_id,
        addresses,
        report.format_rx,
        report.ptime,
        report.audio_pt_rx,
        report.event_pts_rx,
    )
